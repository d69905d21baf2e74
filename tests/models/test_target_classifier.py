"""The kind `target-classifier`: TD-LSTM and TC-LSTM, held against their equations."""

from collections import Counter
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
from carrousel.models.kinds import read_settings, write_starter
from carrousel.models.target_classifier import KIND, TargetClassifier, TargetClassifierNetwork
from carrousel.models.target_classifier.marked import marked, marked_objects
from carrousel.train.run import Run

TEXTS = [
    ("the $T$ was cold but the waiter was kind", "soup"),
    ("the soup was cold but the $T$ was kind", "waiter"),
    ("the $T$ was kind but the soup was cold", "tall waiter"),
    ("the waiter was kind but the $T$ was cold", "soup"),
    ("$T$", "soup"),
] * 6
LABELS = ["bad", "good", "good", "bad", "bad"] * 6


def network_of(**model: Any) -> TargetClassifierNetwork:
    torch.manual_seed(0)
    network = KIND.prepare(KIND.Settings.of({"model": {"hidden_size": 3, **model}}), data=(TEXTS, LABELS)).network
    assert isinstance(network, TargetClassifierNetwork)
    return network.double().eval()


def by_hand(network: TargetClassifierNetwork, left: list[str], target: list[str], right: list[str]) -> Tensor:
    """The definition, for one text, word by word."""
    embedding, tokens = network.read.embedding.weight, network.read.tokens
    center = torch.stack([embedding[tokens.id(word)] for word in target]).mean(0)
    ends: list[Tensor] = []
    for encoder, words in ((network.left, left + target), (network.right, (target + right)[::-1])):
        layer, state, y = encoder.layers[0], None, torch.zeros(0)
        assert isinstance(layer, Recurrent)
        for word in words:
            x = embedding[tokens.id(word)]
            x = torch.cat([x, center]) if network.target_connection else x
            y, state = layer(x[None, None], state)
        ends.append(y[0, 0])
    return network.output(torch.cat(ends))


@pytest.mark.tiny
@pytest.mark.parametrize("target_connection", [False, True], ids=["TD", "TC"])
def test_scores_follow_the_equations(target_connection: bool) -> None:
    network = network_of(target_connection=target_connection)
    rows = network.rows(marked_objects(TEXTS[:5], None, "test"), "test")
    with torch.no_grad():
        found = network(rows.batch(np.arange(5)), Draw(0))
        for row, (text, target) in zip(found, TEXTS[:5], strict=True):
            left, right = text.split("$T$")
            expected = by_hand(network, left.split(), target.split(), right.split())
            assert torch.allclose(row, expected, atol=1e-12)


@pytest.mark.parametrize("target_connection", [False, True], ids=["TD", "TC"])
def test_it_tells_what_is_said_of_each_target_of_one_sentence(target_connection: bool) -> None:
    settings: dict[str, Any] = {"learning_rate": 0.05, "batch_size": 16, "evaluate_every": 12, "threads": 1}
    model = TargetClassifier(
        cell="elman", hidden_size=8, embedding_size=8, epochs=12, target_connection=target_connection, train=settings
    ).fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) == 1.0
    assert list(model.predict(TEXTS[:2])) == ["bad", "good"]


@pytest.mark.tiny
def test_a_saved_network_comes_back_the_same(tmp_path: Path) -> None:
    network = network_of(num_layers=2, residual=True, num_masks=3, dropout=0.3).float()
    network.save_pretrained(tmp_path)
    rows = network.rows(marked_objects(TEXTS, None, "test"), "test")
    assert (TargetClassifier.from_pretrained(tmp_path).predict_proba(TEXTS) == network.probabilities(rows)).all()


@pytest.mark.tiny
def test_a_table_is_read_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "targets.tsv"
    rows = (f"{text}\t{target}\t{label}" for (text, target), label in zip(TEXTS, LABELS, strict=True))
    path.write_text("\n".join(["text\ttarget\tlabel", *rows]) + "\n")
    prepared = KIND.prepare(KIND.Settings.of({"data": {"train": str(path)}}))
    assert prepared.size == "30 targets; 3 are held out"
    assert list(prepared.baselines()) == ["majority", "naive Bayes", "naive Bayes nearby"]
    assert {example.given for example in prepared.examples(prepared.network)} <= {
        text.replace("$T$", f"[{target}]") for text, target in TEXTS
    }
    assert prepared.gates(prepared.network) is not None
    (tmp_path / "new.csv").write_text("text,target\nthe $T$ was cold,soup\n")
    assert isinstance(prepared.network, TargetClassifierNetwork)
    (line,) = KIND.predict(prepared.network, tmp_path / "new.csv")
    assert line.split("\t")[0] in ("bad", "good")


def fails(call: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        call()
    return str(caught.value)


@pytest.mark.tiny
def test_rows_without_a_target_are_named_or_counted(tmp_path: Path) -> None:
    path = tmp_path / "targets.tsv"
    lines = [
        "text\ttarget\tlabel",
        "no mark\tsoup\tbad",
        "a $T$ b $T$\tsoup\tbad",
        "a $T$\t \tbad",
        "a $T$\tb\tbad",
        "$T$\tc\tgood",
    ]
    path.write_text("\n".join(lines) + "\n")
    assert fails(lambda: KIND.prepare(KIND.Settings.of({"data": {"train": str(path)}}))) == (
        f"train: {path}, line 2 has $T$ 0 times in its text, expected it once, in place of the target. Correct the line, or "
        "skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    prepared = KIND.prepare(KIND.Settings.of({"data": {"train": str(path), "skip_bad": True}}))
    assert prepared.notes["skipped"] == (
        f"train: 3 malformed lines were skipped: {path}, line 2 has $T$ 0 times in its text, expected it once, in place of the "
        f"target. {path}, line 3 has $T$ 2 times in its text, expected it once, in place of the target. {path}, line 4 has an "
        "empty target, expected the words that $T$ stands for."
    )


@pytest.mark.tiny
def test_objects_of_another_form_are_refused() -> None:
    for given, message in (
        ([], "there are no texts, expected at least 1. Give (text, target) pairs."),
        (["a $T$"], "text 0 is 'a $T$', expected (text, target), all strings. Give such tuples."),
        ([("a", "b")], "text 0 has $T$ 0 times in its text, expected it once, in place of the target. Correct it."),
        ([("$T$", "b")], "there are 2 labels, expected 1, one of each text. Give as many of both."),
    ):
        assert fails(lambda given=given: marked_objects(given, ["x", "y"], "test")) == f"test: {message}"


@pytest.mark.tiny
def test_a_marked_text_shows_its_target() -> None:
    assert str(marked("the $T$ was cold", "soup")) == "the [soup] was cold"


@pytest.mark.tiny
def test_words_nearby_tell_what_words_of_the_sentence_cannot() -> None:
    order = ["the $T$ saw the dog", "the dog saw the $T$"] * 20
    prepared = KIND.prepare(KIND.Settings(), data=([(text, "cat") for text in order], ["subject", "object"] * 20))
    found = {name: figures["accuracy"] for name, (figures, _) in prepared.baselines().items()}
    assert found["naive Bayes nearby"] == 1.0
    assert found["naive Bayes"] < 1.0


@pytest.mark.tiny
def test_what_new_writes_is_settings_and_a_sample() -> None:
    files = KIND.starter()
    assert set(files) == {"target-classifier.yaml", "roles.tsv", "SOURCE.md", "LICENSE-DANTE"}
    assert KIND.Settings.from_yaml(files["target-classifier.yaml"].decode()).data.train == "roles.tsv"
    rows = [line.split("\t") for line in files["roles.tsv"].decode().splitlines()]
    assert (rows[0], {len(row) for row in rows}) == (["text", "target", "label"], {3})
    assert Counter(row[2] for row in rows[1:]) == {"subject": 250, "subject of a passive": 250, "object": 250}
    assert all(row[0].split().count("$T$") == 1 for row in rows[1:])


@pytest.mark.slow
def test_the_sample_is_learned_better_than_naive_bayes_does(tmp_path: Path, annotations_unchecked: None) -> None:
    settings_file = write_starter("target-classifier", tmp_path)[0]
    kind, settings = read_settings(settings_file, ["train.threads=1"])
    run = Run.start(kind, settings, tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    found = {name: baseline["figures"]["accuracy"] for name, baseline in summary.baselines.items()}
    assert found["majority"] < found["naive Bayes"] < found["naive Bayes nearby"] < summary.figures["accuracy"]
