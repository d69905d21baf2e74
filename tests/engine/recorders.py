"""What stands in for CUDA's graphs on a machine without a GPU: recorders that replay by doing the work again, into the same memory.

As a graph does, they read and write only the tensors that were there when they recorded, a second replay of a backward half without
its forward half fails (its values are gone), and what was a number while recording stays that number.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from carrousel.engine.lower.recording import Work


@dataclass
class StandIn:
    """Records soundly."""

    stream: Hashable = 0
    is_idle: bool = True
    is_roomy: bool = True
    events: list[str] = field(default_factory=list[str])

    def place(self, device: torch.device) -> Hashable:
        return self.stream

    def is_free(self, device: torch.device) -> bool:
        return self.is_idle

    def has_room(self, device: torch.device) -> bool:
        return self.is_roomy

    def warm_up(self, work: Work, device: torch.device) -> None:
        self.events.append("warm up")
        work()

    def record(self, work: Work, device: torch.device) -> tuple[list[Tensor], Callable[[], None]]:
        self.events.append("record")
        tensors, is_enabled = work(), torch.is_grad_enabled()

        def replay() -> None:
            self.events.append("replay")
            with torch.inference_mode(False), torch.set_grad_enabled(is_enabled):
                self.put(work(), tensors)

        return tensors, replay

    def put(self, made: list[Tensor], places: list[Tensor]) -> None:
        """What a replay does with its results."""
        for place, value in zip(places, made, strict=True):
            place.data.copy_(value)


class TooLarge(StandIn):
    """The last result of each half is too large by 2 %."""

    def put(self, made: list[Tensor], places: list[Tensor]) -> None:
        super().put([*made[:-1], made[-1] * 1.02], places)


class TooLargeBackward(StandIn):
    """As `TooLarge`, in the backward half only."""

    def put(self, made: list[Tensor], places: list[Tensor]) -> None:
        is_backward = self.events.count("replay") % 2 == 0
        super().put([*made[:-1], made[-1] * 1.02] if is_backward else made, places)


class Idle(StandIn):
    """A replay that does nothing."""

    def put(self, made: list[Tensor], places: list[Tensor]) -> None:
        del made, places


class Frozen(StandIn):
    """Every replay gives what was there while recording."""

    def record(self, work: Work, device: torch.device) -> tuple[list[Tensor], Callable[[], None]]:
        tensors, replay = super().record(work, device)
        kept = [tensor.clone() for tensor in tensors]

        def frozen() -> None:
            replay()
            StandIn.put(self, kept, tensors)

        return tensors, frozen


class Raising(StandIn):
    """Recording fails, as where an operation waits for the GPU."""

    def record(self, work: Work, device: torch.device) -> tuple[list[Tensor], Callable[[], None]]:
        self.events.append("record")
        raise RuntimeError("operation not permitted\nwhen stream is capturing")
