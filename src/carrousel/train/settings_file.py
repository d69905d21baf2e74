"""A settings file: its text, and its settings with the paths in them held to its own folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carrousel.errors import DataError
from carrousel.train.kind import Kind
from carrousel.train.settings import Section, Settings


def text_of(path: Path, where: str) -> str:
    """The text of a settings file.

    Raises:
        DataError: it cannot be read.
    """
    expected = "expected a settings file. carrousel new KIND writes one"
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(f"{where}: {path} does not exist, {expected}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{where}: {path} cannot be read ({error}), {expected}.") from None


def settings_of(kind: Kind[Any], nested: Mapping[str, Any], path: Path, overrides: Sequence[str], where: str) -> Any:
    """The settings of a kind, checked, paths as seen from the current folder.

    Args:
        nested: what the file says, in sections.
        path: of the file; paths in it count from its folder and must lie in it.
        overrides: `key.sub=value` on top; paths in them may lie anywhere.

    Raises:
        ConfigError: wrong settings, all faults together; or a path that leaves the folder.
    """
    place = f"{where}: {path}"
    whole = kind.Settings.of(nested, overrides, place)
    section: Section = getattr(whole, "data")  # noqa: B009 - every kind has one
    named = {text.partition("=")[0].removeprefix("data.") for text in overrides if text.startswith("data.")}
    anywhere = {
        name: getattr(section, name) for name in named & set(type(section).model_fields) if _is_path(section, name)
    }
    inside = kind.absolute(_with_data(whole, dict.fromkeys(anywhere)), path.parent, place)
    return _with_data(inside, anywhere)


def _with_data(settings: Settings, values: Mapping[str, Any]) -> Settings:
    section: Section = getattr(settings, "data")  # noqa: B009 - every kind has one
    return settings.model_copy(update={"data": section.model_copy(update=values)})


def _is_path(section: Section, name: str) -> bool:
    about = type(section).model_fields[name].description or ""
    return isinstance(getattr(section, name), str) and about.startswith("path")
