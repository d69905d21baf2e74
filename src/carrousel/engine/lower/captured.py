"""Which calls of a program are recorded and replayed: those whose shapes come again, as long as replays prove right.

A GPU takes a step's kernels faster than Python can name them. A recording (`recording.py`) replays all steps at once, but only at
the shapes it was made for, and in memory of its own. So a call is recorded when it comes for the third time; a layer keeps a
handful of recordings, and gives them back with itself. The first replay of each is compared with the same call unrecorded: where
they differ, or recording fails, nothing is replayed any more in this process.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast
from weakref import WeakSet

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils.weak import WeakTensorKeyDictionary

from carrousel.engine.lower.cuda_graph import CudaRecorder
from carrousel.engine.lower.recording import Function, Recorder, Recording, replay
from carrousel.engine.verdicts import switch_off, switched_off

LOWERING = "cuda_graph"
"""What verdicts call it."""

REPEATS = 3
"""The call that is recorded, counting those of the same kind."""

_COUNTED, _KEPT, _RECORDED, _IN_ALL = 64, 4, 16, 64
"""For each layer and direction: kinds of calls that are counted, recordings kept, and recordings made at most, because shapes that
come and go cost more to record than they save. In the whole process: recordings kept."""

RECORDERS: dict[str, Recorder] = {"cuda": CudaRecorder()}
"""Kind of device -> who records there."""

_alive: "WeakSet[Recording]" = WeakSet()


class Steps(Protocol):
    """A program by torch's operations."""

    def run(self, params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Outputs and the last state."""
        ...


@dataclass
class _Shelf:
    """The recordings of one layer and direction, the least recently used first, and how often other calls have come."""

    recordings: "OrderedDict[Hashable, Recording]" = field(default_factory=OrderedDict[Hashable, Recording])
    counts: "OrderedDict[Hashable, int]" = field(default_factory=OrderedDict[Hashable, int])
    num_recorded: int = 0

    def count(self, key: Hashable) -> int:
        """How often a call has come, this one included."""
        self.counts[key] = self.counts.pop(key, 0) + 1
        if len(self.counts) > _COUNTED:
            self.counts.popitem(last=False)
        return self.counts[key]

    def find(self, key: Hashable) -> Recording | None:
        """The recording of such a call."""
        if key in self.recordings:
            self.recordings.move_to_end(key)
        return self.recordings.get(key)

    def keep(self, key: Hashable, recording: Recording) -> None:
        """Put a recording in the place of the one that has not been used for longest."""
        self.recordings[key] = recording
        del self.counts[key]
        if len(self.recordings) > _KEPT:
            self.recordings.popitem(last=False)
        _alive.add(recording)


class Captured:
    """The recorded calls of a program.

    Args:
        steps: what is recorded.
    """

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._shelves = WeakTensorKeyDictionary()

    def run(
        self, params: Mapping[str, Tensor], x: Tensor, state: Sequence[Tensor]
    ) -> tuple[tuple[Tensor, list[Tensor]] | None, str]:
        """Outputs and last state from a replay, None where the call must run step by step; and what went wrong, if anything did."""
        recorder = RECORDERS.get(x.device.type)
        owner = next((value for value in params.values() if value.is_leaf), None)
        if recorder is None or owner is None or switched_off(LOWERING) or not _is_plain(recorder, x.device):
            return None, ""
        inputs = [*params.values(), x, *state]
        wanted = [torch.is_grad_enabled() and value.requires_grad for value in inputs]
        key = _key(recorder, inputs, wanted)
        shelf = self._shelf(owner)
        recording, problem = shelf.find(key), ""
        if recording is None:
            if shelf.count(key) < REPEATS or shelf.num_recorded >= _RECORDED or len(_alive) >= _IN_ALL:
                return None, ""
            recording, problem = self._record(shelf, list(params), inputs, wanted, recorder)
            if recording is None:
                return None, problem
            shelf.keep(key, recording)
        y, *last = replay(recording, inputs)
        return (y, last), ""

    def _shelf(self, owner: Tensor) -> _Shelf:
        return cast(_Shelf, self._shelves.setdefault(owner, _Shelf()))

    def _record(
        self, shelf: _Shelf, names: Sequence[str], inputs: Sequence[Tensor], wanted: Sequence[bool], recorder: Recorder
    ) -> tuple[Recording | None, str]:
        device = inputs[0].device
        if not recorder.has_room(device):
            return None, f"the memory of {device} has no room for a recording"
        shelf.num_recorded += 1
        try:
            recording = Recording(flat(self._steps, names), inputs, wanted, recorder)
            problem = recording.problem(inputs)
        except Exception as caught:
            recording, problem = None, f"raised {type(caught).__name__}: {' '.join(str(caught).split())[:200]}"
        if problem:
            switch_off(LOWERING, problem)
            return None, switched_off(LOWERING)
        return recording, ""


def flat(steps: Steps, names: Sequence[str]) -> Function:
    """A program as a function of parameters (by these names), x and state, one behind the other, to y and the last state."""
    count = len(names)

    def function(*values: Tensor) -> list[Tensor]:
        y, last = steps.run(dict(zip(names, values[:count], strict=True)), values[count], values[count + 1 :])
        return [y, *last]

    return function


def _is_plain(recorder: Recorder, device: torch.device) -> bool:
    """Whether nobody looks into the call: no hooks on what is saved, no search for NaN, no forward derivatives, no recording."""
    autograd: Any = torch._C._autograd  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownVariableType]
    has_hooks: bool = autograd._top_saved_tensors_default_hooks(False) is not None
    has_duals = cast(int, forward_ad._current_level) >= 0  # pyright: ignore[reportPrivateUsage]
    return not has_hooks and not has_duals and not torch.is_anomaly_enabled() and recorder.is_free(device)


def _key(recorder: Recorder, inputs: Sequence[Tensor], wanted: Sequence[bool]) -> Hashable:
    """What two calls must have in common to be replays of one another, the global settings that choose kernels included."""
    shapes = tuple((value.shape, value.dtype, is_wanted) for value, is_wanted in zip(inputs, wanted, strict=True))
    settings = torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled()
    return recorder.place(inputs[0].device), shapes, settings
