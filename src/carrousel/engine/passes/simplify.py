"""One node a value: views that change no element's place become other names, equal nodes become one, dead nodes go."""

from carrousel.engine.graph import LEAVES, Graph, Node, without_dead


def simplify(graph: Graph) -> Graph:
    """The same values with fewer nodes.

    Needs: any legal graph. Gives: no two nodes with the same operation, arguments and settings, no reshape to the same
    shape, no node that nothing reads.

        v1: () = constant value=1        v1: () = constant value=1
        v2: H = sub v1 z_t               v2: H = sub v1 z_t
        v3: () = constant value=1    ->  v4: H = mul v2 v2
        v5: H = sub v3 z_t
        v4: H = mul v2 v5
    """
    same: dict[str, str] = {}
    made: dict[tuple[object, ...], str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        args = tuple(same.get(arg, arg) for arg in node.args)
        if node.op == "reshape" and graph[node.args[0]].shape == node.shape:
            same[node.name] = args[0]
            continue
        key = (node.op, args, node.attributes)
        if node.op not in LEAVES and key in made:
            same[node.name] = made[key]
            continue
        made[key] = node.name
        kept.append(Node(node.name, node.op, args, node.shape, node.attributes))
    outputs = tuple((role, same.get(name, name)) for role, name in graph.outputs)
    return Graph(graph.name, without_dead(kept, outputs), outputs, graph.sizes)
