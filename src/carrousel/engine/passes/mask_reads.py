"""Variational dropout of the recurrent connections: one mask a sequence on the state where matrices read it."""

from itertools import chain

from carrousel.engine.carrousel import matrix_reads
from carrousel.engine.graph import Graph, Node
from carrousel.engine.noise import MARK, insert_behind, mask
from carrousel.errors import ConfigError


def mask_reads(graph: Graph, probability: float) -> Graph:
    """The step with a mask on its state wherever a gate or a cell input reads it through a matrix; all matrices see the same.

    Needs: a traced step. Gives: for each state field a mask that is 0 with the probability and 1 / (1 - probability) elsewhere,
    drawn once a sequence. What the carrousel carries is not masked.

        h_tm1: H = state                      h_tm1~masked: H = mul h_tm1 h~mask(H)
        v2: H = matvec R_i h_tm1         ->   v2: H = matvec R_i h_tm1~masked

    Raises:
        ConfigError: no matrix reads the state.

    Source: Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", NIPS 2016,
    arXiv:1512.05287, the form with tied weights.
    """
    reads = matrix_reads(graph)
    if not reads:
        raise ConfigError(
            f"{graph.name}: variational dropout with recurrent={probability:g} masks the state where matrices read it, "
            "and no matrix of this cell does. Leave `recurrent` out."
        )
    masks: dict[str, list[Node]] = {}
    for field, source in dict.fromkeys((field, read.source) for field, read in reads):
        shape = graph[source].shape
        name = f"{field}{MARK}mask({' '.join(shape)})"
        masks[name] = mask(name, shape, probability, 1 / (1 - probability), is_per_sequence=True)
        readers = {read.reader for _, read in reads if read.source == source}
        graph = insert_behind(graph, source, [Node(f"{source}{MARK}masked", "mul", (source, name), shape)], readers)
    (x_t, *_) = graph.leaves("x")
    at = graph.nodes.index(x_t) + 1
    return graph.with_nodes((*graph.nodes[:at], *chain(*masks.values()), *graph.nodes[at:]))
