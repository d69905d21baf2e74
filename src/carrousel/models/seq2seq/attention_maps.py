"""What a decoder looks at while it writes, as numbers, as pictures and as files."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from carrousel.errors import ConfigError
from carrousel.files import write_atomically
from carrousel.models.seq2seq.encoder_decoder import EncoderDecoder
from carrousel.models.seq2seq.network import Seq2SeqNetwork
from carrousel.models.seq2seq.units import join
from carrousel.train.grid import Grid, sheet
from carrousel.train.pictures import Gallery
from carrousel.train.report_page import footer, render

MOST: dict[str, int | None] = {".html": 100, ".svg": 12, ".npz": None}
"""Ending of a file -> maps that it holds."""
LONGEST_TITLE = 60
END = "(end)"
ABOUT = "Each row is a unit written, each column a unit of the source: the darker, the more the decoder looked there."


class AttentionMap(NamedTuple):
    """What the decoder looked at."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: Float[np.ndarray, "T source"]  # one row a unit of the target, and one for its end


def has_attention(network: Seq2SeqNetwork) -> bool:
    """Whether a network looks at the source while it writes."""
    return isinstance(network, EncoderDecoder) and network.model.attention != "none"


def attention_maps(
    network: Seq2SeqNetwork, sources: Sequence[tuple[str, ...]], targets: Sequence[tuple[str, ...]], where: str
) -> list[AttentionMap]:
    """Weights over each source while its target is written.

    Raises:
        ConfigError: the network has no attention.
    """
    check_attention(network, where)
    assert isinstance(network, EncoderDecoder)
    weights = network.attention(sources, targets)
    return [AttentionMap(*one) for one in zip(sources, targets, weights, strict=True)]


def check_attention(network: Seq2SeqNetwork, where: str) -> None:
    """Refuse a network without attention.

    Raises:
        ConfigError: it is one.
    """
    if not has_attention(network):
        raise ConfigError(
            f"{where}: the model has attention {network.model.attention}, expected one that looks at the source. Train with "
            "model.attention=general."
        )


def check_path(path: Path, where: str) -> int | None:
    """How many maps a file of this name holds; None for all.

    Raises:
        ConfigError: its ending is not known.
    """
    if path.suffix.lower() not in MOST:
        raise ConfigError(
            f"{where}: attention is {path}, expected a file name that ends in {', '.join(MOST)}. Name another, such as "
            "attention.html."
        )
    return MOST[path.suffix.lower()]


class Looked:
    """Maps that are gathered while a file is translated, as many as the file to be written holds.

    Raises:
        ConfigError: the network has no attention, or the file's ending is not known.
    """

    def __init__(self, network: Seq2SeqNetwork, path: Path, where: str) -> None:
        check_attention(network, where)
        self.network, self.path, self.where = network, path, where
        self.most, self.num_sources, self.maps = check_path(path, where), 0, list[AttentionMap]()

    def add(self, sources: Sequence[tuple[str, ...]], targets: Sequence[tuple[str, ...]]) -> None:
        """What was looked at while these targets were written."""
        room = len(sources) if self.most is None else max(0, self.most - len(self.maps))
        self.maps += attention_maps(self.network, sources[:room], targets[:room], self.where)
        self.num_sources += len(sources)

    def write(self) -> None:
        """The file, as `write_maps` makes it."""
        write_maps(self.path, self.network, self.maps, self.num_sources)


def gallery(network: Seq2SeqNetwork, maps: Sequence[AttentionMap]) -> Gallery:
    """Pictures of these maps."""
    return Gallery("Attention", ABOUT, [_grid(network, one) for one in maps])


def write_maps(path: Path, network: Seq2SeqNetwork, maps: Sequence[AttentionMap], num_sources: int) -> None:
    """A page or a sheet of pictures, or the numbers: `source_0`, `target_0` and `weights_0` of the first source, and so on.

    Args:
        path: of the file, as `check_path` let it pass; it is replaced if it is there.
        maps: as many as the file holds.
        num_sources: how many there were.

    Raises:
        DataError: the file cannot be written.
    """
    form = path.suffix.lower()
    left_out = "" if len(maps) == num_sources else f"The first {len(maps):,} of {num_sources:,} sources."
    if form == ".npz":
        content = BytesIO()
        arrays = {
            f"{name}_{k}": value if name == "weights" else np.array(value, np.str_)
            for k, one in enumerate(maps)
            for name, value in one._asdict().items()
        }
        np.savez_compressed(content, allow_pickle=False, **arrays)
        write_atomically(path, content.getvalue())
    elif form == ".svg":
        note = " ".join(filter(None, (left_out, ABOUT)))
        write_atomically(path, sheet([_grid(network, one) for one in maps], note).encode())
    else:
        found = gallery(network, maps)
        drawn = [{"title": one.title, "svg": one.svg(), "is_wide": False} for one in found.pictures]
        shown = {"title": "", "about": found.about, "pictures": drawn}
        values = {"heading": found.title, "left_out": left_out, "gallery": shown, "footer": footer()}
        write_atomically(path, render("pictures.html", values).encode())


def _grid(network: Seq2SeqNetwork, found: AttentionMap) -> Grid:
    source, target = (join(units, unit) for units, unit in zip(found[:2], network.units, strict=True))
    title = f"{source} → {target}"
    return Grid(
        title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…",
        "source",
        "written",
        found.source,
        (*found.target, END),
        [[round(value, 4) for value in row] for row in found.weights.tolist()],
    )
