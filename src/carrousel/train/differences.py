"""Where two texts differ: word by word, or character by character where neither has spaces."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

LONGEST = 2_000  # words or characters that are compared; what comes after them is one part


class Part(NamedTuple):
    """A piece of a text."""

    text: str
    differs: bool


def differences(expected: str, predicted: str) -> tuple[list[Part], list[Part]]:
    """Both texts in parts, with what the other one does not have marked.

    >>> differences("a red car", "a blue car")[1]
    [Part(text='a ', differs=False), Part(text='blue', differs=True), Part(text=' car', differs=False)]
    """
    pattern = r"\s+|\S+" if re.search(r"\s", expected + predicted) else r"."
    ours, theirs = (_pieces(pattern, text) for text in (expected, predicted))
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    left: list[Part] = []
    right: list[Part] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        for parts, pieces in ((left, ours[i:j]), (right, theirs[k:m])):
            if pieces:
                parts.append(Part("".join(pieces), tag != "equal"))
    return left, right


def _pieces(pattern: str, text: str) -> Sequence[str]:
    pieces = re.findall(pattern, text, re.DOTALL)
    rest = "".join(pieces[LONGEST:])
    return [*pieces[:LONGEST], rest] if rest else pieces
