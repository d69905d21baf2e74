"""A text for a language model: read in pieces, so that it may be larger than memory."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from carrousel.data.faults import Faults
from carrousel.data.findings import Findings, parts, percent, spread
from carrousel.data.ngram import baselines
from carrousel.data.readers.plain import END_OF_LINE, cut, read_pieces
from carrousel.errors import DataError

LARGEST_FOR_NGRAMS = 4_000_000  # bytes: more take too long for a look
LARGEST_FOR_LEAKAGE = 64_000_000
FEWEST_WORDS = 5  # shorter lines repeat without meaning anything


@dataclass
class _Part:
    """What one part of a text has."""

    characters: Counter[str] = field(default_factory=Counter[str])
    words: Counter[str] = field(default_factory=Counter[str])
    line_lengths: "array[int]" = field(default_factory=lambda: array("q"))
    long_lines: set[int] = field(default_factory=set[int])
    num_again: int = 0  # long lines that `known` has, too
    num_long: int = 0

    @classmethod
    def of(cls, pieces: Iterator[str], known: set[int], keeps_lines: bool) -> "_Part":
        """Count everything in one pass; lines that pieces cut are counted as several."""
        found = cls()
        for piece in pieces:
            found.characters.update(piece)
            for line in piece.removesuffix("\n").split("\n"):
                words = line.split()
                found.line_lengths.append(len(line))
                found.words.update(words)
                if keeps_lines and len(words) >= FEWEST_WORDS:
                    key = hash(line.strip())
                    found.long_lines.add(key)
                    found.num_long += 1
                    found.num_again += key in known
        found.words[END_OF_LINE] = len(found.line_lengths)
        return found


def check_text(path: Path, valid_path: Path | None, findings: Findings, faults: Faults) -> None:
    """Sizes, vocabularies, the split, lines in both parts, and what n-gram models need.

    Raises:
        DataError: the file cannot be used or has no character.
    """
    mark, size = cut(path, faults.where), path.stat().st_size
    keeps_lines = size <= LARGEST_FOR_LEAKAGE
    places = [(path, 0, mark), (path, mark, None)] if valid_path is None else [(path, 0, None), (valid_path, 0, None)]
    train = _Part.of(read_pieces(places[0][0], faults, *places[0][1:]), set(), keeps_lines)
    valid = _Part.of(read_pieces(places[1][0], faults, *places[1][1:]), train.long_lines, keeps_lines)
    num_train, num_valid = train.characters.total(), valid.characters.total()
    if not num_train + num_valid:
        raise DataError(f"{faults.where}: {path} has no character, expected a text. Check that it is the right file.")
    num_words = (train.words + valid.words).total()
    findings.facts |= {
        "size": f"{size:,} bytes, {num_train + num_valid:,} characters, {num_words:,} words and line ends",
        "lines": f"{len(train.line_lengths) + len(valid.line_lengths):,}; "
        + spread(train.line_lengths + valid.line_lengths, "characters"),
        "characters": f"{len(train.characters | valid.characters):,} different; {_coverage(train.characters, valid.characters)}",
        "words": f"{len(train.words | valid.words) - 1:,} different; {_coverage(train.words, valid.words)}",
        "split": parts(num_train, num_valid, "characters", valid_path or "the last tenth, cut where a line starts"),
    }
    findings.numbers |= {"train": num_train, "held_out": num_valid}
    if keeps_lines:
        findings.leak(valid.num_again, valid.num_long, f"lines of {FEWEST_WORDS} words or more")
    else:
        findings.facts["leakage"] = f"not looked at in more than {LARGEST_FOR_LEAKAGE:,} bytes"
    if not num_valid or not num_train:
        findings.doubts.append("The text is too short for two parts.")
        return
    if size <= LARGEST_FOR_NGRAMS:
        again = Faults(faults.where, faults.skip_bad)  # what is malformed has been counted
        whole = ("".join(read_pieces(file, again, begin, end)) for file, begin, end in places)
        for name, bits in baselines(*whole).items():
            findings.baselines[name] = ({"bits per character": bits}, ABOUT.get(name, "Witten-Bell"))
    else:
        findings.baselines["unigram"] = (
            {"bits per character": _unigram(train.characters, valid.characters)},
            ABOUT["unigram"],
        )
    about = f"how often a word occurs, line ends counted as {END_OF_LINE}"
    findings.baselines["word unigram"] = ({"bits per word": _unigram(train.words, valid.words)}, about)


ABOUT = {
    "uniform": "every character equally likely",
    "unigram": "how often a character occurs",
    "trigram": "two characters of context, Witten-Bell",
    "5-gram": "four characters of context, Witten-Bell",
    "xz": "xz -9 of the held-out part alone",
}


def _coverage(train: Counter[str], valid: Counter[str]) -> str:
    unseen = {symbol: count for symbol, count in valid.items() if symbol not in train}
    part = 1 - sum(unseen.values()) / max(1, valid.total())
    return f"{percent(part)} of those held out are in the training part ({len(unseen):,} are not)"


def _unigram(train: Counter[str], valid: Counter[str]) -> float:
    """Bits per symbol of the model of order 1 in `ngram`, with one symbol for all that training does not have."""
    kinds, total = len(train), train.total()
    share = kinds / (kinds + 1)
    bits = (-count * math.log2((train[symbol] + share) / (total + kinds)) for symbol, count in valid.items())
    return sum(bits) / valid.total()
