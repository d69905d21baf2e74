"""Several processes that train one model: each reads its part of every batch, and all make the same update.

`torchrun --nproc-per-node 2 -m carrousel train FILE.yaml` starts them. Each has the whole model; torch's
DistributedDataParallel adds their gradients up while they are computed. Outside of `processes` everything here does nothing,
so that one process needs no other code.
"""

import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from carrousel.errors import ConfigError
from carrousel.train import randomness
from carrousel.train.protocols import Loss, TrainingError

T = TypeVar("T")

ROWS = 1  # axis of a carried state along which its rows lie, as in the states of `Recurrent`
PATIENCE = timedelta(hours=2)  # main measures on held-out data meanwhile
GIVEN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def processes(device: torch.device, where: str = "train") -> Generator[None]:
    """Inside, this process is one of those that torchrun started; by itself where none did.

    Args:
        device: that it computes on; decides how the processes talk: over gloo on CPU, over NCCL on CUDA.

    Raises:
        ConfigError: torchrun's environment is incomplete, or the processes do not find each other.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or dist.is_initialized():
        yield
        return
    if missing := [name for name in GIVEN if name not in os.environ]:
        raise ConfigError(
            f"{where}: WORLD_SIZE is {os.environ['WORLD_SIZE']} and {', '.join(missing)} are not set, expected all that torchrun "
            "sets. Start it by torchrun --nproc-per-node N -m carrousel train FILE.yaml"
        )
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{where}: process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} does not find the others "
            f"({_first_line(error)}), expected all to start together. Start them by torchrun."
        ) from None
    try:
        yield
    finally:
        dist.destroy_process_group()


def world() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if world() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes files and speaks: the one with number 0."""
    return rank() == 0


def local_rank() -> int:
    """The number of this process among those on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def broadcast(value: T) -> T:
    """Main's value on every process; all call this together.

    Raises:
        TrainingError: a process is gone.
    """
    if world() == 1:
        return value
    box: list[Any] = [value]
    with watched():
        dist.broadcast_object_list(box, device=_device())
    return cast(T, box[0])


def gather(value: T) -> list[T]:
    """The values of all processes, in their order; all call this together.

    Raises:
        TrainingError: a process is gone.
    """
    box: list[Any] = [value] * world()
    if world() > 1:
        with watched():
            dist.all_gather_object(box, value)
    return cast(list[T], box)


def draw_alike() -> None:
    """Set torch's generators to where main's stand, so that a number drawn for all rows is the same on every process.

    Raises:
        TrainingError: a process is gone.
    """
    if world() == 1:
        return
    states = {name: value.to(_device()) for name, value in randomness.state().items()}
    with watched():
        for name in sorted(states):
            dist.broadcast(states[name], 0)
    randomness.restore({name: value.cpu() for name, value in states.items()})


def total(numbers: Sequence[float]) -> list[float]:
    """The sums over all processes; all call this together.

    Raises:
        TrainingError: a process is gone.
    """
    if world() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64, device=_device())
    with watched():
        dist.all_reduce(sums)
    return cast(list[float], sums.tolist())


def whole_state(carried: Any) -> Any:
    """The carried state of the whole batch, from each process's rows of it; all call this together."""
    if world() == 1:
        return carried
    parts = gather(_map(lambda tensor: tensor.detach().cpu(), carried))
    return _zipped(parts)


def own_part(carried: Any, device: torch.device) -> Any:
    """This process's rows of what `whole_state` gave, whatever the number of processes was then."""
    moved = _map(lambda tensor: tensor.to(device), carried)
    return moved if world() == 1 else _map(lambda tensor: tensor[:, rank() :: world()].contiguous(), moved)


class Together(nn.Module):
    """A loss whose gradient, once it is there, is the mean over all processes; to each of them as if it were its own.

    Args:
        model: the same on every process; here main's weights go to all of them.
        loss: (model, batch, carried) -> Loss. It gets the model itself, and may call any of its methods.
    """

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any, Any], Loss]) -> None:
        super().__init__()
        self._whole = _Whole(model, loss)
        self._parallel = DistributedDataParallel(self._whole, forward_sync_buffers=False, find_unused_parameters=True)

    def forward(self, batch: Any, carried: Any) -> Loss:
        """The loss of this process's part of a batch; none at all where the batch is None."""
        loss = self._parallel(batch, carried)
        return self._whole.found._replace(loss=loss)

    def synchronised(self, is_last: bool) -> Any:
        """A context for forward and backward; only the last batch of an update is worth adding up."""
        return nullcontext() if is_last else self._parallel.no_sync()


class _Whole(nn.Module):
    """The loss as a module, which is what DistributedDataParallel takes."""

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any, Any], Loss]) -> None:
        super().__init__()
        self.model, self.loss = model, loss
        self.found = Loss(torch.empty(0))
        # where a batch happens to use all parameters, torch would log that find_unused_parameters is not needed
        self.never_used = nn.Parameter(torch.zeros((), device=next(model.parameters()).device))

    def forward(self, batch: Any, carried: Any) -> Tensor:
        if batch is None:
            self.found = Loss(torch.empty(0))
            parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
            return torch.stack([(parameter * 0).sum() for parameter in parameters]).sum()
        found = self.loss(self.model, batch, carried)
        self.found = found._replace(loss=torch.empty(0))
        return found.loss


@contextmanager
def watched() -> Generator[None]:
    """Inside, processes talk to each other; when one is gone, this one says so.

    Raises:
        TrainingError: a process is gone.
    """
    try:
        yield
    except RuntimeError as error:
        if world() == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)):
            raise
        raise TrainingError(
            f"train: process {rank()} of {world()} lost touch with another ({_first_line(error)}), expected all to run to the end. "
            "See what the other one said; then go on from the last checkpoint: torchrun ... -m carrousel train --resume RUN"
        ) from None


def _device() -> torch.device:
    return torch.device("cuda", local_rank()) if dist.get_backend() == "nccl" else torch.device("cpu")


def _map(change: Callable[[Tensor], Tensor], carried: Any) -> Any:
    """The same nest of tuples with every tensor changed."""
    if isinstance(carried, tuple):
        return tuple(_map(change, part) for part in cast(tuple[Any, ...], carried))
    return change(carried) if isinstance(carried, Tensor) else carried


def _zipped(parts: Sequence[Any]) -> Any:
    """One nest of tensors from the nests of all processes, the rows of each in turn."""
    first = parts[0]
    if isinstance(first, tuple):
        return tuple(_zipped(part) for part in zip(*parts, strict=True))
    if not isinstance(first, Tensor):
        return first
    shape = list(first.shape)
    shape[ROWS] = sum(part.shape[ROWS] for part in parts)
    whole = first.new_empty(shape)
    for start, part in enumerate(parts):
        whole[:, start :: len(parts)] = part
    return whole


def _first_line(error: Exception) -> str:
    """The first sentence, without the place in torch's sources."""
    return re.sub(r"^\[\S+:\d+\] ", "", str(error).strip().splitlines()[0]).partition(". ")[0]
