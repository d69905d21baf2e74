"""The small real data that ships with the package, as `carrousel new` writes it."""

from collections.abc import Mapping
from importlib.resources import files


def sample_files(kind: str) -> Mapping[str, bytes]:
    """Name -> content of every file of a kind's project: its settings first, its data and where that came from."""
    folder = files("carrousel.data") / "samples" / kind
    entries = sorted(folder.iterdir(), key=lambda entry: (entry.name != f"{kind}.yaml", entry.name))
    return {entry.name: entry.read_bytes() for entry in entries if entry.is_file()}
