"""What `carrousel new language-model` writes: settings for a first model, one play to learn from, and the published settings of
AWD-LSTM and of Melis et al. for texts of a million words."""

import tarfile
from collections.abc import Mapping
from importlib.resources import as_file, files

from carrousel.data import SAMPLES
from carrousel.models.samples import sample_files

PLAY = "richard_iii.txt"


def starter_files() -> Mapping[str, bytes]:
    """Name -> content; the settings to begin with come first."""
    return {**sample_files("language-model"), PLAY: _play()}


def _play() -> bytes:
    """The longest play of the sample, in the public domain."""
    with as_file(files("carrousel.data") / SAMPLES["shakespeare"]) as path, tarfile.open(path) as archive:
        content = archive.extractfile(f"train/{PLAY}")
        assert content is not None, "the sample has this play"
        return content.read()
