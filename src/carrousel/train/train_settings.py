"""How a model is trained: the section `train`, the same in every kind but for what a kind sets as its own start values."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from carrousel.train.settings import Section

Optimiser = Literal["adam", "adamw", "sgd", "nt-asgd", "rmsprop"]
Schedule = Literal["constant", "cosine", "linear", "one-cycle", "plateau", "step"]

WITH_MOMENTUM = ("sgd", "nt-asgd", "rmsprop")


class TrainSettings(Section):
    """How it is trained."""

    either: ClassVar[tuple[tuple[str, str], ...]] = (("updates", "epochs"),)
    """pairs of settings of which one is null; which one is given decides"""

    updates: int | None = Field(default=None, ge=1)
    """optimiser steps in all; null where epochs says how long"""
    epochs: float | None = Field(default=10.0, gt=0, allow_inf_nan=False)
    """passes over the training data; null where updates says how long"""
    batch_size: int = Field(default=32, ge=1)
    """sequences read side by side, all processes together"""
    accumulate: int = Field(default=1, ge=1)
    """batches whose gradients make one update together"""
    optimiser: Optimiser = "adam"
    """adam, adamw, sgd, nt-asgd (sgd, and the mean of the weights once the held-out figure stalls) or rmsprop"""
    learning_rate: float = Field(default=2e-3, gt=0, lt=1e30, allow_inf_nan=False)
    """at its peak"""
    schedule: Schedule = "cosine"
    """of the learning rate: constant, cosine, linear, one-cycle, plateau or step"""
    warmup_updates: int = Field(default=0, ge=0)
    """updates over which the learning rate rises to its peak; with one-cycle, 0 for three tenths of all"""
    final_part: float = Field(default=0.0, ge=0, le=1)
    """where cosine and linear end, as a part of the peak"""
    decay: float = Field(default=0.5, gt=0, lt=1)
    """what plateau and step multiply the learning rate by"""
    decay_every: int | None = Field(default=None, ge=1)
    """updates from one decay of step to the next; null with any other schedule"""
    decay_patience: int = Field(default=3, ge=1)
    """evaluations without a better figure before plateau decays"""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """of sgd, nt-asgd and rmsprop"""
    nesterov: bool = False
    """momentum that looks ahead, of sgd and nt-asgd"""
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """how slowly adam and adamw forget the mean of the gradient; 0 for no memory of it"""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """how slowly adam, adamw and rmsprop forget the mean of its square"""
    epsilon: float = Field(default=1e-8, gt=0, lt=1)
    """added to the root of that mean"""
    weight_decay: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """pull of the weights towards 0, matrices only: no biases and no scales of a normalisation"""
    clip_norm: float = Field(default=1.0, gt=0)
    """largest Euclidean norm of the gradient; .inf for no limit"""
    clip_value: float = Field(default=float("inf"), gt=0)
    """largest absolute value of an element of the gradient, after clip_norm; .inf for no limit"""
    average: float | None = Field(default=None, gt=0, lt=1)
    """how slowly the moving mean of the weights, which is what is measured and kept, forgets, such as .999; null for none"""
    patience: int | None = Field(default=None, ge=1)
    """evaluations without a better figure before training stops; null for never"""
    stall: int = Field(default=5, ge=1)
    """last evaluations that nt-asgd leaves out of the best to be worse than"""
    zero_state: float = Field(default=0.0, ge=0, le=1)
    """probability with which a batch begins from a zero state, not from the one carried over"""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """of the initial weights, dropout and the order of the data"""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where it is computed: cpu, cuda, or auto for cuda where there is one"""
    precision: Literal["float32", "bf16"] = "float32"
    """of matrix products outside the recurrence: float32, or bf16 for torch's mixed precision"""
    sharding: Literal["none", "fsdp"] = "none"
    """what each of several processes keeps of the weights and of what the optimiser knows: none for all, fsdp for one part"""
    threads: int | None = Field(default=None, ge=1)
    """processor threads; null for one where the network is small, else as torch chooses. Other counts can change the last bits"""
    evaluate_every: int | None = Field(default=None, ge=1)
    """updates from one measurement on held-out data to the next; null for once an epoch"""
    checkpoint_every: int = Field(default=400, ge=1)
    """updates from one checkpoint to the next"""
    track: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """trackers that follow the run beside its folder: tensorboard, wandb, mlflow"""
    diagnose_every: int | None = Field(default=None, ge=1)
    """updates from one look at gradients, gates and the size of updates to the next; null for none"""

    @model_validator(mode="before")
    @classmethod
    def _given_wins_over_default(cls, given: Any) -> Any:
        """Where one of two settings is given that exclude each other, the default of the other does not count."""
        if not isinstance(given, dict):
            return given
        settings = dict(cast(dict[str, Any], given))
        for one, other in cls.either:
            for is_given, is_left in ((one, other), (other, one)):
                if settings.get(is_given) is not None:
                    settings.setdefault(is_left, None)
        return settings

    @model_validator(mode="after")
    def _settings_fit_each_other(self) -> Self:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        for one, other in self.either:
            values = getattr(self, one), getattr(self, other)
            if (values[0] is None) == (values[1] is None):
                yield f"{one} is {_shown(values[0])} and {other} is {_shown(values[1])}, expected one of them to be null"
        if (self.schedule == "step") != (self.decay_every is not None):
            expected = "null" if self.decay_every else "a number of updates"
            yield f"decay_every is {_shown(self.decay_every)} with schedule {self.schedule}, expected {expected}"
        if self.momentum and self.optimiser not in WITH_MOMENTUM:
            yield (
                f"momentum is {self.momentum:g} with optimiser {self.optimiser}, expected 0, or one of "
                f"{', '.join(WITH_MOMENTUM)} (beta1 is what {self.optimiser} has)"
            )
        if self.nesterov and (self.optimiser not in ("sgd", "nt-asgd") or not self.momentum):
            yield (
                f"nesterov is true with optimiser {self.optimiser} and momentum {self.momentum:g}, expected sgd or nt-asgd, "
                "and a momentum above 0"
            )
        if self.sharding == "fsdp" and self.diagnose_every is not None:
            yield (
                f"sharding is fsdp with diagnose_every {self.diagnose_every}, expected null: a look at single weights needs them "
                "whole"
            )
        if self.average is not None and self.optimiser == "nt-asgd":
            yield f"average is {self.average:g} with optimiser nt-asgd, expected null: it has a mean of its own"


def _shown(value: Any) -> str:
    return "null" if value is None else f"{value:g}"
