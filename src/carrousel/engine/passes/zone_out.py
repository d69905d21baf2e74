"""Zoneout: some units keep their state for a step."""

from carrousel.engine.graph import Graph, Node
from carrousel.engine.noise import MARK, constant, insert_behind, is_below, next_state, state_leaf
from carrousel.engine.views import SHOWS


def zone_out(graph: Graph, probabilities: tuple[tuple[str, float], ...], is_training: bool) -> Graph:
    """The step with d ⊙ s_{t-1} + (1 - d) ⊙ ŝ_t as the next value of each state field named.

    Needs: a traced step. Gives: d is 1 with the field's probability z, drawn for each unit and step; when not training it is z
    itself. The rest of the step reads ŝ_t, the value before zoneout; an output that is the state is zoned out as well.

        c_t: H = add v17 v18              c_t: H = add v17 v18
        -> state.c c_t               ->   c~zone: H = less c~zone~u c~zone~p
                                          c_t.zoned: H = where c~zone c_tm1 c_t
                                          -> state.c c_t.zoned

    Source: Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations", ICLR 2017,
    arXiv:1606.01305, equations 2 and 3.
    """
    for field, probability in probabilities:
        before, after = state_leaf(graph, field), next_state(graph, field)
        shape = graph[before].shape
        zoned = f"{after}.zoned"
        name = f"{field}{MARK}zone"
        if is_training:
            drawn = is_below(name, shape, probability)
            added = [*drawn, Node(zoned, "where", (name, before, after), shape)]
        else:
            added = _expectation(name, zoned, before, after, probability, graph)
        graph = insert_behind(graph, after, added, _readers_of_state(graph, field, after))
    return graph


def _expectation(name: str, zoned: str, before: str, after: str, z: float, graph: Graph) -> list[Node]:
    shape = graph[before].shape
    parts = [constant(f"{name}{MARK}z", z), constant(f"{name}{MARK}1-z", 1 - z)]
    kept = Node(f"{name}{MARK}old", "mul", (parts[0].name, before), shape)
    made = Node(f"{name}{MARK}new", "mul", (parts[1].name, after), shape)
    return [*parts, kept, made, Node(zoned, "add", (kept.name, made.name), shape)]


def _readers_of_state(graph: Graph, field: str, name: str) -> set[str]:
    """The state field, and the output where that is the state itself or another view of it."""
    output = dict(graph.outputs)["output"]
    views: set[str] = set()
    while output != name and graph[output].op in SHOWS:
        views.add(output)
        output = graph[output].args[0]
    return {f"state.{field}", "output", *views} if output == name else {f"state.{field}"}
