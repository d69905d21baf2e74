"""A tagger that goes on from another one, whose words, letters and tags need not be the same."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from carrousel.errors import ConfigError

if TYPE_CHECKING:
    from carrousel.models.tagger.network import TaggerNetwork


@torch.no_grad()
def take_over(source: "TaggerNetwork", target: "TaggerNetwork", where: str) -> list[str]:
    """Copy the weights of a tagger: those of words, letters and tags one by one, wherever both have them, all others as they are.

    Words that only the target has keep their fresh weights, and so do its vectors of words outside the training sentences.

    Returns:
        What was copied, in words.

    Raises:
        ConfigError: the networks differ in other sizes, or have no tag in common.
    """
    words = _common(source.read.words.strings, target.read.words.strings)
    letters = _common(source.read.letters.characters, target.read.letters.characters)
    tags = _common(source.labels.strings, target.labels.strings)
    if not len(tags[0]):
        raise ConfigError(
            f"{where}: the tagger to start from has the tags {_few(source.labels.strings)}, expected some of "
            f"{_few(target.labels.strings)}. Check data.tag_column and data.scheme, or start anew."
        )
    sizes = len(source.labels), len(target.labels)
    pairs = tuple(
        (rows[:, None] * size + rows).flatten() for rows, size in zip(tags, sizes, strict=True)
    )  # of tags, as the head crf-pairs numbers them
    by_row = {"read.embedding": words, "read.spelling.embedding": letters, "output": tags, "pairs": pairs, "crf": tags}
    old, new = source.state_dict(), target.state_dict()
    for name, value in new.items():
        rows = by_row.get(name.rpartition(".")[0])
        if name == "read.others":
            continue
        kept = 0 if rows is None else 2 if name == "crf.transitions" else 1  # axes before it may differ
        if name not in old or old[name].shape[kept:] != value.shape[kept:]:
            given = "is not there" if name not in old else f"has shape {tuple(old[name].shape)}"
            raise ConfigError(
                f"{where}: {name} {given} in the tagger to start from, expected {tuple(value.shape)}. Set the section model as it "
                "was there."
            )
        if rows is None:
            value.copy_(old[name])
        elif kept == 2:
            value[rows[1][:, None], rows[1]] = old[name][rows[0][:, None], rows[0]]
        else:
            value[rows[1]] = old[name][rows[0]]
    counts = ((words, target.read.words.strings, "words"), (tags, target.labels.strings, "tags"))
    return ["all layers", *(f"{len(rows[0]):,} of {len(all_):,} {what}" for rows, all_, what in counts)]


def _common(source: Sequence[str], target: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Places of the strings that both have, in the one and in the other."""
    places = {string: k for k, string in enumerate(source)}
    shared = [(places[string], k) for k, string in enumerate(target) if string in places]
    return torch.tensor([a for a, _ in shared], dtype=torch.int64), torch.tensor(
        [b for _, b in shared], dtype=torch.int64
    )


def _few(strings: Sequence[str]) -> str:
    return ", ".join(strings[:8]) + (" ..." if len(strings) > 8 else "")
