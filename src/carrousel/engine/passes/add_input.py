"""A shortcut around the step: what it reads is added to what it puts out."""

from dataclasses import replace

from carrousel.engine.graph import Graph, Node


def add_input(graph: Graph) -> Graph:
    """The step with its output and x_t together in place of the output; the state stays.

    Needs: a traced step whose output has as many elements as x_t.

        h_t: H = mul o_t v19                           h_t: H = mul o_t v19
        -> output h_t, state.h h_t              ->     h_t.shortcut: H = add h_t x_t
                                                       -> output h_t.shortcut, state.h h_t

    Source: Longpre, Pradhan, Xiong and Socher, "A Way out of the Odyssey", 2016, arXiv:1611.05104.
    """
    (x,), output = graph.leaves("x"), dict(graph.outputs)["output"]
    added = Node(f"{output}.shortcut", "add", (output, x.name), graph[output].shape)
    outputs = tuple((role, added.name if role == "output" else name) for role, name in graph.outputs)
    return replace(graph, nodes=(*graph.nodes, added), outputs=outputs)
