"""A network of one kind started from one of another."""

from pathlib import Path

import pytest
import torch
from torch import nn

from carrousel.data import CharVocabulary, Tokens
from carrousel.errors import ConfigError
from carrousel.layers import Recurrent
from carrousel.models import AutoencoderNetwork, ClassifierNetwork, LanguageModelNetwork
from carrousel.models.classifier.inputs import SPECIALS, TextInput
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
        "same size with tokens in common. Set model.cell, model.hidden_size and model.embedding_size as they were there."
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
    assert target.start_from(tmp_path, "train", load) == [
        "embeddings of 5 of 6 tokens",
        "recurrent layer 1 (gru_reset_after)",
    ]


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
        "embeddings of the same size with tokens in common. Set model.cell, model.hidden_size and model.embedding_size as they "
        "were there."
    )
