"""From a cell to a program that runs it over time: the pipeline as one flat list of named stages.

trace           step -> Graph
simplify        one node a value
join_matmuls    sums regrouped, products on the state joined
hoist_inputs    what needs no state leaves the loop
spell_broadcasts
differentiate   the backward step
choose_tape     what the forward loop writes down for it
split_phases    what can be finished element by element
lower.llvm      two loops in machine code;  lower.interpret   the definition, one node at a time
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from carrousel.cell import Cell, Sizes
from carrousel.engine.graph import Graph
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.plan import Plan, make_plan
from carrousel.engine.run import Compiled, run
from carrousel.engine.trace import trace

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
    return trace(cell.name, cell.step, cell.Params, cell.param_axes, cell.State, cell.state_axes, sizes)


@dataclass(frozen=True, eq=False)
class Program:
    """A cell at fixed sizes, ready to run over time: in compiled loops where they apply, by `interpret` elsewhere."""

    graph: Graph

    def __call__(
        self,
        params: Mapping[str, Tensor],
        x: Float[Tensor, "T B D"],
        state: Sequence[Float[Tensor, "B ..."]],
        lengths: Int[Tensor, " B"] | None = None,
        reset: Bool[Tensor, "T B"] | None = None,
        record: Sequence[str] = (),
    ) -> tuple[Float[Tensor, "T B ..."], list[Float[Tensor, "B ..."]], dict[str, Float[Tensor, "T B ..."]]]:
        """Outputs, the last state, and the recorded values of every step; arguments as in `lower.interpret`."""
        needs_interpret = _needs_interpret(params, x, state)
        reason = "" if needs_interpret else self.plan.reason or _unsuitable(x)
        if reason:
            _announce(self.graph.name, reason)
        if needs_interpret or reason:
            return interpret(self.graph, params, x, state, lengths, reset, record)
        y, last = run(self.compiled(x.dtype), params, x, state, lengths, reset)
        values = interpret(self.graph, params, x, state, lengths, reset, record)[2] if record else {}
        return y, last, values

    @cached_property
    def named_values(self) -> tuple[str, ...]:
        """The values that carry a variable name of the step, in order."""
        return tuple(node.name for node in self.graph.computed if not _is_numbered(node.name))

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


def compile_cell(cell: Cell, sizes: Sizes) -> Program:
    """The program of a cell at these sizes; made once and kept."""
    return _compiled(cell, tuple(sizes.items()))


@lru_cache(maxsize=256)
def _compiled(cell: Cell, sizes: tuple[tuple[str, int], ...]) -> Program:
    # The first call may be inside a mode or a transform, which the trace would show.
    with torch.inference_mode(False), torch._C._DisableFuncTorch():  # pyright: ignore[reportPrivateUsage]
        return Program(trace_cell(cell, dict(sizes)))


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


def _unsuitable(x: Tensor) -> str:
    if x.device.type != "cpu":
        return f"there are no compiled loops for {x.device.type} yet"
    return "" if x.dtype in _COMPILED_DTYPES else f"there are no compiled loops for {x.dtype}"


@lru_cache(maxsize=256)
def _announce(name: str, reason: str) -> None:
    """One warning for each reason."""
    warnings.warn(f"{name}: runs node by node, which is slow: {reason}.", SlowPathWarning, stacklevel=2)


def _is_numbered(name: str) -> bool:
    return name[0] == "v" and name[1:].isdigit()
