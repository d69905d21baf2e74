"""A whole recurrence as one operation of torch's own, for torch.compile and torch.export: they see it, but not into it.

`carrousel::run` names its cell by the text of the graph, so that an exported program runs wherever this module is imported.
Inside the operations everything runs as it does without them, slower paths and their announcements included.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, cast
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree

from carrousel.engine.graph import Graph
from carrousel.engine.graph_text import graph_of


def run_as_operation(
    text: str,
    params: Mapping[str, Tensor],
    x: Tensor,
    state: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    """Outputs and last state of the graph, in one operation that torch.compile and torch.export keep whole."""
    needs_gradient = torch.is_grad_enabled() and any(t.requires_grad for t in (x, *state, *params.values()))
    is_taped = needs_gradient and not torch.compiler.is_exporting()
    results = torch.ops.carrousel.run(text, x, list(state), list(params.values()), lengths, reset, is_taped)
    return results[0], results[1 : 1 + len(state)]


@cache
def register_state(state: type[Any]) -> None:
    """Let exported programs that return a cell's State be saved, and loaded where this was called for it."""
    name = f"{state.__module__}.{state.__qualname__}"
    _pytree._register_namedtuple(state, serialized_type_name=name)  # pyright: ignore[reportPrivateUsage]


_programs: "WeakValueDictionary[str, Any]" = WeakValueDictionary()


def register(text: str, program: object) -> None:
    """Let the operations find a program by its text."""
    _programs.setdefault(text, program)


def _program_of(text: str) -> Any:
    program = _programs.get(text)
    if program is None:  # the graph comes out of an exported file
        from carrousel.engine import Program

        program = _from_files[text] = Program(graph_of(text))
    return program


_from_files: dict[str, Any] = {}


@torch.library.custom_op("carrousel::run", mutates_args=())
def _run(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    is_taped: bool,
) -> list[Tensor]:
    """Outputs, the last state, and a ticket under which the tape is kept as long as the ticket lives."""
    if is_taped:
        tape = _record(graph, x, state, params, lengths, reset)
        return [*_owned(tape.outputs), _ticket(tape)]
    y, last = _outcome(graph, x, state, params, lengths, reset)
    return [*_owned([y, *last], [x, *state, *params]), torch.empty(0, dtype=torch.int64)]


@_run.register_fake
def _(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    is_taped: bool,
) -> list[Tensor]:
    step = _program_of(graph).graph
    y = x.new_empty((x.shape[0], x.shape[1], *step.elements(dict(step.outputs)["output"])))
    ticket = torch.empty(int(is_taped), dtype=torch.int64, device="cpu")
    return [y, *(field.new_empty(field.shape) for field in state), ticket]


@torch.library.custom_op("carrousel::derivatives", mutates_args=())
def _derivatives(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    ticket: Tensor,
    outputs: Sequence[Tensor],
    given: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor]:
    """The derivatives of x, the state and the parameters, those that are wanted.

    The outputs are not read here: the tape may lie in their memory, which must not be used again before.
    """
    tape = _tapes.get(int(ticket[0])) if len(ticket) else None
    if tape is None:
        tape = _record(graph, x, state, params, lengths, reset)
    chosen = [leaf for leaf, is_wanted in zip(tape.leaves, wanted, strict=True) if is_wanted]
    pairs = [(o, d) for o, d in zip(tape.outputs, given, strict=True) if d is not None and o.requires_grad]
    with _differentiable():
        found = cast(
            "Sequence[Tensor | None]",
            torch.autograd.grad(
                [o for o, _ in pairs], chosen, [d for _, d in pairs], retain_graph=True, allow_unused=True
            ),
        )
    terms = [torch.zeros_like(leaf) if d is None else d for d, leaf in zip(found, chosen, strict=True)]
    return _owned(terms, [d for _, d in pairs])


@_derivatives.register_fake
def _(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
    ticket: Tensor,
    outputs: Sequence[Tensor],
    given: Sequence[Tensor | None],
    wanted: Sequence[bool],
) -> list[Tensor]:
    return [t.new_empty(t.shape) for t, is_wanted in zip([x, *state, *params], wanted, strict=True) if is_wanted]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    graph, x, state, params, lengths, reset, _ = inputs
    ctx.graph, ctx.counts = graph, (len(state), len(params))
    ctx.wanted = [tensor.requires_grad for tensor in (x, *state, *params)]
    ctx.save_for_backward(x, *state, *params, lengths, reset, *output)


def _go_back(ctx: Any, given: list[Tensor | None]) -> tuple[Any, ...]:
    num_state, num_params = ctx.counts
    x, *others = ctx.saved_tensors
    state, params = others[:num_state], others[num_state : num_state + num_params]
    lengths, reset, *outputs, ticket = others[num_state + num_params :]
    arguments = x, state, params, lengths, reset, ticket, outputs, given[:-1], ctx.wanted
    terms = iter(torch.ops.carrousel.derivatives(ctx.graph, *arguments))
    d_x, *d_others = [next(terms) if is_wanted else None for is_wanted in ctx.wanted]
    return None, d_x, d_others[:num_state], d_others[num_state:], None, None, None


_run.register_autograd(_go_back, setup_context=_keep)


@dataclass(frozen=True, eq=False)
class _Tape:
    """A run that torch's own differentiation can go back through."""

    outputs: Sequence[Tensor]
    leaves: Sequence[Tensor]


class _Held(np.ndarray[Any, np.dtype[np.int64]]):
    """The memory of a ticket; what it holds lives as long as some tensor uses it."""

    tape: _Tape


_tapes: "WeakValueDictionary[int, _Tape]" = WeakValueDictionary()
_numbers = count(1)


def _ticket(tape: _Tape) -> Tensor:
    memory = np.array([next(_numbers)], dtype=np.int64).view(_Held)
    memory.tape = tape
    _tapes[int(memory[0])] = tape
    return torch.from_numpy(memory)


def _record(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
) -> _Tape:
    with _differentiable():
        leaves = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in (x, *state, *params)]
        count_state = len(state)
        given = leaves[0], leaves[1 : 1 + count_state], leaves[1 + count_state :]
        y, last = _outcome(graph, *given, lengths, reset)
    return _Tape([y, *last], leaves)


def _outcome(
    graph: str,
    x: Tensor,
    state: Sequence[Tensor],
    params: Sequence[Tensor],
    lengths: Tensor | None,
    reset: Tensor | None,
) -> tuple[Tensor, Sequence[Tensor]]:
    program = _program_of(graph)
    names = [node.name for node in cast(Graph, program.graph).leaves("param")]
    given = dict(zip(names, params, strict=True))
    y, last, _ = program.directly(given, x, state, lengths, reset, may_replay=False)
    return y, last


def _owned(results: Sequence[Tensor], inputs: Sequence[Tensor] = ()) -> list[Tensor]:
    """Contiguous tensors of memory that neither an input nor another of them uses: torch's rule for operations."""
    used = {tensor.untyped_storage().data_ptr() for tensor in inputs}
    owned: list[Tensor] = []
    for result in results:
        tensor = result.detach().contiguous()
        place = tensor.untyped_storage().data_ptr()
        owned.append(tensor.clone() if place in used else tensor)
        used.add(place)
    return owned


_AUTOGRAD = (
    torch._C.DispatchKey.AutogradFunctionality,  # pyright: ignore[reportPrivateUsage]
    torch._C.DispatchKey.AutogradOther,  # pyright: ignore[reportPrivateUsage]
    torch._C.DispatchKey.AutogradNestedTensor,  # pyright: ignore[reportPrivateUsage]
)


@contextmanager
def _differentiable() -> Generator[None]:
    """Torch's differentiation, which it switches off inside operations, switched on again."""
    is_off = torch._C._dispatch_tls_is_dispatch_key_excluded  # pyright: ignore[reportPrivateUsage]
    switch_off = torch._C._dispatch_tls_set_dispatch_key_excluded  # pyright: ignore[reportPrivateUsage]
    before = [is_off(key) for key in _AUTOGRAD]
    for key in _AUTOGRAD:
        switch_off(key, False)
    try:
        with torch.enable_grad():
            yield
    finally:
        for key, was_off in zip(_AUTOGRAD, before, strict=True):
            switch_off(key, was_off)
