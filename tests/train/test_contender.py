"""Naming cells and how they start: what a name means, and what is refused."""

import re

import pytest
import torch

from carrousel.cells import CELLS
from carrousel.errors import ConfigError
from carrousel.train.contender import KEEPING, Contender, contenders

pytestmark = pytest.mark.tiny


def test_a_list_of_names_becomes_cells_in_their_order() -> None:
    found = contenders("srn, lstm:own,lstm:forget_bias=3:input_bias=-1,lstm_1997:block_size=2:weights=.5")
    assert found == (
        Contender("srn", "srn"),
        Contender("lstm:own", "lstm"),
        Contender("lstm:forget_bias=3:input_bias=-1", "lstm", (("forget_bias", 3), ("input_bias", -1))),
        Contender("lstm_1997:block_size=2:weights=.5", "lstm_1997", (("block_size", 2), ("weights", 0.5))),
    )
    assert [contender.describe() for contender in found] == [
        "the cell's own",
        "the cell's own",
        "forget bias 3, input bias -1",
        "block_size 2, weights U(-0.5, 0.5)",
    ]


def test_a_bare_name_of_the_plain_lstm_family_keeps_what_it_has_read() -> None:
    keeping = {name for name in CELLS if contenders(name)[0].settings}
    assert keeping == {"lstm", "lstm_projected", "peephole_lstm"}
    assert contenders("lstm")[0].settings == KEEPING


def test_the_network_starts_as_its_settings_say() -> None:
    (contender,) = contenders("lstm:forget_bias=3:input_bias=-1:weights=9")
    network = contender.network(num_symbols=7, hidden_size=12)
    params = dict(network.recurrent.named_parameters())
    assert params["b_f_l0"].tolist() == [3.0] * 12
    assert params["b_i_l0"].tolist() == [-1.0] * 12
    assert params["b_o_l0"].abs().max() <= 12**-0.5
    for weight in (params["W_i_l0"], params["R_g_l0"], network.read_out.weight):
        assert 4.5 < weight.abs().max() <= 9


def test_chrono_spreads_the_forget_biases() -> None:
    network = contenders("peephole:chrono=20")[0].network(num_symbols=7, hidden_size=12)
    params = dict(network.recurrent.named_parameters())
    assert params["b_f_l0"].unique().numel() == 12
    assert torch.equal(params["b_i_l0"], -params["b_f_l0"])


def test_a_size_of_the_cell_is_passed_on() -> None:
    network = contenders("lstm_1997:block_size=4")[0].network(num_symbols=7, hidden_size=12)
    assert dict(network.recurrent.named_parameters())["b_g_l0"].shape == (3, 4)


def test_the_network_is_one_layer_and_a_read_out_to_every_symbol() -> None:
    # 4 gates x (12 x 7 weights, 12 x 12 weights, 12 biases) and a read-out of 7 x 12 weights and 7 biases
    network = contenders("lstm")[0].network(num_symbols=7, hidden_size=12)
    assert sum(p.numel() for p in network.parameters()) == 4 * (84 + 144 + 12) + 84 + 7


LSTM_KNOWN = "weights, chrono, forget_bias, input_bias"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("lsmt", "unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"),
        (
            "srn,,lstm",
            "compare: cells is 'srn,,lstm', expected names of cells with commas between them. For example: srn,lstm",
        ),
        ("srn,srn", "compare: cells names 'srn' twice, expected each once. Leave one out."),
        (
            "lstm:forgetbias=3",
            "compare: 'forgetbias' in 'lstm:forgetbias=3' is not a setting of lstm, expected own alone or "
            f"{LSTM_KNOWN}. Did you mean 'forget_bias'?",
        ),
        (
            "gru:forget_bias=3",
            "compare: 'forget_bias' in 'gru:forget_bias=3' is not a setting of gru_reset_after, expected own alone or "
            "weights. For example: gru_reset_after:weights=1.5",
        ),
        (
            "lstm:own:chrono=9",
            "compare: 'own' in 'lstm:own:chrono=9' is not a setting of lstm, expected own alone or "
            f"{LSTM_KNOWN}. For example: lstm:weights=1.5",
        ),
        (
            "lstm:forget_bias=x",
            "compare: forget_bias in 'lstm:forget_bias=x' is 'x', expected a number. For example: lstm:forget_bias=1",
        ),
        (
            "lstm:input_bias",
            "compare: input_bias in 'lstm:input_bias' is '', expected a number. For example: lstm:input_bias=1",
        ),
        (
            "lstm:forget_bias=inf",
            "compare: forget_bias in 'lstm:forget_bias=inf' is 'inf', expected a number. For example: lstm:forget_bias=1",
        ),
        (
            "lstm:weights=-1",
            "compare: weights in 'lstm:weights=-1' is '-1', expected a number above 0. For example: lstm:weights=1.5",
        ),
        (
            "lstm:chrono=2",
            "compare: chrono in 'lstm:chrono=2' is '2', expected a whole number of 3 or more. For example: lstm:chrono=20",
        ),
        (
            "lstm_1997:block_size=2.5",
            "compare: block_size in 'lstm_1997:block_size=2.5' is '2.5', expected a whole number of 1 or more. For example: "
            "lstm_1997:block_size=2",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(cells: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        contenders(cells)
