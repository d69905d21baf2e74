"""Contextual LSTM: parameter counts, its kinship with the peephole LSTM, and sizes that do not fit."""

import re

import pytest
import torch
from cells.conformance import problem

from carrousel import CELLS, Recurrent
from carrousel.errors import ConfigError


@pytest.mark.tiny
def test_parameters_are_counted_as_in_the_paper() -> None:
    """4(IH + GH + H² + H) + 3H with a word of I = 3, a topic of G = 2 and H = 6."""
    cell = CELLS["contextual_lstm"]
    assert cell.num_parameters(cell.sizes(5, 6, topic_size=2)) == 4 * (18 + 12 + 36 + 6) + 18


def test_a_topic_beside_the_word_is_a_longer_input_of_a_peephole_lstm() -> None:
    given = problem("contextual_lstm", input_size=5, topic_size=2)
    p = {name.removesuffix("_l0"): tensor.detach() for name, tensor in given.layer.named_parameters()}
    layer = Recurrent("peephole_lstm", 5, 6, dtype=torch.float64)
    with torch.no_grad():
        for ours, theirs in zip("ifgo", "ifco", strict=True):
            joined = torch.cat([p[f"W_x{theirs}"], p[f"W_T{theirs}"]], dim=1)
            values = {"W": joined, "R": p[f"W_h{theirs}"], "b": p[f"b_{theirs}"]}
            if ours != "g":
                values["p"] = p[f"w_c{theirs}"]
            for kind, value in values.items():
                layer.get_parameter(f"{kind}_{ours}_l0").copy_(value)
    expected, _ = layer(given.x, layer.cell.State(*given.state))
    y, _ = given.layer(given.x, given.layer.cell.State(*given.state))
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-12)


@pytest.mark.tiny
def test_a_topic_that_leaves_no_word_is_refused() -> None:
    message = (
        "input_size=3 and topic_size=3, expected a topic of at least 1 element and an input with more elements than the "
        "topic: x_t is [word; topic]. Choose input_size = word size + topic_size."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Recurrent("contextual_lstm", 3, 6, topic_size=3)
