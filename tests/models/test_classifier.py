"""The kind `classifier`, on data small enough to check by hand."""

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from carrousel.data.batches import BatchesOf
from carrousel.data.ragged import Ragged
from carrousel.errors import ConfigError, DataError
from carrousel.layers.draw import Draw
from carrousel.models.classifier import KIND, Classifier, ClassifierNetwork
from carrousel.models.classifier.inputs import SeriesInput, TextInput, split
from carrousel.models.classifier.rows import Rows
from carrousel.models.classifier.scoring import loss_of
from carrousel.models.classifier.scoring_kind import held_out
from carrousel.models.classifier.sequences import Labelled, of_objects
from carrousel.train.kind import Prepared
from carrousel.train.run import Run

GOOD = ["a warm and lovely film", "lovely , lovely music", "warm people in a fine story", "fine film , fine music"]
BAD = ["a cold and ugly film", "ugly , dull noise", "dull people in a cold story", "dull film , ugly noise"]
TEXTS, LABELS = (GOOD + BAD) * 4, (["good"] * 4 + ["bad"] * 4) * 4
QUICK: dict[str, Any] = {
    "hidden_size": 8,
    "embedding_size": 8,
    "epochs": 12,
    "train": {"learning_rate": 0.05, "batch_size": 16, "evaluate_every": 12, "threads": 1},
}


def walks(seed: int = 0, num: int = 60) -> tuple[list[np.ndarray], list[str]]:
    """Series whose class is the sign of the sum of the first of two channels, which are of very different size."""
    rng = np.random.default_rng(seed)
    series = [rng.normal(size=(rng.integers(3, 9), 2)) * (0.1, 1e4) + (5, -3e4) for _ in range(num)]
    return series, ["up" if x[:, 0].mean() > 5 else "down" for x in series]


def network_of(settings: Any = None, data: Any = (TEXTS, LABELS)) -> ClassifierNetwork:
    torch.manual_seed(0)
    prepared = KIND.prepare(KIND.Settings.of(settings or {}), data=data)
    assert isinstance(prepared.network, ClassifierNetwork)
    return prepared.network


def prepare(settings: Any = None, data: Any = (TEXTS, LABELS)) -> Prepared:
    torch.manual_seed(0)
    return KIND.prepare(KIND.Settings.of(settings or {}), data=data)


# Learning


def test_it_learns_what_texts_say() -> None:
    model = Classifier(pooling="attention", **QUICK).fit(TEXTS, LABELS)
    assert model.score(TEXTS, LABELS) == 1.0
    assert model.figures["accuracy"] == 1.0
    assert model.classes_.tolist() == ["bad", "good"]
    assert list(model.predict(["lovely film", "ugly noise"])) == ["good", "bad"]


def test_it_learns_with_every_option_at_once() -> None:
    model = {"cell": "elman", "num_layers": 2, "residual": True, "average_size": 5, "bidirectional": False}
    noise = {"dropout": 0.2, "num_masks": 8, "dropword": 0.1, "input_noise": 0.1, "pooling": "max"}
    assert Classifier(**QUICK, **model, **noise).fit(TEXTS, LABELS).score(TEXTS, LABELS) >= 0.9


def test_characters_are_read_where_words_are_not_wanted() -> None:
    texts = ["abab", "baba", "xyxy", "yxyx"] * 4
    model = Classifier(unit="char", cell="elman", **QUICK).fit(texts, [1, 1, 2, 2] * 4)
    assert list(model.predict(["ab", "xy"])) == [1, 2]


def test_it_learns_from_series_of_any_length_and_scale() -> None:
    series, labels = walks()
    model = Classifier(pooling="mean", cell="elman", **QUICK).fit(series, labels)
    assert model.score(*walks(seed=1)) >= 0.8


def test_several_labels_can_be_right() -> None:
    wanted = [("fine", "warm") if "warm" in t else ("fine",) if "fine" in t else () for t in TEXTS]
    model = Classifier(cell="elman", **QUICK).fit(TEXTS, [list(labels) for labels in wanted])
    assert model.predict(TEXTS) == wanted
    assert set(model.figures) == {"micro_f1", "macro_f1", "hamming", "log_loss"}
    assert model.score(TEXTS, wanted) == 1.0
    assert model.predict_proba(TEXTS).sum() != pytest.approx(len(TEXTS))
    ones = np.array([[("fine" in labels), ("warm" in labels)] for labels in wanted])
    assert network_of(data=(TEXTS, ones)).labels == (0, 1)


def test_the_same_seed_learns_the_same() -> None:
    found = [
        Classifier(**{**QUICK, "epochs": 2}, dropout=0.3).fit(TEXTS, LABELS).predict_proba(TEXTS) for _ in range(2)
    ]
    assert (found[0] == found[1]).all()


# Networks


def rows_of(network: ClassifierNetwork, texts: Sequence[Any], labels: Any = None) -> Rows:
    return network.rows(of_objects(texts, labels, "test"), "test")


@pytest.mark.tiny
def test_a_row_is_scored_as_if_it_were_alone() -> None:
    network = network_of({"model": {"hidden_size": 5, "num_layers": 2, "residual": True, "average_size": 3}})
    together = network.probabilities(rows_of(network, TEXTS[:8]))
    alone = np.concatenate([network.probabilities(rows_of(network, [text])) for text in TEXTS[:8]])
    assert np.allclose(together, alone, atol=1e-6)
    assert np.allclose(together.sum(1), 1)


def test_monte_carlo_is_the_mean_over_dropout_masks_that_belong_to_rows() -> None:
    network = network_of(
        {"model": {"hidden_size": 5, "dropout": 0.4, "average_size": 3, "dropword": 0.5, "num_masks": 7}}
    )
    rows = rows_of(network, TEXTS[:3])
    found = network.probabilities(rows)
    each: list[Tensor] = []
    network.encoder.train()
    network.average_dropout.train()
    network.read.eval()
    for row in range(3):
        batch = rows.batch(np.array([row] * 7))
        with torch.no_grad():
            each.append(network(batch, Draw(0, row * 7 + torch.arange(7))).double().softmax(-1))
    assert np.allclose(found, torch.stack(each).mean(1).numpy(), atol=1e-6)
    assert (torch.stack(each).std(1) > 1e-3).all()
    network.num_masks = 0
    assert not np.allclose(found, network.probabilities(rows), atol=1e-4)
    assert network.encoder.training, "measuring leaves the mode as it was"


@pytest.mark.tiny
def test_residual_layers_add_what_they_read() -> None:
    plain, residual = (
        network_of({"model": {"hidden_size": 4, "num_layers": 2, "residual": is_residual}})
        for is_residual in (False, True)
    )
    residual.load_state_dict(plain.state_dict())
    batch = rows_of(plain, TEXTS[:1]).batch(np.array([0]))
    ((ids, lengths),) = batch.parts
    x, draw = plain.read(ids, Draw(0)).detach(), Draw(0)
    below, _ = plain.encoder.layers[0](x, lengths=lengths)
    assert torch.allclose(residual.encoder(x, lengths, draw), plain.encoder(x, lengths, draw) + below)


@pytest.mark.tiny
def test_a_batch_cut_into_parts_has_the_gradient_of_the_whole() -> None:
    network = (
        network_of({"model": {"hidden_size": 4, "dropout": 0.5, "dropword": 0.3, "input_noise": 0.3}}).double().train()
    )
    rows = rows_of(network, TEXTS[:6], LABELS[:6])
    losses: list[float] = []
    for part in ([0, 1, 2, 3, 4, 5], [0, 2, 4], [1, 3, 5]):
        torch.manual_seed(3)
        losses.append(loss_of(network, rows.batch(np.array(part))).loss.item())
    assert losses[0] == pytest.approx((losses[1] + losses[2]) / 2, abs=1e-12)


@pytest.mark.tiny
def test_processes_share_a_batch_and_one_can_have_no_part() -> None:
    batches = prepare({"train": {"batch_size": 28}}).batches
    parts = [batches.shard(rank, 3) for rank in range(3)]
    for _ in range(2 * len(batches)):
        whole, found = batches.next().rows.tolist(), [part.next() for part in parts]
        assert sorted(row for batch in found if batch is not None for row in batch.rows.tolist()) == sorted(whole)
        assert [batch is None for batch in found] == [len(whole) <= rank for rank in range(3)]
    assert parts[2].state_dict() == batches.state_dict()
    parts[0].load_state_dict({"position": 0})
    batches.load_state_dict({"position": 0})
    assert parts[0].next().rows.tolist() == batches.next().rows.tolist()[::3]


@pytest.mark.tiny
def test_dropped_words_and_noise_are_for_training_alone() -> None:
    read = network_of({"model": {"dropword": 0.5, "input_noise": 0.5}}).read
    assert isinstance(read, TextInput)
    ids = torch.full((50, 40), 7)
    assert (read.eval()(ids, Draw(0)) == read.embedding.weight[7]).all()
    noisy = read.train()(ids, Draw(0)) - read.embedding.weight[7]
    read.noise = 0.0
    dropped = (read(ids, Draw(0)) == read.embedding.weight[read.tokens.id("<dropped>")]).all(-1)
    assert dropped.double().mean().item() == pytest.approx(0.5, abs=0.05)
    spread = noisy[~dropped].std() / read.embedding.weight.std()
    assert spread.item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.tiny
@pytest.mark.parametrize("data", [(TEXTS, LABELS), walks()], ids=["text", "series"])
def test_a_saved_network_comes_back_the_same(data: Any, tmp_path: Path) -> None:
    network = network_of({"model": {"hidden_size": 4, "num_layers": 2, "average_size": 2, "cell": "gru"}}, data).eval()
    network.save_pretrained(tmp_path)
    back = Classifier.from_pretrained(tmp_path)
    rows = network.rows(of_objects(data[0], None, "test"), "test")
    assert (back.predict_proba(data[0]) == network.probabilities(rows)).all()
    assert json.loads((tmp_path / "config.json").read_text())["labels"] == sorted(set(data[1]))


# Inputs


@pytest.mark.tiny
def test_words_are_runs_of_letters_and_single_marks() -> None:
    assert split("It’s 3.5 % -- O'Neil's été!", "word", lowercase=True) == [
        "it’s", "3", ".", "5", "%", "-", "-", "o'neil's", "été", "!",
    ]  # fmt: skip
    assert split("a b", "char", lowercase=False) == ["a", " ", "b"]
    assert split(["As", "given"], "word", lowercase=False) == ["As", "given"]


@pytest.mark.tiny
def test_channels_are_standardised_by_the_training_part_alone() -> None:
    series, labels = walks()
    prepared = prepare({"data": {"missing": "mean"}}, (series, labels))
    rows, _ = held_out(of_objects(series, labels, "test"), 0, "test")
    seen = np.concatenate([series[int(k)] for k in rows]).astype(np.float32).astype(np.float64)
    read: Any = prepared.network.read
    assert read.means == pytest.approx(seen.mean(0).tolist(), rel=1e-9)
    assert read.deviations == pytest.approx(seen.std(0).tolist(), rel=1e-9)
    x = torch.tensor([[[5.0, np.nan]], [[np.nan, -3e4]]], dtype=torch.float64)
    found = read(x, Draw(0))
    assert found[0, 0, 1] == 0
    assert found[1, 0, 0] == 0
    assert found[0, 0, 0] == pytest.approx((5 - read.means[0]) / read.deviations[0], rel=1e-4)


@pytest.mark.tiny
def test_a_channel_that_never_changes_stays_zero() -> None:
    read = SeriesInput.of(Ragged.of([np.array([[2.0, 1.0], [2.0, 3.0]])]))
    assert read.standardised(Ragged.of([np.array([[2.0, 4.0]])])).values.tolist() == [[0.0, 2.0]]


@pytest.mark.tiny
def test_embeddings_start_with_vectors_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("film 1 2 3\nnothere 4 5 6\nlovely 7 8 9\n")
    read = network_of({"data": {"vectors": str(tmp_path / "vectors.txt")}, "model": {"embedding_size": 3}}).read
    assert isinstance(read, TextInput)
    assert read.embedding.weight[read.tokens.id("lovely")].tolist() == [7, 8, 9]
    assert "nothere" not in read.tokens
    with pytest.raises(ConfigError) as caught:
        network_of({"data": {"vectors": str(tmp_path / "vectors.txt")}})
    assert str(caught.value) == (
        f"train: {tmp_path}/vectors.txt has vectors of 3 features, expected 100 as model.embedding_size says. "
        "Set model.embedding_size=3"
    )


# What is held out, compared and shown


@pytest.mark.tiny
def test_a_tenth_is_held_out_and_labels_are_in_both_parts() -> None:
    labels = ["a"] * 80 + ["b"] * 20
    train, valid = held_out(Labelled(["x"] * 100, labels, [""] * 100, ""), 1, "test")
    assert sorted([*train, *valid]) == list(range(100))
    assert [labels[k] for k in valid] == ["a"] * 8 + ["b"] * 2
    assert not np.array_equal(valid, held_out(Labelled(["x"] * 100, labels, [""] * 100, ""), 2, "test")[1])


@pytest.mark.tiny
def test_a_run_is_told_everything_about_the_data() -> None:
    prepared = prepare()
    assert (prepared.name, prepared.source, prepared.unit) == ("classifier", "Python objects", "sequences")
    assert prepared.size == "32 sequences; 3 are held out"
    assert prepared.notes.keys() == {"padding_saved"}
    assert prepared.monitor in prepared.evaluate(prepared.network)
    assert prepared.fingerprint == prepare().fingerprint != prepare(data=(TEXTS, LABELS[::-1])).fingerprint
    assert prepared.ids(batch_of(prepared, 0, 2)) == ["sequence 1", "sequence 3"]  # sequence 0 is held out
    found = {name: set(figures) for name, (figures, _) in prepared.baselines().items()}
    assert found == {name: {"accuracy", "macro_f1", "log_loss"} for name in ("majority", "naive Bayes")}
    examples = prepared.examples(prepared.network)
    assert [example.loss for example in examples] == sorted((e.loss for e in examples), reverse=True)
    assert all(e.given in TEXTS and e.expected == LABELS[TEXTS.index(e.given)] for e in examples)
    gates = prepared.gates(prepared.network)
    assert gates is not None
    assert len(gates["layers"][0]["steps"]) == len(gates["layers"][0]["values"]["h_t"])


@pytest.mark.tiny
def batch_of(prepared: Prepared, *rows: int) -> Any:
    """The batch of these rows."""
    assert isinstance(prepared.batches, BatchesOf)
    return cast(Any, prepared.batches).make(np.array(rows), 0)


def test_channels_are_reported_where_a_loss_is_not_finite() -> None:
    series, labels = walks()
    prepared = prepare(data=(series, labels))
    columns = prepared.columns(batch_of(prepared, 3))
    rows, _ = held_out(of_objects(series, labels, "test"), 0, "test")
    assert [column.name for column in columns] == ["channel 0", "channel 1"]
    assert columns[1].values == series[rows[3]][:, 1].astype(np.float32).tolist()
    assert prepare().columns(batch_of(prepare(), 3)) == ()


# Files


def write(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def of_file(path: Path, **settings: Any) -> Prepared:
    return KIND.prepare(KIND.Settings.of({"data": {"train": str(path), **settings}}))


def test_a_table_trains_measures_and_predicts(tmp_path: Path) -> None:
    path = write(tmp_path / "reviews.tsv", ["kind\tbody", *(f"{a}\t{b}" for a, b in zip(LABELS, TEXTS, strict=True))])
    model = Classifier(**QUICK, cell="elman", data={"text": "body", "label": "kind"}).fit(path, run=tmp_path / "run")
    assert model.evaluate(path)["accuracy"] == 1.0
    network = KIND.load(tmp_path / "run")
    write(tmp_path / "new.csv", ["body", "lovely film", '"ugly, dull"'])
    lines = [line.split("\t") for line in KIND.predict(network, tmp_path / "new.csv")]
    assert [label for label, _ in lines] == ["good", "bad"]
    assert all(0.5 < float(probability) <= 1 for _, probability in lines)
    for line, more in zip(lines, KIND.predict(network, tmp_path / "new.csv", probabilities=True), strict=True):
        *same, everything = more.split("\t")
        found = json.loads(everything)
        assert (same, next(iter(found)), set(found)) == (line, line[0], {"good", "bad"})
        assert sum(found.values()) == pytest.approx(1, abs=1e-3)
        assert f"{found[line[0]]:.4f}" == line[1]
    write(tmp_path / "other.csv", ["words", "lovely film"])
    assert len(list(KIND.predict(network, tmp_path / "other.csv", text="words"))) == 1
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(network, tmp_path / "other.csv", txt="words"))
    assert str(caught.value) == (
        "predict: unknown option 'txt', expected one of probabilities, text, label, label_separator. Ask for all probabilities "
        "with the first, name columns by the others."
    )


def test_labels_in_one_column_are_separated(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", ["text,label", *['"warm fine film","fine;warm"', "fine film,fine", "a film,"] * 10]
    )
    prepared = of_file(path, label_separator=";")
    network: Any = prepared.network
    assert network.labels == ("fine", "warm")
    network.save_pretrained(tmp_path)
    assert set(KIND.evaluate(KIND.load(tmp_path), path)) == {"micro_f1", "macro_f1", "hamming", "log_loss"}


@pytest.mark.tiny
def test_series_come_from_ts_files_and_folders_of_arrays(tmp_path: Path) -> None:
    header = ["@timeStamps false", "@univariate false", "@dimensions 2", "@classLabel true a b", "@data"]
    path = write(tmp_path / "x.ts", [*header, *["1,2,3:4,5,6:a", "1,2:4,5:b"] * 6])
    network: Any = of_file(path).network
    assert (network.labels, network.read.size) == (("a", "b"), 2)
    (tmp_path / "folder").mkdir()
    for k in range(4):
        np.save(tmp_path / "folder" / f"s{k}.npy", np.ones((k + 1, 3)) * k)
    write(tmp_path / "folder" / "labels.csv", ["name,label", "s0,x", "s1,y", "s2,x", "s3,y"])
    network = of_file(tmp_path / "folder").network
    assert (network.labels, network.read.size) == (("x", "y"), 3)


# Faults


def fails(error: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


@pytest.mark.tiny
def test_a_run_without_data_is_refused() -> None:
    assert fails(ConfigError, lambda: KIND.prepare(KIND.Settings())) == (
        "train: data.train is null, expected the path of a file. Set it: data.train=FILE"
    )


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("sequences", "labels", "message"),
    [
        ([], [], "there are no sequences, expected at least 1. Give texts or arrays (T, D)."),
        (["a", "b"], ["x"], "there are 1 labels, expected 2, one of each sequence. Give as many of both."),
        (["a", [1.0]], [0, 1], "sequence 1 is a series, expected a text like sequence 0. Give one or the other."),
        (["a", "b"], [[1], 0], "some labels are lists and some are not, expected one or the other. Give a list of each sequence."),
        (["a", "b"], ["x", "x"], "Python objects has only the label 'x', expected at least 2 classes. Give data of several "
         "classes."),
        (["a", "b"], np.array([[0, 2], [1, 0]]), "labels is an array of shape (2, 2), expected zeros and ones, a column for each "
         "label. Give 1 where a label is right."),
        (["a", "  "], ["x", "y"], "sequence 1 has no words, expected at least 1. Leave it out."),
        ([np.zeros((2, 2)), np.zeros((0, 2))], [0, 1], "sequence 1 has no steps, expected at least 1. Leave it out."),
        ([np.zeros((2, 2)), np.zeros((2, 3))], [0, 1], "sequence 1 has 3 channels, expected 2 like sequence 0. Give each sequence "
         "the same channels."),
        ([np.zeros((2, 2, 2))], [0], "sequence 0 is float64 of shape (2, 2, 2), expected a text, or numbers of shape (T, D) or "
         "(T,). Give one array a sequence."),
        ([[1.0, 2.0], [3.0, np.nan]], [0, 1], "sequence 1 has nan at step 1, channel 0, expected finite numbers. Fill it in, or "
         "set data.missing=mean."),
        ([[1.0, np.inf], [3.0, 1.0]], [0, 1], "sequence 0 has inf at step 1, channel 0, expected finite numbers. Correct it."),
    ],
)  # fmt: skip
def test_objects_that_are_no_data_are_refused(sequences: Any, labels: Any, message: str) -> None:
    assert fails(DataError, lambda: prepare(data=(sequences, labels))) == f"train: {message}"


@pytest.mark.tiny
def test_settings_for_texts_are_refused_for_series() -> None:
    assert fails(ConfigError, lambda: prepare({"model": {"dropword": 0.1}}, walks())) == (
        "train: model.dropword is 0.1, expected none, since Python objects has series. Leave it out."
    )


@pytest.mark.tiny
def test_a_fitted_network_refuses_other_data() -> None:
    text, series = network_of(), network_of(data=walks())
    given = [np.zeros((3, 2))]
    assert fails(DataError, lambda: KIND.evaluate(text, (given, [0]))) == (
        "evaluate: Python objects has series, expected texts, which the network was trained on. Give texts."
    )
    assert fails(DataError, lambda: KIND.evaluate(series, (["a"], ["up"]))) == (
        "evaluate: Python objects has texts, expected series, which the network was trained on. Give series."
    )
    assert fails(DataError, lambda: KIND.evaluate(series, ([np.zeros((3, 1))], ["up"]))) == (
        "evaluate: Python objects has 1 channels, expected 2, as the network was trained on. Give the same channels."
    )
    assert fails(DataError, lambda: KIND.evaluate(text, (["a film"], ["fair"]))) == (
        "evaluate: sequence 0 has the label 'fair', which is not in the training data, expected one of bad, good. Correct it, or "
        "train with it."
    )
    assert fails(DataError, lambda: KIND.evaluate(text, (["a film"], [["good"]]))) == (
        "evaluate: sequence 0 has the label ('good',), expected one label. Give labels as in training."
    )


@pytest.mark.tiny
def test_malformed_rows_of_a_table_are_named_or_counted(tmp_path: Path) -> None:
    rows = ["text\tlabel", *(f"{a}\t{b}" for a, b in zip(TEXTS, LABELS, strict=True)), "no label here\t", "more"]
    path = write(tmp_path / "bad.tsv", rows)
    assert fails(DataError, lambda: of_file(path)) == (
        f"train: {path}, line 34 has no label, expected one. Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    assert of_file(path, skip_bad=True).notes["skipped"] == (
        f"train: 2 malformed lines were skipped: {path}, line 34 has no label, expected one. "
        f"{path}, line 35 has 1 field, expected 2 as in the header."
    )
    path = write(tmp_path / "two.jsonl", ['{"text": "a", "label": ["x", "y"]}'])
    assert fails(DataError, lambda: of_file(path)) == (
        f"train: {path}, line 1 has 2 labels, expected 1, since data.label_separator is null. Correct the line, or skip what is "
        "malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )


@pytest.mark.tiny
def test_a_label_of_held_out_data_that_was_never_learned_is_named_by_its_line(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", ["text,label", "a film,x", "a song,y"])
    valid = write(tmp_path / "valid.csv", ["text,label", "a film,x", "a film,z"])
    assert fails(DataError, lambda: of_file(train, valid=str(valid))) == (
        "train: valid.csv, line 3 has the label 'z', which is not in the training data, expected one of x, y. Correct it, or train "
        "with it."
    )


@pytest.mark.tiny
def test_series_without_classes_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones(3))
    assert fails(DataError, lambda: of_file(tmp_path)) == (
        f"train: {tmp_path} has no labels, expected a class for each series. Add them."
    )


# The rest of the world


@pytest.mark.filterwarnings("default")
def test_scikit_learn_validates_searches_and_clones() -> None:
    pytest.importorskip("sklearn")
    base, selection = (import_module(f"sklearn.{name}") for name in ("base", "model_selection"))

    series, labels = walks(num=24)
    model = Classifier(pooling="mean", cell="elman", hidden_size=4, epochs=2, threads=1)
    assert base.clone(model).get_params() == model.get_params()
    assert len(selection.cross_val_score(model, series, labels, cv=2)) == 2
    search = selection.GridSearchCV(model, {"hidden_size": [2, 3]}, cv=2).fit(series, labels)
    assert search.best_params_["hidden_size"] in (2, 3)


def test_what_new_writes_is_settings_and_a_sample() -> None:
    files = KIND.starter()
    assert set(files) == {"classifier.yaml", "languages.tsv", "SOURCE.md"}
    settings = KIND.Settings.from_yaml(files["classifier.yaml"].decode())
    assert settings.data.train == "languages.tsv"
    lines = files["languages.tsv"].decode().splitlines()
    assert (lines[0], len(lines)) == ("label\ttext", 721)


@pytest.mark.slow
def test_the_sample_is_learned_better_than_naive_bayes_does(tmp_path: Path) -> None:
    for name, content in KIND.starter().items():
        (tmp_path / name).write_bytes(content)
    settings = KIND.Settings.from_yaml((tmp_path / "classifier.yaml").read_text(), ["train.threads=1"])
    run = Run.start(KIND, KIND.absolute(settings, tmp_path), tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    found = {name: baseline["figures"]["log_loss"] for name, baseline in summary.baselines.items()}
    assert summary.figures["log_loss"] < found["naive Bayes"] < found["majority"]
    assert summary.figures["accuracy"] > 0.7
