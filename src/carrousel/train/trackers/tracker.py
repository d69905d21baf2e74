"""What a tracker is: a service or a file format that follows a run, beside the run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from carrousel.train.summary import Summary


@runtime_checkable
class Tracker(Protocol):
    """Follows one run. Figures come by name, as plain numbers."""

    def start(self, settings: Mapping[str, Any], folder: Path, update: int = 0) -> None:
        """A run begins, or goes on.

        Args:
            settings: all of them, such as {"train.updates": 500}.
            folder: of the run.
            update: that it goes on from; 0 for a new run.
        """
        ...

    def step(self, update: int, values: Mapping[str, float]) -> None:
        """An update was made: its loss, learning rate and gradient norm."""
        ...

    def evaluation(self, update: int, values: Mapping[str, float]) -> None:
        """The model was measured on held-out data."""
        ...

    def finish(self, summary: Summary) -> None:
        """Training came to its end."""
        ...

    def close(self) -> None:
        """Nothing more comes, whether the run came to its end or not."""
        ...
