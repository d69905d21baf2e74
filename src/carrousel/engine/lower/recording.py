"""One call of a program recorded on memory of its own, forward and backward, to be replayed on other numbers of the same shapes.

Who records (CUDA's graphs, or a test's stand-in) is behind `Recorder`; here is what the numbers go through. All inputs, parameters
included, are copied into the recording's memory before a replay and all results are copied out of it after, so that nothing that
the caller holds is ever written by a later replay.
"""

from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, Protocol, cast

import torch
from torch import Tensor

Work = Callable[[], list[Tensor]]
Function = Callable[..., list[Tensor]]
"""Input tensors -> output tensors, by torch's operations alone, the same ones at every call."""

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest error of a replay as a part of the largest element. The kernels are the same, so that sound replays are equal or differ
in the last places, which a long recurrence may spread; a replay that reads or writes the wrong memory is wrong altogether."""


class Recorder(Protocol):
    """What records on a kind of device."""

    def place(self, device: torch.device) -> Hashable:
        """Where work goes now, such as the current stream: a recording serves one place."""
        ...

    def is_free(self, device: torch.device) -> bool:
        """Whether the caller is not recording himself."""
        ...

    def has_room(self, device: torch.device) -> bool:
        """Whether there is memory to spare for another recording."""
        ...

    def warm_up(self, work: Work, device: torch.device) -> None:
        """Do the work as often as what it uses needs to settle."""
        ...

    def record(self, work: Work, device: torch.device) -> tuple[list[Tensor], Callable[[], None]]:
        """The tensors that the work gives, and what does the work again, in the same memory."""
        ...


class Recording:
    """A function recorded at the shapes of its inputs.

    Args:
        function: what to record.
        inputs: its tensors; their values are not kept.
        wanted: which of them need a derivative; with none of them the backward half is left out.
        recorder: who records.
    """

    def __init__(
        self, function: Function, inputs: Sequence[Tensor], wanted: Sequence[bool], recorder: Recorder
    ) -> None:
        self.function, self.device = function, inputs[0].device
        self.lock = Lock()
        self.generation = 0
        """Number of the forward replay whose intermediate values lie in the recording's memory; counted up by each."""
        with torch.inference_mode(False), torch.set_grad_enabled(any(wanted)):
            # Half of the given numbers: a value that was fixed while recording is then wrong in the comparison.
            self._inputs = [
                (value.detach() * 0.5).contiguous().requires_grad_(is_wanted)
                for value, is_wanted in zip(inputs, wanted, strict=True)
            ]
            self._leaves = [value for value in self._inputs if value.requires_grad]
            self._live = self._given = list[Tensor]()
            recorder.warm_up(self._forward_and_backward if self._leaves else self._forward, self.device)
            self._live.clear()
            self._given.clear()
            self.outputs, self._replay_forward = recorder.record(self._forward, self.device)
            self.is_differentiable = [value.requires_grad for value in self._live]
            self.derivatives, self._replay_backward = list[Tensor](), self._replay_forward
            if self._leaves:
                self._given = self._zeros()
                self.derivatives, self._replay_backward = recorder.record(self._backward, self.device)

    def _forward(self) -> list[Tensor]:
        self._live = self.function(*self._inputs)
        return [value.detach() for value in self._live]

    def _backward(self) -> list[Tensor]:
        live = [value for value in self._live if value.requires_grad]
        return derivatives(live, self._leaves, self._given)

    def _forward_and_backward(self) -> list[Tensor]:
        self._forward()
        self._given = self._zeros()
        return self._backward()

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(value) for value in self._live if value.requires_grad]

    def forward(self, inputs: Sequence[Tensor]) -> tuple[list[Tensor], int]:
        """Outputs, and the generation to call `backward` with."""
        with self.lock:
            self._run_forward(inputs)
            return [value.clone() for value in self.outputs], self.generation

    def _run_forward(self, inputs: Sequence[Tensor]) -> None:
        _copy(self._inputs, inputs)
        self._replay_forward()
        self.generation += 1

    def backward(
        self, inputs: Sequence[Tensor], given: Sequence[Tensor | None], generation: int
    ) -> list[Tensor | None]:
        """The derivative of each input, None for those that need none, from the derivatives of all outputs.

        Where another call has come between, or this one is asked again, the forward half runs again first: the recording's memory
        holds the values of one call, and its backward half writes over them.
        """
        with self.lock:
            if generation != self.generation:
                self._run_forward(inputs)
            self.generation += 1
            pairs = [value for value, is_it in zip(given, self.is_differentiable, strict=True) if is_it]
            for place, value in zip(self._given, pairs, strict=True):
                if value is None:
                    place.zero_()
            places = [place for place, value in zip(self._given, pairs, strict=True) if value is not None]
            _copy(places, [value for value in pairs if value is not None])
            self._replay_backward()
            found = iter([value.clone() for value in self.derivatives])
        return [next(found) if value.requires_grad else None for value in self._inputs]

    def problem(self, inputs: Sequence[Tensor]) -> str:
        """How a replay differs from the function on these inputs, outputs and derivatives; empty when it does not."""
        with torch.inference_mode(False), torch.set_grad_enabled(bool(self._leaves)):
            own = [
                value.detach().clone().requires_grad_(like.requires_grad)
                for value, like in zip(inputs, self._inputs, strict=True)
            ]
            outputs = self.function(*own)
            given = [_drawn(value) for value in outputs]
            live = [(value, by) for value, by in zip(outputs, given, strict=True) if value.requires_grad]
            leaves = [value for value in own if value.requires_grad]
            expected = derivatives([value for value, _ in live], leaves, [by for _, by in live])
        with torch.inference_mode(False), torch.no_grad():
            for value in (*self.outputs, *self.derivatives):  # what is not written does not look right by accident
                value.fill_(float("nan"))
            found, generation = self.forward(inputs)
            pairs = [(f"output {k}", a, b) for k, (a, b) in enumerate(zip(found, outputs, strict=True))]
            if leaves:
                terms = [term for term in self.backward(inputs, given, generation) if term is not None]
                pairs += [(f"derivative {k}", a, b) for k, (a, b) in enumerate(zip(terms, expected, strict=True))]
        return next((problem for problem in (_difference(*pair) for pair in pairs) if problem), "")


def replay(recording: Recording, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Outputs of a recording, differentiable where it was recorded so; derivatives of derivatives by the function itself."""
    if not any(recording.is_differentiable):
        with torch.no_grad():
            return recording.forward(inputs)[0]
    return list(cast("tuple[Tensor, ...]", _Replay.apply(recording, *inputs)))


class _Replay(torch.autograd.Function):
    """A recording as one differentiable operation."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, *inputs: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        outputs, ctx.generation = recording.forward(inputs)
        ctx.recording = recording
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs)
        fixed = [value for value, is_it in zip(outputs, recording.is_differentiable, strict=True) if not is_it]
        ctx.mark_non_differentiable(*fixed)
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        recording, inputs = cast(Recording, ctx.recording), cast("tuple[Tensor, ...]", ctx.saved_tensors)
        if torch.is_grad_enabled():
            return None, *differentiable_derivatives(recording.function, inputs, given, ctx.needs_input_grad[1:])
        return None, *recording.backward(inputs, given, ctx.generation)


def differentiable_derivatives(
    function: Function, inputs: Sequence[Tensor], given: Sequence[Tensor | None], wanted: Sequence[bool]
) -> list[Tensor | None]:
    """First derivatives that can be differentiated again: the function anew, under torch's own differentiation."""
    own = [value.view_as(value) for value in inputs]  # one tensor given twice has a derivative in each place
    outputs = function(*own)
    pairs = [(o, d) for o, d in zip(outputs, given, strict=True) if d is not None and o.requires_grad]
    chosen = [value for value, is_wanted in zip(own, wanted, strict=True) if is_wanted]
    terms = torch.autograd.grad(
        [o for o, _ in pairs], chosen, [d for _, d in pairs], create_graph=True, allow_unused=True
    )
    found = iter(terms)
    return [next(found) if is_wanted else None for is_wanted in wanted]


def derivatives(outputs: Sequence[Tensor], leaves: Sequence[Tensor], given: Sequence[Tensor]) -> list[Tensor]:
    """The derivative by each leaf, zeros where nothing depends on it."""
    if not leaves or not outputs:
        return [torch.zeros_like(leaf) for leaf in leaves]
    return list(torch.autograd.grad(outputs, leaves, given, allow_unused=True, materialize_grads=True))


def _copy(places: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """All of them in a kernel or two."""
    if places:
        torch._foreach_copy_(list(places), list(values))  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]


def _drawn(like: Tensor) -> Tensor:
    """Numbers that differ from place to place, without touching anyone's random generator."""
    return torch.cos(torch.arange(like.numel(), device=like.device)).to(like.dtype).reshape(like.shape)


def _difference(name: str, found: Tensor, expected: Tensor) -> str:
    limit = TOLERANCE[expected.dtype]
    found, expected = found.double(), expected.detach().double()
    if not torch.equal(found.isfinite(), expected.isfinite()):
        return f"{name} is not finite where it should be, or the other way round"
    expected = expected.nan_to_num(0.0, 0.0, 0.0)
    if not expected.numel():
        return ""
    error = float((found.nan_to_num(0.0, 0.0, 0.0) - expected).abs().amax()) / (float(expected.abs().amax()) or 1.0)
    return f"{name} is wrong by a part of {error:.2g}, {limit:g} is allowed" if error > limit else ""
