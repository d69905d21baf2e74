"""The small real data that ships with the package, as `carrousel new` writes it."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from carrousel.errors import ConfigError, nearest


def sample_files(kind: str, sample: str = "", where: str = "new") -> Mapping[str, bytes]:
    """Name -> content of every file of a kind's project: its settings first, its data and where that came from.

    Args:
        sample: one of `sample_names`; without it, the data that the kind begins with.

    Raises:
        ConfigError: the kind has no such sample.
    """
    if sample and sample not in (names := sample_names(kind)):
        raise ConfigError(
            f"{where}: unknown sample {sample!r} of {kind}.{nearest(sample, names)} "
            f"Its samples: {', '.join(names) or 'none but the first, which needs no name'}."
        )
    entries = _folder(kind).joinpath(sample).iterdir()
    ordered = sorted(entries, key=lambda entry: (entry.name != f"{kind}.yaml", entry.name))
    return {entry.name: entry.read_bytes() for entry in ordered if entry.is_file()}


def sample_names(kind: str) -> list[str]:
    """The samples of a kind beside the first, by name."""
    return sorted(entry.name for entry in _folder(kind).iterdir() if entry.is_dir())


def _folder(kind: str) -> Traversable:
    return files("carrousel.data") / "samples" / kind
