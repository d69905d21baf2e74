from itertools import pairwise, product

import pytest
import torch

from carrousel.errors import ConfigError
from carrousel.heads.legal_tags import is_legal, legal_tags

pytestmark = pytest.mark.tiny

BY_HAND = {  # every pair allowed, as structures.md lists them for IOBES and the schemes' definitions say for the others
    "bio": "O>O O>B-a O>B-b B-a>O B-a>B-a B-a>I-a B-a>B-b I-a>O I-a>B-a I-a>I-a I-a>B-b B-b>O B-b>B-a B-b>B-b B-b>I-b "
    "I-b>O I-b>B-a I-b>B-b I-b>I-b",
    "iob1": "O>O O>I-a O>I-b I-a>O I-a>I-a I-a>B-a I-a>I-b B-a>O B-a>I-a B-a>B-a B-a>I-b I-b>O I-b>I-a I-b>I-b I-b>B-b "
    "B-b>O B-b>I-a B-b>I-b B-b>B-b",
    "iobes": "O>O O>B-a O>S-a B-a>I-a B-a>E-a I-a>I-a I-a>E-a E-a>O E-a>B-a E-a>S-a S-a>O S-a>B-a S-a>S-a "
    "O>B-b O>S-b E-a>B-b E-a>S-b S-a>B-b S-a>S-b B-b>E-b E-b>O E-b>B-a E-b>S-a E-b>B-b E-b>S-b "
    "S-b>O S-b>B-a S-b>S-a S-b>B-b S-b>S-b",
}
LABELS = {
    "bio": ["O", "B-a", "I-a", "B-b", "I-b"],
    "iob1": ["O", "I-a", "B-a", "I-b", "B-b"],
    "iobes": ["O", "B-a", "I-a", "E-a", "S-a", "B-b", "E-b", "S-b"],
}


@pytest.mark.parametrize("scheme", list(BY_HAND))
def test_the_pairs_allowed_are_those_listed_by_hand(scheme: str) -> None:
    labels = LABELS[scheme]
    between = legal_tags(labels, scheme).between
    found = {f"{a}>{b}" for (i, a), (j, b) in product(enumerate(labels), repeat=2) if between[i, j]}
    assert found == set(BY_HAND[scheme].split())


@pytest.mark.parametrize(
    ("scheme", "starts", "stops"),
    [
        ("bio", "O B-a B-b", "O B-a I-a B-b I-b"),
        ("iob1", "O I-a I-b", "O I-a B-a I-b B-b"),
        ("iobes", "O B-a S-a B-b S-b", "O E-a S-a E-b S-b"),
    ],
)
def test_what_a_sequence_begins_and_ends_with(scheme: str, starts: str, stops: str) -> None:
    labels, legal = LABELS[scheme], legal_tags(LABELS[scheme], scheme)
    assert [label for label, may in zip(labels, legal.start, strict=True) if may] == starts.split()
    assert [label for label, may in zip(labels, legal.stop, strict=True) if may] == stops.split()


@pytest.mark.parametrize("scheme", list(BY_HAND))
def test_a_sequence_is_legal_when_all_its_steps_are(scheme: str) -> None:
    labels, legal = LABELS[scheme], legal_tags(LABELS[scheme], scheme)
    for length in (1, 2, 3):
        for path in product(range(len(labels)), repeat=length):
            steps = all(bool(legal.between[a, b]) for a, b in pairwise(path))
            expected = bool(legal.start[path[0]]) and steps and bool(legal.stop[path[-1]])
            assert is_legal([labels[k] for k in path], scheme) is expected


def test_other_labels_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        legal_tags(["O", "NOUN"], "bio")
    assert str(caught.value) == (
        "legal_tags: the label 'NOUN' is not of the scheme bio, expected O, B-TYPE, I-TYPE. Choose another scheme, or none."
    )
    with pytest.raises(ConfigError) as caught:
        legal_tags(["O"], "biose")
    assert str(caught.value) == "legal_tags: scheme is 'biose', expected one of bio, iob1, iobes. Did you mean 'bio'?"
    assert not is_legal(["NOUN"], "bio")


def test_no_labels_make_empty_masks() -> None:
    assert legal_tags([], "bio").between.shape == torch.Size([0, 0])
