"""RNN-drop: one mask a sequence on the state itself."""

from carrousel.engine.graph import Graph, Node
from carrousel.engine.noise import MARK, constant, insert_behind, mask, next_state


def mask_states(graph: Graph, probabilities: tuple[tuple[str, float], ...], is_training: bool) -> Graph:
    """The step with m ⊙ s_t in place of each state field named, for the next step and for the rest of this one.

    Needs: a traced step. Gives: m is 0 with the field's probability p and 1 elsewhere, drawn once a sequence; when not training it
    is 1 - p, its mean.

        c_t: H = add v17 v18              c_t: H = add v17 v18
        v19: H = tanh c_t            ->   c_t.masked: H = mul c_t c~drop
                                          v19: H = tanh c_t.masked

    Source: Moon, Choi, Lee and Song, "RnnDrop: A Novel Dropout for RNNs in ASR", ASRU 2015.
    """
    for field, probability in probabilities:
        after = next_state(graph, field)
        shape, name = graph[after].shape, f"{field}{MARK}drop"
        factor = [constant(name, 1 - probability)]
        if is_training:
            factor = mask(name, shape, probability, 1.0, is_per_sequence=True)
        graph = insert_behind(graph, after, [*factor, Node(f"{after}.masked", "mul", (after, name), shape)])
    return graph
