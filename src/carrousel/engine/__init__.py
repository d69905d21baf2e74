"""From a cell to a program that runs it over time: the pipeline as one flat list of named stages.

trace           step -> Graph
truncate_gradient, masks and join_inputs where a layer asks for them
simplify        one node a value
join_matmuls    sums regrouped, products on the state joined
hoist_inputs    what needs no state leaves the loop
fuse_inputs     for batches: products on x_t go back into the loop's tiles
spell_broadcasts
differentiate   the backward step
choose_tape     what the forward loop writes down for it
split_phases    what can be finished element by element
lower.llvm      two loops in machine code;  lower.interpret   the definition, one node at a time
lower.torch_kernels, lower.hoisted   what runs on other devices;  lower.captured   the same, replayed
threads         which thread runs what: loops side by side, their rows, and where there are few rows, their units
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, reduce
from math import prod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from carrousel.cell import Cell, Sizes
from carrousel.engine.compiled import Compiled
from carrousel.engine.graph import Graph, Node
from carrousel.engine.graph_text import text_of
from carrousel.engine.lower.captured import RECORDERS, Captured
from carrousel.engine.lower.hoisted import Hoisted, hoist
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.lower.products import exact_products, is_autocast
from carrousel.engine.lower.torch_kernels import Kernel, recognise
from carrousel.engine.noise import MARK
from carrousel.engine.passes.join_inputs import JOINED, join_inputs
from carrousel.engine.plan import Plan, make_plan
from carrousel.engine.run import Recurrence, run
from carrousel.engine.spec import check
from carrousel.engine.torch_ops import register, run_as_operation
from carrousel.engine.trace import trace

_REPLAYED = " (calls without lengths and resets are recorded and replayed when their shapes come again)"
_COMPILED_DTYPES = (torch.float32, torch.float64)


class SlowPathWarning(UserWarning):
    """A cell runs node by node instead of in a compiled loop; the message says why."""


def trace_cell(cell: Cell, sizes: Sizes) -> Graph:
    """The graph of one step of a cell at these sizes.

    >>> from carrousel.cells import find
    >>> cell = find("elman")
    >>> print(trace_cell(cell, cell.sizes(input_size=3, hidden_size=2)))
    elman(D=3, H=2)
      W: H D = param
      R: H H = param
      b: H = param
      x_t: D = x
      h_tm1: H = state
      v1: H = matvec W x_t
      v2: H = matvec R h_tm1
      v3: H = add v1 v2
      v4: H = add v3 b
      h_t: H = tanh v4
      -> output h_t, state.h h_t
    """
    axes = cell.param_axes, cell.State, cell.state_axes
    return trace(cell.name, cell.step, cell.Params, *axes, sizes, cell.noise_axes)


Way = Literal["loops", "kernel", "hoisted", "interpret"]
"""Compiled loops; a kernel of torch's own; the plan by torch's operations, step by step; the definition."""


@dataclass(frozen=True, eq=False)
class Program:
    """A cell at fixed sizes, ready to run over time: in compiled loops where they apply, by `interpret` elsewhere.

    Args:
        graph: of the step.
        noise: random numbers that the step reads besides x_t, as the leaves they were: x is [x_t | each of them].
    """

    graph: Graph
    noise: tuple[Node, ...] = ()
    text: str = field(init=False, repr=False)
    noise_sizes: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", text_of(self.graph))
        object.__setattr__(self, "noise_sizes", {n.name: prod(self.graph.elements(n.name)) for n in self.noise})
        register(self.text, self)

    def __deepcopy__(self, memo: object) -> "Program":
        return self  # immutable: copies of a layer share their programs

    def __reduce__(self) -> tuple[object, ...]:
        return Program, (self.graph, self.noise)  # machine code is made anew

    def __call__(
        self,
        params: Mapping[str, Tensor],
        x: Float[Tensor, "T B D"],
        state: Sequence[Float[Tensor, "B ..."]],
        lengths: Int[Tensor, " B"] | None = None,
        reset: Bool[Tensor, "T B"] | None = None,
        record: Sequence[str] = (),
    ) -> tuple[Float[Tensor, "T B ..."], list[Float[Tensor, "B ..."]], dict[str, Shaped[Tensor, "T B ..."]]]:
        """Outputs, the last state, and the recorded values of every step; arguments as in `lower.interpret`."""
        params, x, state = _in_one_format(params, x, state)
        if torch.compiler.is_compiling() and not record:
            return *run_as_operation(self.text, params, x, state, lengths, reset), {}
        return self.directly(params, x, state, lengths, reset, record)

    def directly(
        self,
        params: Mapping[str, Tensor],
        x: Float[Tensor, "T B D"],
        state: Sequence[Float[Tensor, "B ..."]],
        lengths: Int[Tensor, " B"] | None = None,
        reset: Bool[Tensor, "T B"] | None = None,
        record: Sequence[str] = (),
        *,
        may_replay: bool = True,
    ) -> tuple[Float[Tensor, "T B ..."], list[Float[Tensor, "B ..."]], dict[str, Shaped[Tensor, "T B ..."]]]:
        """As a call that torch.compile does not trace; without `may_replay` nothing is recorded and replayed."""
        way, reason = "interpret", ""
        if not _needs_interpret(params, x, state):
            way, reason = self.way(x.device.type, x.dtype, has_resets=reset is not None)
        if reason:
            announce(self.graph.name, reason)
        if way == "interpret":
            return interpret(self.graph, params, x, state, lengths, reset, record)
        if way == "kernel" and self.kernel is not None:
            y, last = self.kernel.run(params, x, state, lengths)
        elif way == "hoisted":
            with exact_products(x.device.type):
                replayed = None
                if may_replay and lengths is None and reset is None:
                    replayed, problem = self.captured.run(params, x, state)
                    if problem:
                        announce(self.graph.name, f"{reason}, and this call is not replayed: {problem}")
                y, last = replayed or self.hoisted.run(params, x, state, lengths, reset)
        else:
            ((y, last),) = run([Recurrence(self.compiled(x.dtype), params, x, state, lengths, reset)])
        values = interpret(self.graph, params, x, state, lengths, reset, record)[2] if record else {}
        return y, last, values

    def runs_in_loops(self, params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor]) -> bool:
        """Whether compiled loops run a call with these."""
        if torch.compiler.is_compiling() or _needs_interpret(params, x, state):
            return False
        return self.way(x.device.type, x.dtype)[0] == "loops"

    def way(self, device: str, dtype: torch.dtype, *, has_resets: bool = False) -> tuple[Way, str]:
        """How the program runs on a kind of device, and why not in compiled loops; no reason where nothing is slow."""
        if device == "cuda" and self.kernel is not None and not has_resets:
            return "kernel", ""
        if device != "cpu":
            return "hoisted", f"there are no compiled loops for {device} yet{_REPLAYED * (device in RECORDERS)}"
        reason = self.plan.reason or ("" if dtype in _COMPILED_DTYPES else f"there are no compiled loops for {dtype}")
        return ("interpret" if reason else "loops"), reason

    @cached_property
    def kernel(self) -> Kernel | None:
        """The kernel of torch's own that computes this step, if there is one."""
        return recognise(self.graph)

    @cached_property
    def hoisted(self) -> Hoisted:
        """The plan for torch's operations, on any device."""
        return hoist(self.plan)

    @cached_property
    def captured(self) -> Captured:
        """The same, recorded where calls of one shape come again."""
        return Captured(self.hoisted)

    @cached_property
    def named_values(self) -> tuple[str, ...]:
        """The values that carry a variable name of the step, in order."""
        given = {node.name for node in self.graph.nodes if JOINED in node.args} | {node.name for node in self.noise}
        hidden = {node.name for node in self.graph.computed if _is_numbered(node.name) or MARK in node.name} | given
        return tuple(node.name for node in self.graph.computed if node.name not in hidden)

    @cached_property
    def plan(self) -> Plan:
        """What the engine makes of the step."""
        return make_plan(self.graph)

    def compiled(self, dtype: torch.dtype) -> Compiled:
        """The loops in one number format; machine code is made on first use."""
        return self._by_dtype[dtype]

    @cached_property
    def _by_dtype(self) -> dict[torch.dtype, Compiled]:
        return {dtype: Compiled(self.plan, dtype) for dtype in _COMPILED_DTYPES}


class Call(NamedTuple):
    """A program and what it is called with; see `Program.__call__`."""

    program: Program
    params: Mapping[str, Tensor]
    x: Tensor
    state: Sequence[Tensor]
    lengths: Tensor | None
    reset: Tensor | None
    record: Sequence[str] = ()


def run_together(calls: Sequence[Call]) -> list[tuple[Tensor, list[Tensor], dict[str, Tensor]]]:
    """The results of calls that do not wait for each other: their loops run side by side, on separate threads where that is faster.

    What is not run by compiled loops, or shall be recorded, runs one after the other.
    """
    if len(calls) == 1 or any(call.record or not call.program.runs_in_loops(*call[1:4]) for call in calls):
        return [call.program(*call[1:]) for call in calls]
    given = [Recurrence(call.program.compiled(call.x.dtype), *call[1:6]) for call in calls]
    return [(y, last, {}) for y, last in run(given)]


Rewrite = Callable[[Graph], Graph]
"""A change of the traced step: truncated gradient, masks. Equal changes compare equal, so that programs are found again."""


def compile_cell(cell: Cell, sizes: Sizes, rewrites: tuple[Rewrite, ...] = ()) -> Program:
    """The program of a cell at these sizes, its step changed by each rewrite in turn; made once and kept."""
    return _compiled(cell, tuple(sizes.items()), rewrites)


@lru_cache(maxsize=256)
def _compiled(cell: Cell, sizes: tuple[tuple[str, int], ...], rewrites: tuple[Rewrite, ...]) -> Program:
    # The first call may be inside a mode or a transform, which the trace would show.
    with torch.inference_mode(False), torch._C._DisableFuncTorch():  # pyright: ignore[reportPrivateUsage]
        graph = trace_cell(cell, dict(sizes))
    for rewrite in rewrites:
        graph = check(rewrite(graph))
    return Program(*join_inputs(graph))


def _in_one_format(
    params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor]
) -> tuple[Mapping[str, Tensor], Tensor, Sequence[Tensor]]:
    """All in the widest format among them where autocast is on: it narrows what comes in, but the recurrence is not narrowed."""
    tensors = [x, *state, *params.values()]
    if not is_autocast(x.device.type) or all(tensor.dtype == x.dtype for tensor in tensors):
        return params, x, state
    widest = reduce(torch.promote_types, (tensor.dtype for tensor in tensors))
    return {n: p.to(widest) for n, p in params.items()}, x.to(widest), [field.to(widest) for field in state]


def _needs_interpret(params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor]) -> bool:
    """Uses that the compiled loops do not serve by their nature: transforms, tracing, no data, mixed number formats."""
    tensors = [x, *state, *params.values()]
    return (
        x.shape[0] == 0
        or x.shape[1] == 0
        or any(tensor.is_meta or tensor.dtype != x.dtype for tensor in tensors)
        or torch.compiler.is_compiling()
        or torch._C._are_functorch_transforms_active()  # pyright: ignore[reportPrivateUsage]
    )


@lru_cache(maxsize=256)
def announce(name: str, reason: str) -> None:
    """One warning for each reason."""
    warnings.warn(f"{name}: runs node by node, which is slow: {reason}.", SlowPathWarning, stacklevel=2)


def _is_numbered(name: str) -> bool:
    return name[0] == "v" and name[1:].isdigit()
