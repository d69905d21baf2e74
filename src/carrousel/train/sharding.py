"""Weights in parts: each process keeps one part of every weight, of its gradient, and of what the optimiser knows about it.

With `train.sharding=fsdp`. A weight is cut along its first axis, so that a large embedding or softmax is shared out by its rows.
While the gradient of an update is computed, and while the model is measured, each process has the weights whole. Imported when
asked for: torch takes its time for it.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from carrousel.train.distributed import watched, world
from carrousel.train.protocols import Loss


class ShardedModel(nn.Module):
    """A model whose parameters are parts, by torch's FSDP2, on every process from now on: the protocol `Parts`.

    All of them are one group: losses call any method of a model, and weights that are tied are read in two places.

    Args:
        model: the same on every process.
        device: that it is on.

    Source: Zhao et al., "PyTorch FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023, arXiv:2304.11277.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.model = model
        fully_shard(self, mesh=init_device_mesh(device.type, (world(),)))

    def forward(self, loss: Callable[[Any, Any, Any], Loss], batch: Any, carried: Any) -> Loss:
        """As `Parts.__call__`."""
        parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        # every process adds up every gradient, also one that its rows, or no rows at all, give nothing to
        nothing = torch.stack([(parameter * 0).sum() for parameter in parameters]).sum()
        if batch is None:
            return Loss(nothing)
        found = loss(self.model, batch, carried)
        return found._replace(loss=found.loss + nothing.to(found.loss.dtype))

    @contextmanager
    def whole(self) -> Generator[None]:
        """As `Parts.whole`."""
        parts = cast(FSDPModule, self)
        with watched():
            parts.unshard()
        try:
            yield
        finally:
            parts.reshard()

    def gathered(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """As `Parts.gathered`."""
        with watched():
            return cast(Mapping[str, Any], _gathered(state))

    def cut(self, state: Mapping[str, Any], optimiser: torch.optim.Optimizer) -> Mapping[str, Any]:
        """As `Parts.cut`."""
        own, averaging = self.model.state_dict(), state["averaging"]
        in_order = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        known: Mapping[int, Mapping[str, Any]] = state["optimiser"]["state"]
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        return {
            **state,
            "model": {name: _part(value, own.get(name)) for name, value in state["model"].items()},
            "optimiser": {
                **state["optimiser"],
                "state": {k: {name: _part(v, in_order[k]) for name, v in known[k].items()} for k in known},
            },
            "averaging": averaging and {**averaging, "means": _parts(averaging["means"], trained)},
        }


def _gathered(state: Any) -> Any:
    """On the CPU, where there is room for all of them."""
    if isinstance(state, Mapping):
        return {key: _gathered(part) for key, part in cast(Mapping[Any, Any], state).items()}
    if isinstance(state, list):
        return [_gathered(part) for part in cast(list[Any], state)]
    return state.full_tensor().detach().cpu() if isinstance(state, DTensor) else state


def _parts(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    return [_part(value, parameter) for value, parameter in zip(values, parameters, strict=bool(values))]


def _part(value: Any, parameter: Tensor | None) -> Any:
    """This process's part of what has the shape of a parameter that is one."""
    if not isinstance(parameter, DTensor) or not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return distribute_tensor(
        value.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
    )
