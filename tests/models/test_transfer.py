"""A network of one kind started from one of another."""

import pytest
import torch
from torch import nn

from carrousel.errors import ConfigError
from carrousel.layers import Recurrent
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
