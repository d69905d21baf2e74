"""What a decoder looked at, as the command line writes it: pages, sheets and numbers."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from carrousel.errors import ConfigError, DataError
from carrousel.models.seq2seq import KIND, Seq2Seq, Seq2SeqNetwork
from carrousel.models.seq2seq.kind import new_network
from carrousel.models.seq2seq.settings import Seq2SeqSettings
from carrousel.models.seq2seq.units import Pairs

pytestmark = pytest.mark.tiny

PAIRS = [(word, word[::-1]) for word in ["abc", "ca", "bbac", "d", "dacb", "cab", "ddb", "ba"]]


def network_of(**model: Any) -> Seq2SeqNetwork:
    units = {"target_units": "positions"} if model.get("attention") == "pointer" else {}
    pairs = [(source, "1") for source, _ in PAIRS] if units else PAIRS
    settings = Seq2SeqSettings.of(
        {"model": {"hidden_size": 6, "embedding_size": 5, **model}, "data": {"target_units": "characters", **units}}
    )
    torch.manual_seed(0)
    return new_network(settings, Pairs.of(pairs, ("characters", settings.data.target_units), "test")).eval()


@pytest.mark.parametrize("attention", ["general", "additive", "pointer"])
def test_the_numbers_are_those_of_the_network(tmp_path: Path, attention: str) -> None:
    network, sources = network_of(attention=attention), ["abc", "d", "cab"]
    plain = list(KIND.predict(network, sources))
    assert list(KIND.predict(network, sources, attention=str(tmp_path / "a.npz"))) == plain
    model = Seq2Seq.__new__(Seq2Seq)
    model._network = network
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        assert len(found.files) == 9
        for k, one in enumerate(model.attention(sources)):
            assert tuple(found[f"source_{k}"]) == one.source == tuple(sources[k])
            assert tuple(found[f"target_{k}"]) == one.target
            np.testing.assert_array_equal(found[f"weights_{k}"], one.weights)
            assert one.weights.shape == (len(one.target) + 1, len(one.source))


def test_a_page_has_a_map_for_each_of_the_first_sources_and_says_how_many(tmp_path: Path) -> None:
    network = network_of(attention="general")
    list(KIND.predict(network, ["ab<"] * 103, attention=str(tmp_path / "a.html"), n_best=2))
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count('class="grid-map"') == 100
    assert "The first 100 of 103 sources." in page
    assert "&lt;" in page
    assert "<</text>" not in page
    list(KIND.predict(network, ["ab"] * 3, attention=str(tmp_path / "a.html")))  # which replaces it
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count('class="grid-map"') == 3
    assert "The first" not in page
    assert list(tmp_path.iterdir()) == [tmp_path / "a.html"]


def test_a_sheet_is_one_picture(tmp_path: Path) -> None:
    list(KIND.predict(network_of(attention="dot", bidirectional=False), ["ab"] * 13, attention=str(tmp_path / "a.SVG")))
    text = (tmp_path / "a.SVG").read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert text.count("<svg ") == 1 + 12
    assert "The first 12 of 13 sources." in text


def test_more_sources_than_are_written_at_once_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carrousel.models.seq2seq.kind.CHUNK", 2)
    sources = ["abc", "d", "cab", "ca", "b"]
    lines = list(KIND.predict(network_of(attention="general"), sources, attention=str(tmp_path / "a.npz")))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
        told = ["".join(found[f"source_{k}"]) + "\t" + "".join(found[f"target_{k}"]) for k in range(5)]
    assert told == lines


@pytest.mark.parametrize("attention", ["none", "ctc"])
def test_a_network_without_attention_is_refused(tmp_path: Path, attention: str) -> None:
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(network_of(attention=attention), ["ab"], attention=str(tmp_path / "a.html")))
    assert str(caught.value) == (
        f"predict: the model has attention {attention}, expected one that looks at the source. Train with "
        "model.attention=general."
    )


def test_a_file_of_another_form_is_refused_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    network = network_of(attention="general")
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(network, ["ab"], attention="a.jpg"))
    assert str(caught.value) == (
        "predict: attention is a.jpg, expected a file name that ends in .html, .svg, .npz. Name another, such as attention.html."
    )
    with pytest.raises(
        DataError, match=r"^.*/no/a.html cannot be written \(No such file or directory\), expected room"
    ):
        list(KIND.predict(network, ["ab"], attention=str(tmp_path / "no" / "a.html")))


def test_a_run_keeps_maps_for_its_report(tmp_path: Path) -> None:
    model = Seq2Seq(hidden_size=4, embedding_size=4, epochs=1, threads=1)
    model.fit(PAIRS * 3, run=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<h2>Attention</h2>" in page
    assert 1 <= page.count('class="grid-map"') <= 4
    assert re.search(r"<h3>\w+ → \w*", page)
    Seq2Seq(hidden_size=4, embedding_size=4, epochs=1, threads=1, attention="ctc", repeats=3).fit(
        PAIRS * 3, run=tmp_path / "ctc"
    )
    assert not (tmp_path / "ctc" / "pictures.json").exists()
