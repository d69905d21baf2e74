"""A plan in words and numbers."""

from carrousel.engine.compiled import ROWS_WORTH_FUSING
from carrousel.engine.derivatives import met
from carrousel.engine.graph import Graph
from carrousel.engine.lower.captured import LOWERING
from carrousel.engine.lower.torch_kernels import recognise
from carrousel.engine.noise import MARK
from carrousel.engine.passes.join_inputs import JOINED
from carrousel.engine.passes.split_phases import Phase, split_phases
from carrousel.engine.passes.truncate_gradient import CUT
from carrousel.engine.plan import Kind, Plan
from carrousel.engine.verdicts import switched_off
from carrousel.engine.views import SHOWS

_FLOAT_BYTES = 4


def explain(plan: Plan) -> str:
    """What leaves the loop, the phases, the tape and the work of one time step of one sequence, or why it runs slowly."""
    graph = plan.graph
    sizes = ", ".join(f"{letter}={size}" for letter, size in graph.sizes.items())
    lines = [f"{graph.name} ({sizes})"]
    if plan.reason:
        return "\n".join([*lines, f"runs node by node, which is slow: {plan.reason}", _on_cuda(plan)])
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
            *_cuts(graph),
            *_drawn(graph),
            "threads: the rows of a batch and the directions of a layer are dealt out to torch's threads where that pays; "
            + _units(plan),
            _on_cuda(plan),
        ]
    )


def _units(plan: Plan) -> str:
    """What threads do where there are fewer rows than threads."""
    cuts = [plan.cuts(kind) for kind in _KINDS]
    if not any(cuts):
        return "the units of a sequence stay together"
    words = [
        f"{direction} {_barriers(len(one.barriers))}"
        for direction, one in zip(_KINDS.values(), cuts, strict=True)
        if one
    ]
    return f"where there are fewer rows, threads share units: {', '.join(words)}"


_KINDS: dict[Kind, str] = {"train": "forward", "backward": "backward"}


def _barriers(count: int) -> str:
    return "without a barrier" if not count else f"with {count} barrier{'s' * (count > 1)} a step"


def _on_cuda(plan: Plan) -> str:
    kernel, reason = recognise(plan.graph), switched_off(LOWERING)
    if kernel:
        return f"on CUDA: torch's own kernel for {kernel.name}, and step by step where resets are given"
    if reason:
        return f"on CUDA: step by step, one operation of torch's at a time; nothing is replayed: {reason}"
    return (
        "on CUDA: step by step, one operation of torch's at a time; calls without lengths and resets are recorded and replayed "
        "when their shapes come again"
    )


def _cuts(graph: Graph) -> list[str]:
    """Where a truncated gradient ends, by the values of the step that read a state without handing gradient back."""
    found = [node for node in graph.computed if node.op == "stop_gradient" and node.name.endswith(CUT)]
    where = [f"none flows from {', '.join(_named_readers(graph, node.name))} into {node.args[0]}" for node in found]
    return [f"gradient: truncated; {'; '.join(where)}"] * bool(where)


def _named_readers(graph: Graph, name: str) -> list[str]:
    """The first values with a name of the step's own that are made from this one."""
    readers = [node for node in graph.computed if name in node.args]
    steps = [[r.name] if _is_variable(r.name) and r.op not in SHOWS else _named_readers(graph, r.name) for r in readers]
    return list(dict.fromkeys(n for names in steps for n in names))


def _is_variable(name: str) -> bool:
    return MARK not in name and not (name[0] == "v" and name[1:].isdigit())


def _drawn(graph: Graph) -> list[str]:
    """Random numbers that each step reads, all but x_t of a joined input."""
    columns = [node for node in graph.computed if node.args == (JOINED,)][1:]
    count = sum(_product(graph.elements(node.name)) for node in columns)
    return [f"random numbers: {count:,} a step and sequence, drawn by the layer"] * bool(columns)


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
        if plan.fused is not None:
            words[-1] += f" (in the loop's own tiles from {ROWS_WORTH_FUSING} sequences a thread on)"
    made = [name for role, name in plan.rest.outputs if role.startswith("param.")]
    if made:
        words.append(f"{', '.join(made)} from parameters alone, by torch")
    others = [name for role, name in plan.rest.outputs if role.startswith("input.")]
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
    plural = "" if others == 1 else "s"
    elementwise = f"{others} elementwise operation{plural} on {' '.join(phase.axes) or 'one number'}"
    joined = " joined" if len(matrices) > 1 else ""
    return f"{', '.join(matrices)}{joined}, then {elementwise}" if matrices else elementwise


def _deferred(plan: Plan) -> str:
    matrices = [met(role)[0] for role, _ in plan.derivatives if role.startswith("weight.")]
    if not matrices:
        return "the derivatives of the parameters, summed over all steps"
    return f"the derivatives of {', '.join(matrices)}, one product over all steps for each vector they met"


def _reused(plan: Plan) -> str:
    over = len(plan.in_place)
    return f", {over} of them in the memory of the hoisted values" if over else ""


def _product(sizes: tuple[int, ...]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total
