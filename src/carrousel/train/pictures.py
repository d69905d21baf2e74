"""Pictures of what a model does on single sequences, as values that JSON can hold; drawn only when somebody looks.

`Grid` is a table of numbers from 0 to 1, such as the weights of attention; `Fan` is a forecast after its history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from carrousel.train.fan import Fan
from carrousel.train.grid import Grid

Picture = Grid | Fan
FORMS: Mapping[str, type[Grid] | type[Fan]] = {"grid": Grid, "fan": Fan}


@dataclass(frozen=True)
class Gallery:
    """Pictures of one subject.

    Attributes:
        title: of all of them, such as "Attention".
        about: how to read them, a sentence.
        pictures: in order.
    """

    title: str
    about: str
    pictures: Sequence[Picture]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        names = {made: form for form, made in FORMS.items()}
        drawn = [{"form": names[type(picture)], **asdict(picture)} for picture in self.pictures]
        return {"title": self.title, "about": self.about, "pictures": drawn}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Gallery":
        """What `to_dict` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        pictures = [FORMS[picture["form"]].from_dict(picture) for picture in found["pictures"]]
        return cls(str(found["title"]), str(found["about"]), pictures)
