"""Recurrent dropout without memory loss: what is written into the carrousel is masked, what it holds is not."""

from typing import NamedTuple

from carrousel.engine.carrousel import carried_arguments, find_carrousels
from carrousel.engine.graph import Graph, Node
from carrousel.engine.noise import MARK, insert_behind, mask, next_state
from carrousel.errors import ConfigError


def mask_candidates(graph: Graph, probability: float, is_per_sequence: bool, value: str) -> Graph:
    """The step with a mask on everything that is added to a carrousel, or on one value by name.

    Needs: a traced step. Gives: a term of a carrousel's sum that the old state does not enter is 0 with the probability, and
    divided by 1 - probability elsewhere. Where the step writes z ⊙ (n_t - h_{t-1}), that term is n_t.

        v18: H = mul i_t g_t             v18: H = mul i_t g_t
        c_t: H = add v17 v18       ->    v18~dropped: H = mul v18 c~candidate0~mask
                                         c_t: H = add v17 v18~dropped

    Raises:
        ConfigError: the cell has no carrousel and no value is named, or it has no value of that name.

    Source: Semeniuta, Severyn and Barth, "Recurrent Dropout without Memory Loss", COLING 2016, arXiv:1603.05118.
    """
    chosen = [Candidate(_checked(graph, value), value, None)] if value else candidates(graph)
    for name, label, readers in chosen:
        shape = graph[name].shape
        drawn = mask(f"{label}{MARK}mask", shape, probability, 1 / (1 - probability), is_per_sequence=is_per_sequence)
        masked = Node(f"{name}{MARK}dropped", "mul", (name, drawn[-1].name), shape)
        graph = insert_behind(graph, name, [*drawn, masked], readers)
    return graph


class Candidate(NamedTuple):
    """A value to mask, what its mask is called, and the nodes that read it masked; None for all."""

    name: str
    label: str
    readers: frozenset[str] | None


def candidates(graph: Graph) -> list[Candidate]:
    """The values that are added to a carrousel and depend on the input or the state, in execution order for each state field.

    Raises:
        ConfigError: the cell has no carrousel.
    """
    paths = find_carrousels(graph)
    if not paths:
        raise ConfigError(
            f"{graph.name}: recurrent dropout masks what is added to a cell state, and this cell carries no state from step to "
            "step by products and sums. Name a value of its step (value='h_t'), or choose another mask."
        )
    varying = _varying(graph)
    on_a_path = frozenset[str]().union(*paths.values())
    found: dict[str, Candidate] = {}
    for field, path in paths.items():
        terms = _terms(graph, next_state(graph, field), path, set()) & varying - found.keys()
        for k, name in enumerate(node.name for node in graph.nodes if node.name in terms):
            readers = frozenset(node.name for node in graph.computed if name in node.args) & on_a_path
            found[name] = Candidate(name, f"{field}{MARK}candidate{k}", readers)
    return list(found.values())


def _varying(graph: Graph) -> set[str]:
    """Values that the input or the state reaches."""
    found = {node.name for node in graph.nodes if node.op in ("x", "state")}
    for node in graph.nodes:
        if found.intersection(node.args):
            found.add(node.name)
    return found


def _terms(graph: Graph, name: str, path: frozenset[str], seen: set[str]) -> set[str]:
    """What is added to the path at this value and before it; a factor of a value on the path is no term."""
    if name not in path:
        return {name}
    if name in seen:
        return set()
    seen.add(name)
    node = graph[name]
    terms = carried_arguments(graph, node)
    if node.op in ("mul", "div"):
        terms = tuple(arg for arg in terms if arg in path)
    return set[str]().union(*(_terms(graph, arg, path, seen) for arg in terms))


def _checked(graph: Graph, value: str) -> str:
    computed = [node.name for node in graph.computed]
    if value not in computed:
        named = ", ".join(name for name in computed if name.isidentifier() and not name[1:].isdigit())
        raise ConfigError(
            f"{graph.name}: recurrent dropout on {value!r}, expected a value that the step computes: {named}. "
            "Choose one of these, or leave `value` out."
        )
    return value
