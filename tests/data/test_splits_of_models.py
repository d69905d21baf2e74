"""The look at data tells of the rows that the models hold out themselves."""

import numpy as np

from carrousel.data import Ragged
from carrousel.data.splits import Rows, a_tenth, a_tenth_of_each, a_tenth_of_keys
from carrousel.models.classifier.given import held_out as of_classifier
from carrousel.models.classifier.sequences import Labelled
from carrousel.models.seq2seq.units import Pairs
from carrousel.models.tagger.sentences import Sentences
from carrousel.models.tagger.sentences import held_out as of_tagger


def test_they_are_the_rows_that_the_models_hold_out():
    names = [f"{k}" for k in range(45)]
    sentences = Sentences([[name] for name in names], [["X"]] * 45, names, "here")
    assert [[int(k) for k in part.places] for part in of_tagger(sentences, 3, "test")] == lists(a_tenth(45, 3))

    keys = [("a", "a b", "c")[k % 3] for k in range(45)]
    assert lists(of_classifier(Labelled(Ragged.of([np.zeros((1, 1))] * 45), keys, names, "here"), 3, "test")) == lists(
        a_tenth_of_each(keys, 3)
    )

    sources = [(f"{k % 23}",) for k in range(45)]
    pairs = Pairs.of(zip(sources, sources, strict=True), ("words", "words"), "test", names)
    found = [[int(k) for k in part.places] for part in pairs.hold_out(3, "test")]
    assert found == lists(a_tenth_of_keys(sources, 3))


def lists(rows: Rows) -> list[list[int]]:
    return [part.tolist() for part in rows]
