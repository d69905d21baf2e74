"""From a graph to glyphs: what is one box, what is joined, and that nothing of the step is lost."""

import pytest

from carrousel.analysis.cards import small_sizes
from carrousel.analysis.complexity import complexity
from carrousel.cells import CELLS, find
from carrousel.drawing.diagram import FUNCTION, INPUT, JOIN, LAYER, OPERATION, STATE, Diagram, diagram
from carrousel.drawing.names import Name, greek, printed
from carrousel.engine import trace_cell


def drawn(name: str) -> Diagram:
    cell = find(name)
    graph = trace_cell(cell, small_sizes(cell))
    return diagram(graph, complexity(graph).carrousel)


def glyphs(found: Diagram, kind: str) -> list[tuple[str, str]]:
    return sorted((glyph.symbol, glyph.label) for glyph in found.glyphs if glyph.kind == kind)


@pytest.mark.tiny
def test_an_lstm_is_four_layers_three_products_a_sum_and_a_squashing() -> None:
    found = drawn("lstm")
    assert glyphs(found, LAYER) == [("tanh", "g_t"), ("σ", "f_t"), ("σ", "i_t"), ("σ", "o_t")]
    assert glyphs(found, OPERATION) == [("+", "c_t"), ("×", ""), ("×", ""), ("×", "h_t")]
    assert glyphs(found, FUNCTION) == [("tanh", "")]
    assert [glyph.inputs for glyph in found.glyphs if glyph.kind == JOIN] == [("x_t", "h_tm1")]
    assert found.exits == (("h_t", "h_t"), ("c_t", "c_t"))
    assert found.carriers == (("c_tm1", "c_t"),)


@pytest.mark.tiny
def test_a_peephole_is_a_wire_of_its_own() -> None:
    found = drawn("peephole_lstm")
    assert [glyph.inputs[1:] for glyph in found.glyphs if glyph.label in ("i_t", "f_t", "o_t")].count(("c_tm1",)) == 2
    assert found["o_t"].inputs[1:] == ("c_t",)
    assert found["o_t"].weights == ("W_o", "R_o", "p_o", "b_o")


@pytest.mark.tiny
def test_a_matrix_without_a_squashing_function_shows_its_name() -> None:
    assert ("R_n", "") in glyphs(drawn("gru_reset_after"), LAYER)


@pytest.mark.tiny
def test_numbers_round_a_squashing_function_stay_with_it() -> None:
    assert ("4σ−2", "g_t") in glyphs(drawn("lstm_1997"), LAYER)
    assert ("2σ−1", "") in glyphs(drawn("lstm_1997"), FUNCTION)
    assert ("log σ", "f_t") in glyphs(drawn("slstm"), LAYER)


def test_a_normalisation_is_one_glyph() -> None:
    assert [symbol for symbol, _ in glyphs(drawn("layer_norm_lstm"), FUNCTION)].count("norm") == 3


@pytest.mark.parametrize("name", CELLS)
def test_every_parameter_and_every_state_is_in_the_drawing(name: str) -> None:
    cell = find(name)
    found = drawn(name)
    read = {source for glyph in found.glyphs for source in glyph.inputs}
    assert {glyph.label for glyph in found.glyphs if glyph.kind == STATE} == {f"{f}_tm1" for f in cell.state_axes}
    assert [label for label, _ in found.exits] == [f"{field}_t" for field in cell.state_axes]
    assert all(g.key in read for g in found.glyphs if g.kind == INPUT)
    place = {glyph.key: k for k, glyph in enumerate(found.glyphs)}
    assert all(place[source] < place[glyph.key] for glyph in found.glyphs for source in glyph.inputs)


@pytest.mark.tiny
def test_names_are_printed_as_papers_do() -> None:
    assert printed("h_tm1") == Name("h", "t−1")
    assert printed("c_t") == Name("c", "t")
    assert printed("beta_4") == Name("β", "4")
    assert printed("s_t.3") == Name("s", "t", "(3)")
    assert greek("×alpha") == "×α"
