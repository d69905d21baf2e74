"""What needs no state leaves the loop: it is computed for all time steps at once."""

from carrousel.engine.graph import TRUTH, Graph, Node, without_dead


def hoist_inputs(graph: Graph) -> tuple[Graph, Graph]:
    """The step cut in two: a prologue over all T·B inputs at once, and the loop that runs in time.

    Products on the input leave the loop, with what they need; the elementwise operations that follow them stay in it, where
    they cost no passage through memory. What is made from parameters alone leaves it too.

    Needs: sums regrouped by `join_matmuls`. Gives: a prologue whose outputs are `input.<value>` (one row a time step and
    sequence) and `param.<value>` (made from parameters alone); a loop without x, in which these are leaves. Only numbers
    cross: a truth value that the loop reads is made there, from the numbers that it compares.

        v1: H = matvec W x_t                      prologue: v1 -> input.v1
        v4.x: H = add v1 b                        loop:
        v4.r: H = products R h_tm1           ->     v1: H = input
        v4: H = add v4.x v4.r                       v4.x: H = add v1 b
                                                    v4.r: H = products R h_tm1
                                                    v4: H = add v4.x v4.r
    """
    kinds = _kinds(graph)
    before = _before_the_loop(graph, kinds)
    wanted = {name for _, name in graph.outputs}
    inside: set[str] = set()
    for node in reversed(graph.nodes):
        is_inside = node.name not in before or (node.op in TRUTH and node.name in wanted)
        if is_inside and (kinds[node.name] == "loop" or node.name in wanted):
            inside.add(node.name)
            wanted.update(node.args)
    loop_nodes = [node for node in graph.nodes if node.name in inside]
    crossing = [
        node for node in graph.nodes if node.name not in inside and node.name in wanted and node.op != "constant"
    ]
    outputs = tuple(
        (f"{kinds[node.name]}.{node.name}", node.name) for node in crossing if node.op not in ("param", "state")
    )
    prologue_nodes = tuple(node for node in graph.nodes if kinds[node.name] != "loop")
    leaves = [node if node.op == "param" else Node(node.name, kinds[node.name], (), node.shape) for node in crossing]
    constants = [node for node in graph.nodes if node.op == "constant" and node.name in wanted]
    prologue = Graph(graph.name, without_dead(prologue_nodes, outputs), outputs, graph.sizes)
    return prologue, graph.with_nodes((*leaves, *constants, *loop_nodes))


def _before_the_loop(graph: Graph, kinds: dict[str, str]) -> set[str]:
    """Leaves of x, values of parameters alone, products on the input, and what these need."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        is_product = kinds[node.name] == "input" and node.op == "matvec"
        is_first = node.op == "x" or kinds[node.name] == "param" or is_product or node.name in found
        if is_first and kinds[node.name] != "loop":
            found.update((node.name, *node.args))
    return found


def _kinds(graph: Graph) -> dict[str, str]:
    """Name -> "param" (made from parameters alone), "input" (also from x) or "loop" (the state reaches it)."""
    kinds: dict[str, str] = {}
    for node in graph.nodes:
        read = {kinds[arg] for arg in node.args}
        if node.op == "state" or "loop" in read:
            kinds[node.name] = "loop"
        else:
            kinds[node.name] = "input" if node.op == "x" or "input" in read else "param"
    return kinds
