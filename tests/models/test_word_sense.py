"""The kind `word-sense`, held against its equations, with lemmas that were never seen and senses that are not listed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from carrousel.errors import DataError
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.classifier.scoring import loss_of
from carrousel.models.kinds import read_settings, write_starter
from carrousel.models.target_classifier.marked import marked_objects
from carrousel.models.word_sense import KIND, WordSense, WordSenseNetwork
from carrousel.models.word_sense.inventory import Inventory
from carrousel.train.run import Run

TEXTS = [
    ("on the river $T$ we sat", "bank", "bank"),
    ("on the green $T$ of a river", "banks", "bank"),
    ("money in the $T$", "bank", "bank"),
    ("$T$", "apple", "apple"),
] * 6
SENSES = ["shore", "shore", "house", "fruit"] * 6


def network_of(settings: Any = None, data: Any = (TEXTS, SENSES)) -> WordSenseNetwork:
    torch.manual_seed(0)
    network = KIND.prepare(KIND.Settings.of({"model": {"hidden_size": 3}, **(settings or {})}), data=data).network
    assert isinstance(network, WordSenseNetwork)
    return network.double().eval()


def by_hand(network: WordSenseNetwork, left: list[str], right: list[str], senses: list[str]) -> Tensor:
    """The definition, for one text, word by word."""
    embedding, tokens = network.read.embedding.weight, network.read.tokens
    ends: list[Tensor] = []
    for encoder, words in ((network.left, ["<edge>", *left]), (network.right, ["<edge>", *right[::-1]])):
        layer, state, y = encoder.layers[0], None, torch.zeros(0)
        assert isinstance(layer, Recurrent)
        for word in words:
            y, state = layer(embedding[tokens.id(word)][None, None], state)
        ends.append(y[0, 0])
    features = torch.relu(network.shared(torch.cat(ends)))
    return torch.stack([network.output(features)[network.labels.index(sense)] for sense in senses])


@pytest.mark.tiny
def test_scores_follow_the_equations_for_the_senses_of_the_lemma() -> None:
    network = network_of()
    rows = network.rows(marked_objects(TEXTS[:4], SENSES[:4], "test", 2), "test")
    with torch.no_grad():
        found = network(rows.batch(np.arange(4)), Draw(0))
        for row, (text, _, lemma) in zip(found, TEXTS[:4], strict=True):
            left, right = text.split("$T$")
            senses = {"bank": ["shore", "house"], "apple": ["fruit"]}[lemma]
            assert torch.allclose(row[: len(senses)], by_hand(network, left.split(), right.split(), senses), atol=1e-12)
            assert (row[len(senses) :] == -math.inf).all()
    assert rows.targets.tolist() == [0, 0, 1, 0]


@pytest.mark.tiny
def test_only_candidates_are_learned() -> None:
    network = network_of().train()
    rows = network.rows(marked_objects(TEXTS[:3], SENSES[:3], "test", 2), "test")
    loss_of(network, rows.batch(np.arange(3))).loss.backward()
    gradient = network.output.weight.grad
    assert gradient is not None
    assert not gradient[network.labels.index("fruit")].any()
    assert gradient[network.labels.index("shore")].any()


def test_it_tells_senses_apart_by_their_contexts() -> None:
    model = WordSense(
        cell="elman",
        hidden_size=8,
        embedding_size=8,
        feature_size=8,
        dropout=0,
        epochs=12,
        train={"learning_rate": 0.05, "batch_size": 16, "evaluate_every": 12, "threads": 1},
    ).fit(TEXTS, SENSES)
    assert model.score(TEXTS, SENSES) == 1.0
    assert list(model.predict([TEXTS[0], TEXTS[2], ("a $T$", "dog", "dog")])) == ["shore", "house", "?"]
    river, apple, dog = model.sense_probabilities([TEXTS[0], TEXTS[3], ("a $T$", "dog", "dog")])
    assert list(river) == ["shore", "house"]
    assert sum(river.values()) == pytest.approx(1)
    assert (apple, dog) == ({"fruit": 1.0}, {})


@pytest.mark.tiny
def test_a_lemma_never_seen_gets_its_first_sense(tmp_path: Path) -> None:
    table = tmp_path / "inventory.tsv"
    rows = [
        "lemma\tsense",
        "bank\tshore",
        "bank\thouse",
        "apple\tfruit",
        "crane\tbird",
        "crane\tmachine",
        "crane\tverb",
    ]
    table.write_text("\n".join(rows) + "\n")
    network = network_of({"data": {"senses": str(table)}})
    given = marked_objects([("a $T$", "crane", "crane")] * 2, ["bird", "verb"], "test", 2)
    rows = network.rows(given, "test")
    share = network.first_share
    assert 0.6 < share < 0.9
    assert network.probabilities(rows) == pytest.approx(np.array([[share, (1 - share) / 2, (1 - share) / 2]] * 2))
    assert network.figures(rows, network.probabilities(rows)) == pytest.approx(
        {"accuracy": 0.5, "log_loss": -(math.log(share) + math.log((1 - share) / 2)) / 2}
    )


@pytest.mark.tiny
def test_a_sense_that_is_no_candidate_is_never_right() -> None:
    network = network_of()
    figures = KIND.evaluate(network, ([("a $T$", "bank", "bank"), ("a $T$", "dog", "dog")], ["moon", "animal"]))
    assert figures["accuracy"] == 0.0
    assert figures["log_loss"] == pytest.approx(-math.log(1e-15))


@pytest.mark.tiny
def test_senses_are_ordered_by_how_often_they_occur_in_the_training_part() -> None:
    train = [("a", "x"), ("a", "y"), ("a", "y")]
    inventory = Inventory.of(train, [*train, ("a", "w"), ("b", "z")])
    assert inventory.candidates == {"a": ["y", "x", "w"], "b": ["z"]}
    assert inventory.learned == {"a"}
    table, is_there = inventory.table()
    assert table.tolist() == [[0, 1, 2], [3, 0, 0], [0, 0, 0]]
    assert is_there.tolist() == [[True] * 3, [True, False, False], [True, False, False]]
    assert Inventory.from_dict(inventory.to_dict()).candidates == inventory.candidates


@pytest.mark.tiny
def test_a_saved_network_comes_back_the_same(tmp_path: Path) -> None:
    network = network_of({"model": {"hidden_size": 3, "num_layers": 2, "num_masks": 3}}).float()
    network.save_pretrained(tmp_path)
    rows = network.rows(marked_objects(TEXTS, None, "test", 2), "test")
    assert (WordSense.from_pretrained(tmp_path).predict_proba(TEXTS) == network.probabilities(rows)).all()


@pytest.mark.tiny
def test_the_first_sense_is_what_it_is_compared_with() -> None:
    prepared = KIND.prepare(KIND.Settings.of({}), data=(TEXTS, SENSES))
    ((name, (figures, about)),) = prepared.baselines().items()
    assert (name, about) == ("first sense", "the first sense of each lemma")
    assert set(figures) == {"accuracy", "log_loss"} == set(prepared.evaluate(prepared.network))
    assert prepared.size == "24 words; 2 are held out"


def fails(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.mark.tiny
def test_a_sense_that_the_list_lacks_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "words.tsv").write_text(
        "text\ttarget\tlemma\tsense\na $T$\tbank\tbank\tshore\na $T$\tbank\tbank\tmoon\n"
    )
    (tmp_path / "senses.tsv").write_text("lemma\tsense\nbank\tshore\nbank\thouse\n")
    settings = KIND.Settings.of(
        {"data": {"train": str(tmp_path / "words.tsv"), "senses": str(tmp_path / "senses.tsv")}}
    )
    assert fails(lambda: KIND.prepare(settings)) == (
        f"train: words.tsv, line 3 has the sense 'moon', which {tmp_path}/senses.tsv does not list for 'bank', expected one that "
        "it lists. Add it there, or correct the line."
    )


@pytest.mark.tiny
def test_triples_are_needed() -> None:
    assert fails(lambda: network_of(data=([("a $T$", "b")], ["x"]))) == (
        "train: text 0 is ('a $T$', 'b'), expected (text, target, lemma), all strings. Give such tuples."
    )


def test_what_new_writes_trains(tmp_path: Path) -> None:
    files = KIND.starter()
    assert set(files) == {"word-sense.yaml", "senses.tsv", "SOURCE.md"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    settings = KIND.absolute(KIND.Settings.from_yaml(files["word-sense.yaml"].decode()), tmp_path)
    assert KIND.prepare(settings).size == "472 words; 47 are held out"


def test_the_sample_is_told_apart_better_than_by_the_first_sense(tmp_path: Path, annotations_unchecked: None) -> None:
    kind, settings = read_settings(write_starter("word-sense", tmp_path)[0], ["train.threads=1"])
    run = Run.start(kind, settings, tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    first = summary.baselines["first sense"]["figures"]
    assert summary.figures["log_loss"] < first["log_loss"] - 0.03  # .79 and .86 when it was made
    assert summary.figures["accuracy"] > first["accuracy"]  # 23 and 19 of 47
