"""What the settings in the section `train` say, as the loop takes it."""

from typing import Any

import torch
from torch import nn

from carrousel.errors import ConfigError
from carrousel.train.averaging import Averaging, MovingAverage, StalledAverage
from carrousel.train.distributed import local_rank, rank, world
from carrousel.train.loop import Batches, Plan, Training
from carrousel.train.optimisers import optimiser_of
from carrousel.train.protocols import Parts
from carrousel.train.schedule import (
    Rate,
    one_cycle,
    plateau,
    step_decay,
    unchanged,
    warm_up_then_constant,
    warm_up_then_cosine,
    warm_up_then_linear,
)
from carrousel.train.train_settings import TrainSettings


def device_of(settings: TrainSettings, where: str = "train") -> torch.device:
    """The device to compute on; with several processes on a machine, each has a GPU of its own.

    Raises:
        ConfigError: cuda is wanted where there is none, or by more processes than there are GPUs.
    """
    num_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if settings.device == "cpu" or (settings.device == "auto" and not num_gpus):
        return torch.device("cpu")
    if local_rank() >= num_gpus:
        raise ConfigError(
            f"{where}: train.device is {settings.device} for process {local_rank()} of this machine, and torch finds {num_gpus} "
            "GPUs, expected one for each process. Set train.device=cpu, or start fewer processes."
        )
    return torch.device("cuda", local_rank())


def training_of(
    settings: TrainSettings, network: nn.Module, batches: Batches[Any], where: str = "train"
) -> Training[Any]:
    """Everything that changes while training, at its start: the network on its device, the optimiser, the batches.

    Args:
        batches: those of one process; of several, each gets its part.

    Raises:
        ConfigError: no such device.
    """
    device = device_of(settings, where)
    network = network.to(device)
    part = batches.shard(rank(), world()) if world() > 1 else batches
    parts: Parts | None = None
    if settings.sharding == "fsdp" and world() > 1:  # of one process, the part is the whole
        from carrousel.train.sharding import ShardedModel

        parts = ShardedModel(network, device)
    return Training(network, optimiser_of(settings, network), part, _averaging(settings, network), parts=parts)


def plan_of(settings: TrainSettings, batches_per_epoch: int, monitor: str = "", is_higher_better: bool = False) -> Plan:
    """How long to train and how.

    Args:
        batches_per_epoch: of all processes together.
        monitor: name of the figure that early stopping, the schedule plateau and nt-asgd look at.
        is_higher_better: whether more of it is better.
    """
    epoch = batches_per_epoch / settings.accumulate
    updates = settings.updates or max(1, round((settings.epochs or 0) * epoch))
    return Plan(
        updates=updates,
        learning_rate=_rate(settings, updates),
        rate_factor=plateau(settings.decay, settings.decay_patience) if settings.schedule == "plateau" else unchanged,
        clip_norm=settings.clip_norm,
        clip_value=settings.clip_value,
        accumulate=settings.accumulate,
        precision=settings.precision,
        zero_state=settings.zero_state,
        seed=settings.seed,
        evaluate_every=settings.evaluate_every or max(1, round(epoch)),
        checkpoint_every=settings.checkpoint_every,
        diagnose_every=settings.diagnose_every,
        monitor=monitor,
        is_higher_better=is_higher_better,
        patience=settings.patience,
    )


def _averaging(settings: TrainSettings, network: nn.Module) -> Averaging | None:
    if settings.optimiser == "nt-asgd":
        return StalledAverage(network, settings.stall)
    return MovingAverage(network, settings.average) if settings.average is not None else None


def _rate(settings: TrainSettings, updates: int) -> Rate:
    peak, warmup = settings.learning_rate, settings.warmup_updates
    match settings.schedule:
        case "constant" | "plateau":
            return warm_up_then_constant(peak, warmup)
        case "cosine":
            return warm_up_then_cosine(peak, warmup, updates, peak * settings.final_part)
        case "linear":
            return warm_up_then_linear(peak, warmup, updates, peak * settings.final_part)
        case "one-cycle":
            return one_cycle(peak, warmup, updates)
        case "step":
            assert settings.decay_every is not None, "the settings were checked"
            return step_decay(peak, warmup, settings.decay, settings.decay_every)
