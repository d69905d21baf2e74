"""What the rows of a tagger's weights stand for: words, letters and tags."""

from typing import TYPE_CHECKING

from carrousel.errors import ConfigError
from carrousel.models.continued import Named, NamedRows

if TYPE_CHECKING:
    from carrousel.models.tagger.network import TaggerNetwork


def rows_of(network: "TaggerNetwork") -> NamedRows:
    """As `Network.named_rows`; its vectors of words outside the training sentences are its own."""
    words, letters, tags = network.read.words.strings, network.read.letters.characters, network.labels.strings
    each, pairs = Named("tags", tags), Named("", [(before, here) for before in tags for here in tags])
    found: dict[str, Named | None] = {
        "read.embedding.weight": Named("words", words),
        "read.spelling.embedding.weight": Named("", letters, last=1),  # the unknown one
        "read.others": None,
        **{f"output.{part}": each for part in ("weight", "bias")},
        **{f"pairs.{part}": pairs for part in ("weight", "bias")},
        **{f"crf.{part}": Named("", tags) for part in ("start", "stop")},
        "crf.transitions": Named("", tags, axes=(0, 1)),
    }
    there = network.state_dict()
    return {name: named for name, named in found.items() if name in there}


def check_tags(source: "TaggerNetwork", target: "TaggerNetwork", where: str) -> None:
    """Refuse a start from a tagger of other tags.

    Raises:
        ConfigError: not one tag is in both.
    """
    theirs, ours = source.labels.strings, target.labels.strings
    if not set(theirs) & set(ours):
        few = [", ".join(tags[:8]) + (" ..." if len(tags) > 8 else "") for tags in (theirs, ours)]
        raise ConfigError(
            f"{where}: the tagger to start from has the tags {few[0]}, expected some of {few[1]}. Check data.tag_column and "
            "data.scheme, or start anew."
        )
