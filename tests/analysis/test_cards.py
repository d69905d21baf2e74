"""Cards: what they read from a cell's file, and how they are printed; every cell's own is in test_cell_pages.py."""

import pytest

from carrousel.analysis.card_page import list_page
from carrousel.analysis.card_text import card_text
from carrousel.analysis.cards import Card
from carrousel.cells import find

pytestmark = pytest.mark.tiny


def test_the_equations_are_those_of_the_file() -> None:
    card = Card(find("lstm"))
    assert card.equation_lines[0] == "i_t = σ(W_i x_t + R_i h_{t-1} + b_i)         input gate"
    assert list(card.equations) == ["i_t", "f_t", "g_t", "o_t", "c_t", "h_t"]
    assert card.equation("h_t") == "h_t = o_t ⊙ tanh(c_t)"
    assert card.equation("v7") == "v7"


def test_a_step_with_equations_of_its_own_goes_before_its_file() -> None:
    assert Card(find("qrnn_fo")).equations["c_t"] == "f_t ⊙ c_{t-1} + (1 - f_t) ⊙ z_t"
    assert Card(find("t_rnn")).title.startswith("T-RNN: ")


def test_the_text_of_a_card_is_this() -> None:
    assert card_text(Card(find("indrnn"))).split("\n\n")[-1].splitlines() == [
        "State: h (H)",
        "Parameters: 16,640 (D=128, H=128)",
        "Work: 33,280 floating-point operations a time step of one sequence, 32,768 of them in products",
        "Phases: no matrix meets the state",
        "Complexity: recurrent depth 1, feedforward depth 2, recurrent skip coefficient 1",
        "Carrousel: none, every way through time passes a squashing function",
        "Typing: strongly typed: no unit of the state comes back as another",
        "Scan: not in h, because of h_t = relu(W x_t + u ⊙ h_{t-1} + b)",
    ]


def test_the_list_has_one_row_a_cell() -> None:
    cards = [Card(find(name)) for name in ("elman", "lstm")]
    lines = [line for line in list_page(cards).splitlines() if line.startswith("| [")]
    assert lines == [
        "| [elman](elman.md) | 1990 | h | 32,896 | 1 | no | Finding Structure in Time |",
        "| [lstm](lstm.md) | 2000 | h c | 131,584 | 1 | no | Learning to Forget: Continual Prediction with LSTM |",
    ]
