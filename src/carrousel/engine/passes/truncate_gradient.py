"""The truncated gradient of 1997: errors flow back in time along the carrousel and nowhere else."""

from carrousel.engine.carrousel import find_carrousels, recurrent_reads
from carrousel.engine.graph import Graph, Node
from carrousel.errors import ConfigError

CUT = "~cut"
"""How a state is named where its gradient ends."""


def truncate_gradient(graph: Graph) -> Graph:
    """The same step, whose gates and cell inputs read the state without handing gradient back to it.

    Needs: a traced step. Gives: the same values; a `stop_gradient` behind every state, and every value on the carrousel,
    that a gate or a cell input reads (`recurrent_reads`). The carrousel itself keeps its gradient.

        h_tm1: H = state                      h_tm1: H = state
                                              h_tm1~cut: H = stop_gradient h_tm1
        v2: H = matvec R_i h_tm1         ->   v2: H = matvec R_i h_tm1~cut
        v17: H = mul f_t c_tm1                v17: H = mul f_t c_tm1

    Raises:
        ConfigError: no state of the cell has a carrousel.

    Source: Hochreiter and Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997, section 4 and appendix A.1.
    """
    if not find_carrousels(graph):
        states = ", ".join(role.removeprefix("state.") for role, _ in graph.outputs if role.startswith("state."))
        raise ConfigError(
            f"{graph.name}: gradient='truncated' keeps the gradient of a cell state that is carried from step to step by "
            f"products and sums, and none of its states ({states}) is. Use gradient='full', or a cell with a cell state."
        )
    reads = recurrent_reads(graph)
    sources = {read.source for read in reads}
    places = {(read.reader, read.source) for read in reads}
    nodes: list[Node] = []
    for node in graph.nodes:
        args = tuple(arg + CUT if (node.name, arg) in places else arg for arg in node.args)
        nodes.append(Node(node.name, node.op, args, node.shape, node.attributes))
        if node.name in sources:
            nodes.append(Node(node.name + CUT, "stop_gradient", (node.name,), node.shape))
    return graph.with_nodes(tuple(nodes))
