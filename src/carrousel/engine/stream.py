"""Cells run one time step a call: all layers, inputs included, in one call into machine code on memory laid out beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from math import prod

import numpy as np
import torch
from torch import Tensor

from carrousel.engine import Program, announce
from carrousel.engine.graph import Graph, Node, axis_size
from carrousel.engine.lower.emitter import ELEMENTS
from carrousel.engine.lower.hoisted import evaluate
from carrousel.engine.lower.interpret import interpret
from carrousel.engine.lower.jit import Entry, address_of, compile_text, vector_bytes
from carrousel.engine.lower.llvm import lower, unsupported
from carrousel.engine.lower.loop import Buffer, Loop, Traffic
from carrousel.engine.lower.packing import pack
from carrousel.engine.lower.step_function import HEADER, StepFunction, step_function
from carrousel.engine.passes.hoist_inputs import hoist_inputs
from carrousel.engine.passes.join_matmuls import join_matmuls
from carrousel.engine.passes.simplify import simplify
from carrousel.engine.passes.spell_broadcasts import spell_broadcasts
from carrousel.engine.passes.spell_copies import spell_copies
from carrousel.engine.passes.spell_products import spell_products
from carrousel.engine.spec import check
from carrousel.engine.verdicts import switched_off
from carrousel.engine.views import view

Params = Mapping[str, Tensor]


@dataclass(frozen=True)
class StepPlan:
    """A step as one loop that reads x_t itself.

    Args:
        weights: what is made from parameters alone.
        loop: the rest.
        reason: why it cannot be compiled; empty when it can.
    """

    weights: Graph
    loop: Graph
    reason: str

    @property
    def x(self) -> str:
        """The leaf that is x_t."""
        return next(self.loop.leaves("input")).name

    @property
    def output(self) -> str:
        """The value that is put out."""
        return view(self.loop, dict(self.loop.outputs)["output"]).source

    def lowered(self, element: str, width: int) -> Loop:
        """The loop as LLVM text."""
        fields = {role.removeprefix("state."): name for role, name in self.loop.outputs if role.startswith("state.")}
        leaves = [node.name for node in self.loop.leaves("state")]
        carries = dict(zip(leaves, fields, strict=True))
        return lower(self.loop, Traffic((self.x,), carries, (self.output,), fields), element, width, "step")


def plan_step(graph: Graph) -> StepPlan:
    """The plan of a traced step whose input is not known beforehand: products on x_t stay in it, joined with those on the state.

    To the passes x_t is one more state, so that nothing that reads it leaves the loop.
    """
    (x,) = graph.leaves("x")
    live = _turned(graph, x, "state")
    joined = check(simplify(join_matmuls(simplify(spell_products(simplify(live))))))
    weights, loop = hoist_inputs(joined)
    loop = spell_copies(simplify(spell_broadcasts(loop)))
    loop = check(_with_own_output(_turned(loop, x, "input")))
    return StepPlan(check(weights), loop, unsupported(loop) or switched_off("stream"))


def _turned(graph: Graph, x: Node, op: str) -> Graph:
    return graph.with_nodes(tuple(replace(node, op=op) if node.name == x.name else node for node in graph.nodes))


def _with_own_output(graph: Graph) -> Graph:
    """An output that is x_t itself, copied: the caller's x is only read."""
    name = dict(graph.outputs)["output"]
    if graph[view(graph, name).source].op != "input":
        return graph
    copied = Node(f"{name}.out", "copy", (name,), graph[name].shape)
    outputs = tuple((role, copied.name if role == "output" else value) for role, value in graph.outputs)
    return replace(graph, nodes=(*graph.nodes, copied), outputs=outputs)


@dataclass(frozen=True)
class _Step:
    """A plan in machine code."""

    plan: StepPlan
    loop: Loop
    entry: Entry
    width: int

    @property
    def weights(self) -> int:
        """Elements of all matrices."""
        graph = self.plan.loop
        packed = [name for buffer in self.loop.buffers for name, _ in buffer.packing]
        return sum(prod(graph.elements(name)) for name in packed)


@lru_cache(maxsize=256)
def _plan_of(program: Program) -> StepPlan:
    return plan_step(program.graph)


@lru_cache(maxsize=256)
def _compiled(program: Program, dtype: torch.dtype) -> _Step:
    plan, width = _plan_of(program), vector_bytes() // dtype.itemsize
    loop = plan.lowered(ELEMENTS[dtype], width)
    return _Step(plan, loop, compile_text(loop.text, loop.symbol), width)


class CompiledSteps:
    """Machine code, and all that it is handed, at addresses that never change.

    `entry(address, x, y, steps)` is `run` for those who count nanoseconds: with the addresses of x and y.
    """

    def __init__(self, programs: Sequence[Program], params: Sequence[Params], batch: int, dtype: torch.dtype) -> None:
        steps = [_compiled(program, dtype) for program in programs]
        shapes = [program.graph.elements(dict(program.graph.outputs)["output"]) for program in programs]
        between = [torch.empty(batch, *shape, dtype=dtype, device="cpu") for shape in shapes[:-1]]
        ends = [None, *between, None]
        self._layers = [_Layer(step, batch, dtype, x, y) for step, (x, y) in zip(steps, pairwise(ends), strict=True)]
        first, last = self._layers[0], self._layers[-1]
        (leaf,) = programs[0].graph.leaves("x")
        inputs = batch * programs[0].graph.elements(leaf.name)[0]
        outputs = batch * prod(shapes[-1])
        work = batch * sum(step.weights for step in steps)
        header = [len(steps), 0, work, inputs, outputs, *first.places_of_x, *last.places_of_y]
        records = [number for layer in self._layers for number in layer.record]
        self._block = np.array([*header, *records], dtype=np.int64)
        self.address = self._block.ctypes.data
        self.entry: StepFunction | None = step_function(ELEMENTS[dtype])
        self.refresh(params)

    def run(self, x: Tensor, y: Tensor, steps: int) -> bool:
        """Take `steps` time steps: contiguous x (steps, B, D) into y (steps, B, O). False, and no step, where x is not finite."""
        return step_function(ELEMENTS[x.dtype])(self.address, x.data_ptr(), y.data_ptr(), steps)

    def refresh(self, params: Sequence[Params]) -> None:
        """Take over the weights of each layer as they are now."""
        for layer, values in zip(self._layers, params, strict=True):
            layer.refresh(values)

    def state(self) -> list[list[Tensor]]:
        """The state of each layer, to read and to write: one tensor (B, ...) a field."""
        half = int(self._block[HEADER.index("parity")])
        return [layer.state(half) for layer in self._layers]


class _Layer:
    """The memory of one layer's loop, and its record in the block of arguments.

    Odd steps read the half of the state that even steps write. Their pointers lead to that half, and their rows count
    downwards, so that "the next half" is the one before it.
    """

    def __init__(self, step: _Step, batch: int, dtype: torch.dtype, x: Tensor | None, y: Tensor | None) -> None:
        self.step, self.batch, self.dtype = step, batch, dtype
        plan, graph = step.plan, step.plan.loop
        given = {plan.x: x, plan.output: y}
        self.held = [self._memory(buffer, given.get(buffer.name)) for buffer in step.loop.buffers]
        even = [tensor.data_ptr() for tensor in self.held]
        odd = [
            (tensor[1] if buffer.kind == "carry" else tensor).data_ptr()
            for buffer, tensor in zip(step.loop.buffers, self.held, strict=True)
        ]
        widths = [axis_size("*".join(("1", *buffer.axes)), graph.sizes) for buffer in step.loop.buffers]
        sizes = [axis_size(letter, graph.sizes) for letter in step.loop.axes]
        self.arrays = [np.array(numbers, dtype=np.int64) for numbers in (even, odd, widths, sizes, [0, batch])]
        at = [array.ctypes.data for array in self.arrays]
        self.record = [address_of(step.entry), at[0], at[1], batch, -batch, at[2], at[3], at[4], batch]
        self.places_of_x = self._places(plan.x)
        self.places_of_y = self._places(plan.output)

    def _memory(self, buffer: Buffer, given: Tensor | None) -> Tensor:
        graph = self.step.plan.loop
        if given is not None and buffer.kind == "stream":
            return given
        if buffer.kind == "packed":
            blank = {
                name: torch.zeros(graph.elements(name), dtype=self.dtype, device="cpu") for name, _ in buffer.packing
            }
            return self._packed(buffer, blank)
        shape = tuple(axis_size(axis, graph.sizes) for axis in buffer.axes)
        lead = {"carry": (2, self.batch), "vector": ()}.get(buffer.kind, (self.batch,))
        return torch.zeros((*lead, *shape), dtype=self.dtype, device="cpu")

    def _packed(self, buffer: Buffer, values: Params) -> Tensor:
        heads = axis_size("*".join(("1", *buffer.axes)), self.step.plan.loop.sizes)
        return pack(buffer, values, self.step.width, heads)

    def _places(self, name: str) -> list[int]:
        """Where the two arrays of pointers hold a stream's address."""
        place = next(k for k, b in enumerate(self.step.loop.buffers) if (b.kind, b.name) == ("stream", name))
        return [array.ctypes.data + place * array.itemsize for array in self.arrays[:2]]

    def refresh(self, params: Params) -> None:
        """Copy the weights into the memory of the loop."""
        values = {**params, **_made_from_parameters(self.step.plan.weights, params)}
        for buffer, tensor in zip(self.step.loop.buffers, self.held, strict=True):
            if buffer.kind == "packed":
                tensor.copy_(self._packed(buffer, values))
            elif buffer.kind == "vector":
                tensor.copy_(values[buffer.name].detach())

    def state(self, half: int) -> list[Tensor]:
        fields = {b.name: t for b, t in zip(self.step.loop.buffers, self.held, strict=True) if b.kind == "carry"}
        roles = (role for role, _ in self.step.plan.loop.outputs)
        return [fields[role.removeprefix("state.")][half] for role in roles if role.startswith("state.")]


def _made_from_parameters(graph: Graph, params: Params) -> dict[str, Tensor]:
    """Values that a step computes from its parameters alone."""
    leaves = {node.name: params[node.name].detach().unsqueeze(0) for node in graph.leaves("param")}
    values = evaluate(graph, leaves, next(iter(params.values())))
    return {name: values[name].squeeze(0) for _, name in graph.outputs}


class InterpretedSteps:
    """The same by `interpret`, any cell and number format; on other devices than the CPU as programs run there."""

    entry: StepFunction | None = None
    address = 0

    def __init__(self, programs: Sequence[Program], params: Sequence[Params], batch: int, like: Tensor) -> None:
        self._programs = programs
        self._is_cpu = like.is_cpu
        self._state = [
            [like.new_zeros((batch, *program.graph.elements(leaf.name))) for leaf in program.graph.leaves("state")]
            for program in programs
        ]
        self.refresh(params)

    def run(self, x: Tensor, y: Tensor, steps: int) -> bool:
        """As `CompiledSteps.run`."""
        if not torch.isfinite(x).all():
            return False
        with torch.no_grad():
            value = x.reshape(steps, -1, x.shape[-1])
            for layer, (program, params) in enumerate(zip(self._programs, self._params, strict=True)):
                run = partial(interpret, program.graph) if self._is_cpu else program.directly
                value, last, _ = run(params, value, self._state[layer])
                self._state[layer] = [field.clone() for field in last]  # it may be a view of x
            y.copy_(value.reshape(y.shape))
        return True

    def refresh(self, params: Sequence[Params]) -> None:
        """As `CompiledSteps.refresh`."""
        self._params = [{name: value.detach().clone() for name, value in values.items()} for values in params]

    def state(self) -> list[list[Tensor]]:
        """As `CompiledSteps.state`."""
        return [list(layer) for layer in self._state]


Steps = CompiledSteps | InterpretedSteps
"""Layers that run step by step and remember their state."""


def open_steps(programs: Sequence[Program], params: Sequence[Params], batch: int, like: Tensor) -> Steps:
    """Layers ready to be stepped, their state zero: in machine code where all of them compile, by `interpret` elsewhere.

    Args:
        programs: one a layer.
        params: of each layer; copied.
        batch: B.
        like: a tensor of the number format and on the device of the inputs.
    """
    reasons = [(program.graph.name, _unsuitable(like) or _plan_of(program).reason) for program in programs]
    for name, reason in reasons:
        if reason:
            announce(name, reason)
    with torch.inference_mode(False):  # memory made in inference mode could not be written outside of it
        if any(reason for _, reason in reasons):
            return InterpretedSteps(programs, params, batch, like)
        return CompiledSteps(programs, params, batch, like.dtype)


def _unsuitable(like: Tensor) -> str:
    if like.device.type != "cpu":
        return f"there are no compiled loops for {like.device.type} yet"
    return "" if like.dtype in ELEMENTS else f"there are no compiled loops for {like.dtype}"
