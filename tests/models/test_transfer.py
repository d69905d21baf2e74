"""A network of one kind started from one of another."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from carrousel.data import CharVocabulary, Tokens
from carrousel.errors import ConfigError
from carrousel.layers import Recurrent
from carrousel.models import AutoencoderNetwork, Classifier, ClassifierNetwork, LanguageModelNetwork
from carrousel.models.classifier.inputs import SPECIALS, TextInput
from carrousel.models.kinds import find_kind
from carrousel.models.kinds import load as load_any
from carrousel.models.network import Network
from carrousel.models.transfer import Reading, transfer

pytestmark = pytest.mark.tiny


def embedding(tokens: list[str], size: int = 3) -> Reading:
    return Reading([Recurrent("lstm", size, 4)], nn.Embedding(len(tokens), size), tokens)


def test_embeddings_go_by_token_and_layers_from_the_input_up() -> None:
    source, target = embedding(["a", "b", "c"]), embedding(["x", "c", "a"])
    assert source.embedding is not None
    assert target.embedding is not None
    own = target.embedding.weight[0].clone()
    assert transfer(source, target) == ["embeddings of 2 of 3 tokens", "recurrent layer 1 (lstm)"]
    torch.testing.assert_close(target.embedding.weight[1], source.embedding.weight[2], rtol=0, atol=0)
    torch.testing.assert_close(target.embedding.weight[2], source.embedding.weight[0], rtol=0, atol=0)
    torch.testing.assert_close(target.embedding.weight[0], own, rtol=0, atol=0)
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(target.layers[0](x)[0], source.layers[0](x)[0], rtol=0, atol=0)


def test_a_deeper_layer_of_other_sizes_stays_as_it_is() -> None:
    source = Reading([Recurrent("gru", 3, 4, num_layers=2)])
    target = Reading([Recurrent("gru", 3, 4), Recurrent("gru", 4, 5)])
    before = [parameter.clone() for parameter in target.layers[1].parameters()]
    assert transfer(source, target) == ["recurrent layer 1 (gru_reset_after)"]
    assert all((a == b).all() for a, b in zip(before, target.layers[1].parameters(), strict=True))


def test_one_direction_starts_the_forward_half_of_two() -> None:
    source, target = Reading([Recurrent("lstm", 3, 4)]), Reading([Recurrent("lstm", 3, 4, bidirectional=True)])
    assert transfer(source, target) == ["recurrent layer 1 (lstm)"]
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(target.layers[0](x)[0][..., :4], source.layers[0](x)[0], rtol=0, atol=0)
    assert transfer(target, Reading([Recurrent("lstm", 3, 4, bidirectional=True)])) == [
        "recurrent layer 1 (lstm) in both directions"
    ]


def test_where_nothing_fits_both_are_described() -> None:
    with pytest.raises(ConfigError) as caught:
        transfer(embedding(["a"]), Reading([Recurrent("elman", 3, 4)]), "train")
    assert str(caught.value) == (
        "train: nothing of (embeddings of 3, lstm 3→4) fits (elman 3→4), expected the same cell and sizes, or embeddings of the "
        "same size with tokens in common, or inputs of the same names. Set model.cell, model.hidden_size and "
        "model.embedding_size as they were there."
    )


def load(folder: Path, where: str) -> Network:
    """The network in a folder, of any kind."""
    network = load_any(folder, where)[1]
    assert isinstance(network, Network)
    return network


def language_model(text: str = "to be or not to be") -> LanguageModelNetwork:
    torch.manual_seed(0)
    return LanguageModelNetwork(CharVocabulary.of(text), "gru", embedding_size=3, hidden_size=4)


def test_a_network_of_the_same_kind_sizes_and_vocabulary_is_taken_whole(tmp_path: Path) -> None:
    source, target = language_model(), language_model()
    nn.init.ones_(source.recurrent.get_parameter("b_r_l0"))
    source.save_pretrained(tmp_path)
    assert target.start_from(tmp_path, "train", load) == ["all weights"]
    assert all((a == b).all() for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_another_vocabulary_of_the_same_size_is_not_taken_for_the_same(tmp_path: Path) -> None:
    language_model("abcde").save_pretrained(tmp_path)
    target = language_model("abcdx")
    assert target.start_from(tmp_path, "train", load) == ["all layers", "5 of 6 characters (new: 1 character)"]


def test_a_classifier_starts_from_a_language_model(tmp_path: Path) -> None:
    source = language_model("abcde")
    source.save_pretrained(tmp_path)
    read = TextInput(Tokens.of("abxy", specials=SPECIALS), "char", lowercase=False, size=3)
    target = ClassifierNetwork(read, ["yes", "no"], cell="gru", hidden_size=4, bidirectional=True)
    assert target.start_from(tmp_path, "train", load) == [
        f"embeddings of 2 of {len(read.tokens)} tokens",
        "recurrent layer 1 (gru_reset_after)",
    ]
    first = target.reading().layers[0]
    assert (first.get_parameter("R_r_l0") == source.recurrent.get_parameter("R_r_l0")).all()


def test_a_kind_whose_layers_others_cannot_use_says_so(tmp_path: Path) -> None:
    AutoencoderNetwork([0.0], [1.0], window=7, cell="elman", hidden_size=4).save_pretrained(tmp_path)
    with pytest.raises(ConfigError) as caught:
        language_model().start_from(tmp_path, "train", load)
    assert str(caught.value) == (
        "train: nothing of (elman 1→4) fits (embeddings of 3, gru_reset_after 3→4), expected the same cell and sizes, or "
        "embeddings of the same size with tokens in common, or inputs of the same names. Set model.cell, model.hidden_size and "
        "model.embedding_size as they were there."
    )


COLUMNS = ["y", "heat"]
SIZES = {"hidden_size": 4}
WORDS = {"embedding_size": 3, **SIZES}
TEXT = ["the soup was cold", "the waiter was kind"] * 12


def table(folder: Path) -> str:
    """A series of two columns."""
    rows = [f"s,{k},{k % 4},{k % 7}" for k in range(80)]
    (folder / "table.csv").write_text("\n".join(["unique_id,ds,y,heat", *rows]) + "\n")
    return str(folder / "table.csv")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Network]:
    """A small network of each kind by the names in the table of docs/training.md."""
    path, two = (
        table(tmp_path_factory.mktemp("table")),
        [np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32) for _ in range(24)],
    )
    labels = [0, 1] * 12
    marked = [("the $T$ was cold", "soup"), ("the $T$ was kind", "waiter")] * 12
    context = {"context": 8, "horizon": 2, "season": 4}
    of: dict[str, tuple[dict[str, Any], Any]] = {
        "language-model": ({"data": {"unit": "word"}, "model": WORDS, "train": {"tbptt": 2, "batch_size": 2}}, TEXT),
        "tagger": (
            {"model": {"word_size": 3, "hidden_size": 4, "spelling_size": 2}},
            [[(word, word[0].upper()) for word in line.split()] for line in TEXT],
        ),
        "classifier": ({"model": WORDS}, (TEXT, labels)),
        "classifier of series": ({"model": SIZES}, (two, labels)),
        "target-classifier": ({"model": WORDS}, (marked, labels)),
        "word-sense": ({"model": WORDS}, ([(*pair, pair[1]) for pair in marked], ["a", "b"] * 12)),
        "seq2seq": (
            {"data": {"source_units": "words"}, "model": WORDS},
            [(line, line[:6]) for line in (*TEXT[:2], *(f"{line} {k}" for k, line in enumerate(TEXT)))],
        ),
        "forecaster": ({"data": {"train": path, "past": ["heat"]}, "model": {**SIZES, **context}}, None),
        "autoencoder": (
            {"data": {"train": path, "columns": COLUMNS, "series": "unique_id", "window": 8}, "model": SIZES},
            None,
        ),
    }
    found: dict[str, Network] = {}
    for name, (settings, data) in of.items():
        kind = find_kind(name.removesuffix(" of series"))
        network = kind.prepare(kind.Settings.of(settings), "train", data).network
        assert isinstance(network, Network)
        found[name.replace("classifier", "classifier of texts") if name == "classifier" else name] = network
    return found


@pytest.fixture
def known(fresh: dict[str, Network]) -> dict[str, Network]:
    """Copies of them, to be written on."""
    return copy.deepcopy(fresh)


def documented() -> dict[str, tuple[list[str], str]]:
    """Kind -> what it starts from and what is taken, as docs/training.md says."""
    text = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*) \| ([^|]*) \|$", text, re.MULTILINE)
    found: dict[str, tuple[list[str], str]] = {}
    sources: list[str] = []
    for kind, named, taken in rows:
        sources = sources if named == "the same" else named.replace("`", "").split(", ")
        found[kind.replace("`", "")] = (sources, taken)
    return found


def test_what_starts_from_what_is_what_the_documents_say(known: dict[str, Network]) -> None:
    said = documented()
    assert said.keys() == known.keys()
    for name, (sources, taken) in said.items():
        for other, source in known.items():
            if other in sources:
                copied = transfer(source.reading(), known[name].reading())
                assert copied[-1].startswith("recurrent layer 1 (lstm)")
                assert copied[0].startswith("embeddings of ") == taken.removeprefix("of the encoder: ").startswith(
                    "emb"
                )
            else:
                with pytest.raises(ConfigError, match=r"^transfer: nothing of \("):
                    transfer(source.reading(), known[name].reading())


def test_a_target_classifier_reads_words_as_its_language_model_does(known: dict[str, Network]) -> None:
    source, target = known["language-model"].reading(), known["target-classifier"].reading()
    right = [parameter.clone() for parameter in target.backwards[0].parameters()]
    theirs, ours = source.layers[0], target.layers[0]
    of_target = ours.get_parameter("W_i_l0")[:, 3:].clone()
    assert transfer(source, target) == [
        "embeddings of 7 of 9 tokens",
        "recurrent layer 1 (lstm), 3 of its 6 inputs",
    ]
    assert torch.equal(ours.get_parameter("W_i_l0"), torch.cat([theirs.get_parameter("W_i_l0"), of_target], 1))
    assert torch.equal(ours.get_parameter("R_o_l0"), theirs.get_parameter("R_o_l0"))
    assert all(torch.equal(a, b) for a, b in zip(right, target.backwards[0].parameters(), strict=True))


def test_two_directions_give_the_right_side_its_backward_half(known: dict[str, Network]) -> None:
    source, target = known["classifier of texts"].reading(), known["word-sense"].reading()
    assert transfer(source, target) == ["embeddings of 9 of 9 tokens", "recurrent layer 1 (lstm) in both directions"]
    x = torch.randn(5, 2, 3)
    both = source.layers[0].eval()(x)[0]
    torch.testing.assert_close(target.layers[0].eval()(x)[0], both[..., :4], rtol=0, atol=0)
    torch.testing.assert_close(target.backwards[0].eval()(x.flip(0))[0].flip(0), both[..., 4:], rtol=0, atol=0)


def test_a_forecaster_takes_the_columns_that_an_autoencoder_knows(known: dict[str, Network]) -> None:
    source, target = known["autoencoder"].reading(), known["forecaster"].reading()
    assert target.names == ["y", "y observed", "heat"]
    theirs, ours = source.layers[0].get_parameter("W_f_l0"), target.layers[0].get_parameter("W_f_l0")
    of_flag = ours[:, 1].clone()
    assert transfer(source, target) == ["recurrent layer 1 (lstm), 2 of its 3 inputs"]
    assert torch.equal(ours, torch.stack([theirs[:, 0], of_flag, theirs[:, 1]], 1))


def test_a_forecaster_of_other_series_starts_with_all_weights(tmp_path: Path) -> None:
    kind = find_kind("forecaster")
    made: list[Network] = []
    for name in "ab":
        (tmp_path / name).mkdir()
        path = Path(table(tmp_path / name))
        path.write_text(path.read_text().replace("\ns,", f"\n{name},").replace(",y,", f",{name}_y,"))
        data = {"train": str(path), "y": f"{name}_y"}
        settings = kind.Settings.of({"data": data, "model": {**SIZES, "context": 8, "horizon": 2, "per_series": True}})
        network = kind.prepare(settings, "train", None).network
        assert isinstance(network, Network)
        made.append(network)
    made[0].save_pretrained(tmp_path / "saved")
    assert made[1].start_from(tmp_path / "saved", "train", load) == ["all weights"]


def test_a_class_of_python_starts_from_a_folder(known: dict[str, Network], tmp_path: Path) -> None:
    source = known["language-model"]
    source.save_pretrained(tmp_path)
    settings: dict[str, Any] = {**WORDS, "epochs": None, "updates": 1, "learning_rate": 1e-30, "threads": 1}
    model = Classifier(**settings).fit(TEXT, [0, 1] * 12, finetune=tmp_path)
    theirs, ours = source.reading().layers[0], model.network.reading().layers[0]
    torch.testing.assert_close(ours.get_parameter("R_i_l0"), theirs.get_parameter("R_i_l0"), rtol=0, atol=1e-12)


@pytest.mark.parametrize("halves", [("one", "both"), ("both", "both"), ("both", "one")])
@pytest.mark.parametrize("decoder", ["direct", "recursive"])
def test_directions_that_both_read_in_go_from_an_autoencoder_to_a_forecaster(
    tmp_path: Path, halves: tuple[str, str], decoder: str
) -> None:
    path = table(tmp_path)
    model: dict[str, Any] = {"hidden_size": 4, "num_layers": 2}
    of = {
        "autoencoder": {"data": {"train": path, "columns": COLUMNS, "series": "unique_id", "window": 8}},
        "forecaster": {
            "data": {"train": path, "future": ["heat"]},
            "model": {"context": 8, "horizon": 2, "season": 4, "decoder": decoder},
        },
    }
    made: list[Any] = []
    for (name, settings), way in zip(of.items(), halves, strict=True):
        kind = find_kind(name)
        given = settings | {"model": {**settings.get("model", {}), **model, "bidirectional": way == "both"}}
        made.append(kind.prepare(kind.Settings.of(given), "train", None).network)
    source, target = made
    own = {name: value.clone() for name, value in target.state_dict().items()}
    source.save_pretrained(tmp_path / "saved")
    is_both = halves == ("both", "both")
    first = f"recurrent layer 1 (lstm){' in both directions' * is_both}, 2 of its 3 inputs"
    second = ["recurrent layer 2 (lstm) in both directions"] * is_both  # else it reads twice the outputs on one side
    assert target.start_from(tmp_path / "saved", "train", load) == [first, *second]
    changed = {name for name, value in target.state_dict().items() if not torch.equal(value, own[name])}
    recurrent = {f"encoder.{letter}_{gate}_l0" for letter in "WR" for gate in "ifgo"}
    if is_both:
        recurrent |= {name[:-1] + end for name in recurrent for end in ("0_reverse", "1", "1_reverse")}
    assert {name for name in changed if "b_" not in name} == recurrent
    for name in recurrent:
        theirs, ours = source.get_parameter(name), target.get_parameter(name)
        assert torch.equal(ours[:, [0, 2]] if ours.shape[1] == 3 else ours, theirs)
