"""What every kind of model offers: any cell, deep, in both directions, with shortcuts; trained, saved, and read back."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carrousel import Recurrent
from carrousel.cells import CELLS
from carrousel.data import CharVocabulary
from carrousel.engine import Program
from carrousel.errors import ConfigError
from carrousel.models import (
    KINDS,
    Autoencoder,
    Classifier,
    Forecaster,
    LanguageModel,
    LanguageModelNetwork,
    Seq2Seq,
    Tagger,
    TargetClassifier,
    WordSense,
    find_kind,
)
from carrousel.models.forecaster import ForecasterNetwork, ForecasterSettings
from carrousel.models.forecaster.material import Material
from carrousel.models.kinds import read_settings, write_starter
from carrousel.models.network import Network
from carrousel.train.run import Run

FEW = ["model.hidden_size=4", "train.updates=3", "train.evaluate_every=3", "train.threads=1"]
WAYS = {
    "deep": ["model.num_layers=2"],
    "bidirectional": ["model.bidirectional=true"],
    "residual": ["model.num_layers=2", "model.residual=true", "model.dropout=0.1"],
    "all": ["model.num_layers=3", "model.residual=true", "model.bidirectional=true"],
}
ONE_WAY = {"language-model", "target-classifier", "word-sense"}
"""Kinds without the setting: the others read both sides in any case."""
ON_ZEROS = [f"decoder.W_{gate}_l0" for gate in "ifgo"]
"""Weights of inputs that are always 0: a window is written again from the state alone."""


@pytest.mark.parametrize("kind", list(KINDS))
def test_deep_layers_in_both_directions_with_shortcuts_are_trained_and_read_back(tmp_path: Path, kind: str) -> None:
    trained_and_read_back(tmp_path, kind, "all")


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("way", ["deep", "bidirectional", "residual"])
def test_each_of_these_alone(tmp_path: Path, kind: str, way: str) -> None:
    trained_and_read_back(tmp_path, kind, way)


def trained_and_read_back(folder: Path, name: str, way: str) -> None:
    """Three updates on the sample that a project begins with reach every weight; what is saved predicts the same."""
    asked = [setting for setting in WAYS[way] if name not in ONE_WAY or "bidirectional" not in setting]
    kind, settings = read_settings(write_starter(name, folder / "project")[0], [*FEW, *asked])
    run = Run.start(kind, settings, folder / "run")
    fresh = {weight: value.detach().clone() for weight, value in run.prepared.network.named_parameters()}
    for _ in run.train():
        pass
    network = kind.load(folder / "run")
    assert isinstance(network, Network)
    as_before = [weight for weight, value in network.named_parameters() if torch.equal(value, fresh[weight])]
    assert as_before == (ON_ZEROS if name == "autoencoder" else [])

    reads = [layer for layer in network.modules() if isinstance(layer, Recurrent)]
    assert max(sum(each.num_layers for each in reads), len(reads)) > ("num_layers" in "".join(WAYS[way]))
    if name not in ONE_WAY:
        assert any(layer.bidirectional for layer in reads) == settings.model.bidirectional
    data = settings.data
    files: dict[str, Any] = {"language-model": ["Now is", "the winter"], "forecaster": getattr(data, "train", None)}
    given: Any = files.get(name) or data.valid or data.train
    network.save_pretrained(folder / "again")
    lines = [predicted(name, network, given), predicted(name, kind.load(folder / "again"), given)]
    assert len(lines[0]) > 1
    assert lines[0] == lines[1]


def predicted(kind: str, network: Any, data: Any) -> list[str]:
    """The first lines of `carrousel predict`."""
    torch.manual_seed(0)
    return list(islice(find_kind(kind).predict(network, data), 30))


REFUSED = [
    (LanguageModel, "a language model gives each symbol a probability from those before it alone"),
    (TargetClassifier, "a target is read from both sides in any case, from the left and from the right up to it"),
    (WordSense, "a word is read from both sides in any case, from the left and from the right up to it"),
]


@pytest.mark.tiny
@pytest.mark.parametrize(("estimator", "reason"), REFUSED)
def test_kinds_that_cannot_have_both_directions_say_why(estimator: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        estimator(bidirectional=True)
    kind = estimator.model_kind.name
    assert str(caught.value) == (
        f"{estimator.__name__}: model.bidirectional is True, expected no such setting: {reason}. Leave it out. All settings: "
        f"carrousel train --settings {kind}"
    )


ADDS_ITS_INPUT = {"mut1", "mut2", "sru", "sru_v1"}
"""Cells whose step adds x_t to its units, and so reads as many features as it has units."""


@pytest.fixture(scope="module")
def material() -> Material:
    """A series with both sorts of covariates."""
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {name: rng.normal(size=40).tolist() for name in ("y", "plan", "wind")}
    settings = forecaster_settings("lstm")
    return Material.of(settings, {"unique_id": ["a"] * 40, "ds": list(range(40)), **columns}, "test")


def forecaster_settings(cell: str) -> ForecasterSettings:
    sizes: dict[str, Any] = {"horizon": 2, "context": 3, "hidden_size": 4, "season": 4, "valid": 0.2, "test": 0.0}
    ways = {"num_layers": 2, "residual": True, "bidirectional": True, "dropout": 0.1, "decoder": "recursive"}
    settings = Forecaster(cell=cell, past=("wind",), future=("plan",), **sizes, **ways).settings
    assert isinstance(settings, ForecasterSettings)
    return settings


def learns_and_comes_back(cell: str, material: Material, folder: Path) -> None:
    """Every field of the cell's state is handed from an encoder of both directions to a decoder that goes on step by step."""
    network = ForecasterNetwork(material.recipe, forecaster_settings(cell).model)
    torch.nn.init.normal_(network.head.linear.weight)  # which is zero at first
    batch = material.panel.batch(material.learned, np.arange(2))
    network.loss(batch).backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert network.bridge is not None
    handed = [weight.grad for weight in network.bridge.parameters() if weight.grad is not None]
    assert len(handed) == len(list(network.bridge.parameters()))
    network.save_pretrained(folder)
    found: list[torch.Tensor] = []
    for each in (network.eval(), ForecasterNetwork.from_pretrained(folder)):
        torch.manual_seed(0)  # of the cells that are stochastic
        found.append(each.draw(batch, 2, torch.Generator().manual_seed(0)))
    assert found[0].isfinite().all()
    assert torch.equal(found[0], found[1])


def no_loops(*_: Any, **__: Any) -> tuple[str, str]:
    """As `Program.way` says where steps are run by `interpret`."""
    return "interpret", ""


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.parametrize("cell", sorted(set(CELLS) - ADDS_ITS_INPUT))
def test_any_cell_reads_both_ways_and_forecasts_step_by_step(
    cell: str, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Program, "way", no_loops)  # compilation, which takes seconds a cell, has its own tests
    learns_and_comes_back(cell, material, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("cell", sorted(set(CELLS) - ADDS_ITS_INPUT))
def test_any_cell_does_so_in_compiled_loops(cell: str, material: Material, tmp_path: Path) -> None:
    learns_and_comes_back(cell, material, tmp_path)


@pytest.mark.parametrize("cell", sorted(ADDS_ITS_INPUT))
def test_a_cell_that_adds_its_input_says_what_to_set(cell: str, material: Material) -> None:
    with pytest.raises(ConfigError) as caught:
        ForecasterNetwork(material.recipe, forecaster_settings(cell).model)
    assert str(caught.value) == (
        "H=4 and D=8, expected the same size: the step adds x_t itself to its units. Choose equal sizes, or map x_t to as many "
        "features first (model.input_features, in models of series)."
    )


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.parametrize("decoder", ["direct", "recursive"])
@pytest.mark.parametrize("cell", [*sorted(ADDS_ITS_INPUT), "contextual_lstm", "lstm"])
def test_inputs_are_mapped_to_as_many_features_as_a_cell_asks_for(
    cell: str, decoder: str, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Program, "way", no_loops)
    small: dict[str, Any] = {
        "cell": cell,
        "hidden_size": 4,
        "input_features": 4,
        "num_layers": 2,
        "residual": True,
        "threads": 1,
    }
    steps: dict[str, Any] = {"horizon": 2, "context": 3, "season": 4, "updates": 2, "batch_size": 4}
    columns: dict[str, Any] = {"ds": list(range(60)), "y": np.sin(np.arange(60)).tolist(), "plan": list(range(60))}
    series, labels = [np.arange(40.0)[:, None] * k for k in (1, 2, 3, 4)] * 3, ["a", "b"] * 6
    fitted: list[tuple[Any, Any, Any]] = [
        (Forecaster(decoder=decoder, future=("plan",), **small, **steps), (columns,), {"verbose": False}),
        (Autoencoder(window=5, stride=3, horizon=2, epochs=1, **small), (series,), {}),
        (Classifier(bidirectional=False, epochs=1, **small), (series, labels), {}),
    ]
    for model, data, options in fitted:
        model.fit(*data, **options)
        model.save_pretrained(tmp_path)
        assert any("map" in name for name in model.network.state_dict())
        given = data if len(data) == 2 else data[0]
        again = model.__class__.from_pretrained(tmp_path)
        assert again.evaluate(given) == pytest.approx(model.evaluate(given), nan_ok=True)


FORWARDS: dict[str, Any] = {"hidden_size": 4, "bidirectional": False, "threads": 1}
SERIES = [np.arange(40.0)[:, None] * np.ones((1, 2)) * k for k in (1, 2, 3)] * 2
LEARNED: dict[str, tuple[type[Any], dict[str, Any], Any]] = {
    "autoencoder": (Autoencoder, {**FORWARDS, "input_features": 4, "window": 5, "stride": 9}, SERIES),
    "classifier": (Classifier, {**FORWARDS, "input_features": 4}, (SERIES, ["a", "b"] * 3)),
    "language-model": (
        LanguageModel,
        {"hidden_size": 4, "embedding_size": 4, "tbptt": 4, "batch_size": 2, "threads": 1},
        ["abab", "baab"] * 20,
    ),
    "tagger": (Tagger, {**FORWARDS, "word_size": 4, "characters": "none"}, [[("a", "X"), ("b", "Y")]] * 12),
    "seq2seq": (Seq2Seq, {**FORWARDS, "embedding_size": 4}, [("ab", "ba"), ("ba", "ab"), ("a", "a")] * 6),
}
"""Kind -> its class, settings with which the first layer reads as many features as it has units, and what to learn from."""


@pytest.mark.usefixtures("annotations_unchecked")
@pytest.mark.parametrize("kind", LEARNED)
def test_every_cell_of_the_catalogue_learns_in_a_kind(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Program, "way", no_loops)
    make, settings, data = LEARNED[kind]
    for cell in CELLS:
        prepared = find_kind(kind).prepare(make(cell=cell, **settings).settings, "test", data)
        prepared.loss(prepared.network.train(), prepared.batches.next(), None)[0].backward()
        gradients = [weight.grad for weight in prepared.network.parameters() if weight.grad is not None]
        assert gradients, cell
        assert all(bool(gradient.isfinite().all()) for gradient in gradients), cell


@pytest.mark.tiny
def test_texts_have_embeddings_in_place_of_a_map() -> None:
    with pytest.raises(ConfigError) as caught:
        Classifier(input_features=4).fit(["good soup", "bad soup"] * 10, ["yes", "no"] * 10)
    assert str(caught.value) == (
        "Classifier: model.input_features is 4, expected null for texts, whose words have embeddings. Set model.embedding_size."
    )


@pytest.mark.parametrize("cell", sorted(ADDS_ITS_INPUT))
def test_a_cell_that_adds_its_input_reads_embeddings_of_its_size(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Program, "way", no_loops)
    network = LanguageModelNetwork(CharVocabulary.of("abc"), cell, 4, 4, num_layers=2, residual=True)
    read = torch.tensor([[1, 2], [0, 1], [2, 2]])
    network(read)[0].sum().backward()
    network.eval().save_pretrained(tmp_path)
    again = LanguageModelNetwork.from_pretrained(tmp_path)
    assert torch.equal(network(read)[0], again(read)[0])
