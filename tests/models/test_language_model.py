import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from carrousel.data import CharVocabulary
from carrousel.errors import ConfigError, DataError
from carrousel.models import LanguageModelNetwork

TEXT = "the quick brown fox jumps over the lazy dog. " * 12


def new_model(cell: str = "lstm", **settings: Any) -> LanguageModelNetwork:
    torch.manual_seed(0)
    return LanguageModelNetwork(CharVocabulary.of(TEXT), cell, embedding_size=5, hidden_size=7, **settings).double()


def bits_one_by_one(model: LanguageModelNetwork, text: str) -> float:
    """The definition: one character after the other, the state carried all the way."""
    ids, state, bits = torch.from_numpy(model.vocabulary.encode(text).astype("int64")), None, 0.0
    for t in range(len(ids) - 1):
        logits, state = model(ids[t].reshape(1, 1), state)
        bits -= logits[0, 0].log_softmax(-1)[ids[t + 1]].item() / math.log(2)
    return bits / (len(ids) - 1)


def test_one_stream_scores_every_character_but_the_first_in_order() -> None:
    model = new_model()
    assert model.bits_per_character(TEXT, num_streams=1) == pytest.approx(bits_one_by_one(model, TEXT), abs=1e-12)


@pytest.mark.parametrize(
    ("size", "num_streams", "lead_in"), [(2, 3, 1), (60, 4, 0), (61, 7, 5), (62, 7, 8), (63, 64, 9)]
)
def test_each_stream_reads_its_lead_in_without_being_scored_for_it(size: int, num_streams: int, lead_in: int) -> None:
    model, text = new_model("gru"), TEXT[:size]
    used = max(1, min(num_streams, (size - 1) // max(lead_in, 1)))
    stretch, bits = math.ceil((size - 1) / used), 0.0
    for begin in range(0, size - 1, stretch):
        first, end = max(0, begin - lead_in), min(begin + stretch, size - 1)
        bits += bits_one_by_one(model, text[first : end + 1]) * (end - first)
        bits -= bits_one_by_one(model, text[first : begin + 1]) * (begin - first) if begin > first else 0
    found = model.bits_per_character(text, num_streams, lead_in)
    assert found == pytest.approx(bits / (size - 1), abs=1e-12)


def test_measuring_uses_no_dropout_and_keeps_the_mode() -> None:
    torch.manual_seed(0)
    model = LanguageModelNetwork(CharVocabulary.of(TEXT), hidden_size=7, dropout=0.5)
    assert model.bits_per_character(TEXT) == model.bits_per_character(TEXT)
    assert model.training


@pytest.mark.tiny
def test_an_untrained_uniform_model_needs_the_logarithm_of_its_classes() -> None:
    model = new_model()
    nn.init.zeros_(model.get_parameter("output.weight"))
    nn.init.zeros_(model.get_parameter("output.bias"))
    assert model.bits_per_character(TEXT) == pytest.approx(math.log2(len(set(TEXT)) + 1), abs=1e-12)


@pytest.mark.tiny
def test_the_forget_bias_goes_where_there_is_a_forget_gate() -> None:
    assert (
        LanguageModelNetwork(CharVocabulary.of(TEXT), "lstm", forget_bias=2.0).recurrent.state_dict()["b_f_l0"] == 2
    ).all()
    LanguageModelNetwork(CharVocabulary.of(TEXT), "gru", forget_bias=2.0)


@pytest.mark.tiny
def test_the_same_seed_writes_the_same_text_and_the_prompt_matters() -> None:
    model = new_model()
    nn.init.uniform_(model.get_parameter("output.weight"), -30, 30)
    written = [model.sample(prompt, 40, 1.0, torch.Generator().manual_seed(1)) for prompt in ("the", "the", "dog")]
    assert written[0] == written[1] != written[2]
    assert all(len(text) == 40 and set(text) <= set(TEXT) for text in written)


@pytest.mark.tiny
def test_temperature_zero_takes_the_likeliest() -> None:
    model = new_model()
    nn.init.zeros_(model.get_parameter("output.weight"))
    nn.init.zeros_(model.get_parameter("output.bias"))
    with torch.no_grad():
        model.get_parameter("output.bias")[model.vocabulary.encode("q")[0]] = 0.1
        model.get_parameter("output.bias")[model.vocabulary.unknown] = 5.0  # never written
    assert model.sample("", 5, temperature=0.0) == "qqqqq"
    assert model.sample("", 0) == ""


@pytest.mark.tiny
@pytest.mark.parametrize(("name", "value"), [("length", -1), ("temperature", -0.5), ("temperature", math.nan)])
def test_a_length_or_temperature_below_zero_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError) as caught:
        new_model().sample("a", **{name: value})  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == f"sample: {name} is {value}, expected 0 or more. Choose a {name} in that range."


@pytest.mark.tiny
def test_a_text_of_one_character_has_nothing_to_score() -> None:
    with pytest.raises(DataError) as caught:
        new_model().bits_per_character("t")
    assert str(caught.value) == "bits_per_character: text has 1 characters, expected at least 2. Give a longer one."


@pytest.mark.tiny
def test_a_saved_model_comes_back_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = LanguageModelNetwork(
        CharVocabulary.of(TEXT), "lstm_projected", 5, 7, num_layers=2, dropout=0.25, proj_size=3
    )
    model.save_pretrained(tmp_path / "new" / "folder")
    back = LanguageModelNetwork.from_pretrained(tmp_path / "new" / "folder")
    assert back.config() == model.config()
    assert back.bits_per_character(TEXT) == model.bits_per_character(TEXT)
    assert not back.training


FOLDER_OF = "expected the folder of a trained model (config.json and model.safetensors)"


@pytest.mark.tiny
def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, what in (
        (tmp_path, "has no config.json"),
        (tmp_path / "a", "does not exist"),
        (tmp_path / "file", "is a file"),
    ):
        with pytest.raises(DataError) as caught:
            LanguageModelNetwork.from_pretrained(path, where="sample")
        assert str(caught.value) == f"sample: {path} {what}, {FOLDER_OF}. Check the path; `carrousel train` makes one."


@pytest.mark.tiny
def test_a_config_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "tagger"}')
    with pytest.raises(DataError) as caught:
        LanguageModelNetwork.from_pretrained(tmp_path)
    assert str(caught.value) == (
        f"from_pretrained: {tmp_path}/config.json is of kind 'tagger', expected 'language-model'. Check the path."
    )


@pytest.mark.tiny
def test_a_config_without_its_sizes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"kind": "language-model"}')
    with pytest.raises(DataError) as caught:
        LanguageModelNetwork.from_pretrained(tmp_path)
    assert (
        str(caught.value) == f"from_pretrained: {tmp_path}/config.json describes no language-model ('embedding_size')."
    )


@pytest.mark.tiny
def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    new_model().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"hidden_size": 8}))
    with pytest.raises(DataError) as caught:
        LanguageModelNetwork.from_pretrained(tmp_path)
    assert str(caught.value) == (
        f"from_pretrained: {tmp_path}/model.safetensors does not hold this model's weights "
        "(Error(s) in loading state_dict for LanguageModelNetwork:). Save the model again."
    )


@pytest.mark.tiny
def test_a_run_that_was_never_measured_says_how_to_go_on(tmp_path: Path) -> None:
    new_model().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataError) as caught:
        LanguageModelNetwork.from_pretrained(tmp_path, where="sample")
    assert str(caught.value) == (
        f"sample: {tmp_path} has no model.safetensors, expected the weights that training writes when it first measures the "
        f"model. Go on with the run: carrousel train --resume {tmp_path}"
    )


def test_a_model_that_has_gone_to_nothing_is_named() -> None:
    model = LanguageModelNetwork(CharVocabulary.of("abc"), embedding_size=2, hidden_size=3)
    with torch.no_grad():
        model.get_parameter("output.weight").fill_(torch.nan)
    message = "sample: the model gives numbers that are not finite, expected probabilities. Train it with a lower learning rate."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        model.sample("a", 3)
