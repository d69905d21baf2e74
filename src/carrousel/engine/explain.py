"""A plan in words and numbers."""

from carrousel.engine.graph import Graph
from carrousel.engine.passes.split_phases import Phase, split_phases
from carrousel.engine.plan import Plan

_FLOAT_BYTES = 4


def explain(plan: Plan) -> str:
    """What leaves the loop, the phases, the tape and the work of one time step of one sequence, or why it runs slowly."""
    graph = plan.graph
    sizes = ", ".join(f"{letter}={size}" for letter, size in graph.sizes.items())
    lines = [f"{graph.name} ({sizes})"]
    if plan.reason:
        return "\n".join([*lines, f"runs node by node, which is slow: {plan.reason}"])
    return "\n".join(
        [
            *lines,
            "runs in compiled loops over all time steps, forward and backward, for float32 and float64 on the CPU",
            f"before the loop: {_hoisted(plan)}",
            *_phases("forward", plan.loop),
            *_phases("backward", plan.backward),
            f"after the loop: {_deferred(plan)}",
            f"tape: {', '.join(plan.tape)}: {tape_bytes(plan):,} bytes a step and sequence in float32" + _reused(plan),
            f"work: {flops(plan):,} floating-point operations a step and sequence forward, about three times that in training",
            "threads: the rows of a batch are split over torch's threads where that pays; no barrier in the loop",
        ]
    )


def flops(plan: Plan) -> int:
    """Floating-point operations of one forward step of one sequence: two for each element of a matrix, one for each other."""
    return sum(_node_flops(graph, node.name) for graph in (plan.prologue, plan.loop) for node in graph.computed)


def _node_flops(graph: Graph, name: str) -> int:
    node = graph[name]
    if node.op in ("matvec", "products"):
        return 2 * sum(_product(graph.elements(matrix)) for matrix in node.args[::2])
    return 0 if node.op in ("constant", "reshape") else _product(graph.elements(name))


def tape_bytes(plan: Plan) -> int:
    """Bytes that a forward step of one sequence leaves for the backward loop, in float32."""
    return _FLOAT_BYTES * sum(_product(plan.loop.elements(name)) for name in plan.tape)


def _hoisted(plan: Plan) -> str:
    linear = plan.linear
    words: list[str] = []
    if linear.names:
        words.append(f"one product over all steps for {', '.join(linear.weights)}")
    others = [name for _, name in plan.rest.outputs]
    if others:
        words.append(f"{', '.join(others)} by torch")
    return "; ".join(words) or "nothing"


def _phases(title: str, graph: Graph) -> list[str]:
    phases = split_phases(graph)
    return [f"{title} loop, phase {k} of {len(phases)}: {_phase(phase)}" for k, phase in enumerate(phases, start=1)]


def _phase(phase: Phase) -> str:
    matrices = [arg for node in phase.nodes if node.op == "products" for arg in node.args[::2]]
    others = sum(node.op not in ("products", "constant") for node in phase.nodes)
    if not phase.is_tiled:
        return f"{phase.nodes[0].op} into ({' '.join(phase.axes)})"
    elementwise = f"{others} elementwise operations on {' '.join(phase.axes) or 'one number'}"
    return f"{', '.join(matrices)} joined, then {elementwise}" if matrices else elementwise


def _deferred(plan: Plan) -> str:
    matrices = [role.split(".", 2)[1] for role, _ in plan.derivatives if role.startswith("weight.")]
    return f"the derivatives of {', '.join(matrices)}, one product over all steps for each vector they met"


def _reused(plan: Plan) -> str:
    over = len(plan.in_place)
    return f", {over} of them in the memory of the hoisted values" if over else ""


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
