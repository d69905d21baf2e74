"""A recurrent encoder over what is known, and a decoder that forecasts: all steps at once, or one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.errors import ConfigError
from carrousel.heads.distributions import DistributionHead
from carrousel.heads.points import Head, PointHead
from carrousel.heads.pooling import last
from carrousel.heads.quantiles import QuantileHead
from carrousel.init import forget_bias_for
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.bridge import Bridge
from carrousel.models.encoder import StepDropout, numbered
from carrousel.models.forecaster.panel import Batch
from carrousel.models.forecaster.recipe import Recipe
from carrousel.models.forecaster.settings import ModelSettings
from carrousel.models.network import Network
from carrousel.models.transfer import Reading

POINTS = {"median": "absolute", "mean": "squared"}


class ForecasterNetwork(Network):
    """Parameters of a distribution of y at each step of the horizon.

    Direct: the encoder reads y, its observation mask and all covariates over the context. A second recurrent layer of the same cell
    runs over the horizon; at each step it reads the encoder's last output, the covariates known ahead and the seasonal-naive
    forecast.

    Recursive: one recurrent network reads, at each step, y of the step before and the covariates known at the step, through the
    context and on through the horizon, where y of the step before is the truth in training and a draw from its own forecast
    afterwards.

    With `bidirectional`, the encoder reads the context from its end as well; all of that is known when a forecast is made. What a
    direct decoder reads of it is what each direction put out after its last step. A recursive decoder has then layers of its own,
    as many as the encoder, of one direction: they read through the horizon only, as above, and start from the last states of both
    directions, mapped to one by a learned matrix for each field. The encoder reads y at its own step, and past covariates, too.

    Args:
        recipe: how series become inputs.
        model: the settings of the model.
        cell: the cell itself, where it is not in the catalogue.

    Raises:
        ConfigError: nothing to read, or past covariates, which nobody knows in the horizon, where one network reads both.
    """

    kind = "forecaster"

    def __init__(self, recipe: Recipe, model: ModelSettings, cell: Cell | None = None) -> None:
        super().__init__()
        self.recipe, self.model = recipe, model
        self.cell = cell or find(model.cell)
        self.is_recursive = model.decoder == "recursive"
        _check_inputs(recipe, model)
        num_fixed = recipe.future_size + recipe.static_size
        input_size = 2 * model.reads_target + num_fixed
        self.encoder = self._layers(input_size + recipe.past_size, model.num_layers, bidirectional=model.bidirectional)
        size, self.bridge = self.encoder.output_size, None
        if not self.is_recursive:
            self.decoder = self._layers(size + num_fixed + model.reads_target, 1)
        elif model.bidirectional:
            self.decoder = self._layers(input_size, model.num_layers)
            self.bridge = Bridge(self.encoder, self.decoder, True, self.kind, "Set model.bidirectional=false.")
        else:
            self.decoder = None  # the encoder goes on
        self.context_dropout = StepDropout(model.dropout, "context")
        self.output_dropout = StepDropout(model.dropout, "output")
        self.head: Head = _head(model, size if self.decoder is None else self.decoder.output_size)

        nn.init.zeros_(self.head.linear.weight)  # so that training begins at what the output is added to

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.linear.weight.device

    def forward(self, batch: Batch, draw: Draw | None = None) -> Float[Tensor, "horizon B num_params"]:
        """The head's parameters, scaled. A recursive decoder is fed the truth.

        Args:
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """
        after = None if draw is None else numbered(draw, 1)
        if self.is_recursive:
            layers, state = self._recursion(batch, draw)
            before = torch.cat([_last(batch.y, batch)[None], batch.target[:-1]])
            seen = torch.cat([_last(batch.seen, batch)[None], batch.weight[:-1]])
            x = self._inputs(before, seen, batch.ahead[:, :, :0], batch.ahead, batch.static)
            out, _ = layers(x, state, draw=after)
            start = self._start(before, batch.naive)
        else:
            assert self.decoder is not None
            out, _ = self._read_context(batch, draw)
            summary = last(out, batch.lengths, self.encoder.directions).expand(batch.ahead.shape[0], -1, -1)
            naive = batch.naive[:, :, None] if self.model.reads_target else batch.ahead[:, :, :0]
            x = torch.cat(
                [self.context_dropout(summary, draw), batch.ahead, _along(batch.static, batch.ahead), naive], -1
            )
            out, _ = self.decoder(x, draw=after)
            start = self._start(_last(batch.y, batch).expand_as(batch.naive), batch.naive)
        return self.head.shift(self.head(self.output_dropout(out, draw)), start)

    def read(self, batch: Batch) -> Float[Tensor, "T B D"]:
        """What the encoder reads over the context; one that goes on through the horizon reads y one step late."""
        y, seen = batch.y, batch.seen
        if self.decoder is None:
            y, seen = (torch.cat([torch.zeros_like(part[:1]), part[:-1]]) for part in (y, seen))
        return self._inputs(y, seen, batch.past, batch.known, batch.static)

    def loss(self, batch: Batch, draw: Draw | None = None) -> Tensor:
        """Mean loss over all observed steps of the horizon; 0 where none was observed. Arguments as `forward`."""
        losses = self.head.loss(self(batch, draw), batch.target)
        return (losses * batch.weight).sum() / batch.weight.sum().clamp(min=1)

    @torch.no_grad()
    def draw(
        self, batch: Batch, num_samples: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "num_samples horizon B"]:
        """Paths of a recursive decoder, scaled: each step is fed with the draw before it."""
        layers, state = self._recursion(batch)
        horizon, rows, _ = batch.ahead.shape
        state = type(state)(*(field.repeat_interleave(num_samples, 1) for field in state))
        ahead, naive = (part.repeat_interleave(num_samples, 1) for part in (batch.ahead, batch.naive))
        static = batch.static.repeat_interleave(num_samples, 0)
        before = _last(batch.y, batch).repeat_interleave(num_samples)[None]
        seen, path = _last(batch.seen, batch).repeat_interleave(num_samples)[None], list[Tensor]()
        for step in range(horizon):
            here = ahead[step : step + 1]
            out, state = layers(self._inputs(before, seen, here[:, :, :0], here, static), state)
            params = self.head.shift(self.head(out), self._start(before, naive[step : step + 1]))
            before, seen = self.head.sample(params, generator), torch.ones_like(before)
            path.append(before)
        return torch.cat(path).reshape(horizon, rows, num_samples).movedim(2, 0)

    def reading(self) -> Reading:
        """As `Network.reading`: of what reads the context."""
        return Reading([self.encoder], inputs=self.recipe.inputs(self.model.reads_target))

    def meaning(self) -> dict[str, Any]:
        """As `Network.meaning`: not the names of series, and not what their table's other columns are called."""
        recipe = self.recipe
        covariates = [recipe.columns.past, recipe.columns.future, recipe.flagged, recipe.calendar]
        return {**self.config(), "recipe": [*covariates, recipe.to_dict()["static"], list(recipe.static)]}

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {"model": {**self.model.model_dump(), "cell": self.cell.name}, "recipe": self.recipe.to_dict()}

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> "ForecasterNetwork":
        """As `Network.of_config`."""
        known = {} if cell is None else {"cell": "lstm"}  # a name that the settings know
        model = ModelSettings.model_validate({**config["model"], **known})
        return cls(Recipe.from_dict(config["recipe"]), model, cell)

    def _layers(self, input_size: int, num_layers: int, *, bidirectional: bool = False) -> Recurrent:
        model = self.model
        return Recurrent(
            self.cell,
            input_size,
            model.hidden_size,
            num_layers,
            bidirectional,
            dropout=model.dropout if num_layers > 1 else 0.0,
            init=forget_bias_for(self.cell, model.forget_bias),
            residual=model.residual,
            **cast(dict[str, Any], model.sizes),
        )

    def _read_context(self, batch: Batch, draw: Draw | None = None) -> tuple[Float[Tensor, "T B H"], Any]:
        """The encoder's outputs over the context, and its state after the last step."""
        is_ragged = bool((batch.lengths < len(batch.y)).any())
        return self.encoder(self.read(batch), lengths=batch.lengths if is_ragged else None, draw=draw)

    def _recursion(self, batch: Batch, draw: Draw | None = None) -> tuple[Recurrent, Any]:
        """The layers that run over the horizon of a recursive decoder, and their state before it."""
        _, state = self._read_context(batch, draw)
        if self.decoder is None or self.bridge is None:
            return self.encoder, state
        return self.decoder, self.bridge(state)

    def _inputs(self, y: Tensor, seen: Tensor, past: Tensor, known: Tensor, static: Tensor) -> Float[Tensor, "T B D"]:
        target = [y[:, :, None], seen[:, :, None]] if self.model.reads_target else []
        return torch.cat([*target, past, known, _along(static, known)], -1)

    def _start(
        self, before: Float[Tensor, "horizon B"], naive: Float[Tensor, "horizon B"]
    ) -> Float[Tensor, "horizon B"]:
        """What the head's output is added to."""
        return {"seasonal": naive, "last": before, "zero": torch.zeros_like(naive)}[self.model.start_from]


def _check_inputs(recipe: Recipe, model: ModelSettings) -> None:
    """Raise ConfigError where a network has nothing to read, or would have to know past covariates in the horizon."""
    is_recursive, ahead = model.decoder == "recursive", model.reads_target or recipe.future_size or recipe.static_size
    if is_recursive and not model.bidirectional and recipe.columns.past:
        raise ConfigError(
            f"forecaster: the covariates {', '.join(recipe.columns.past)} are known up to the present only, expected none with "
            "a recursive decoder, which reads covariates at every step it forecasts. Use model.decoder=direct, or "
            "model.bidirectional=true, with which layers of their own read the past, or declare them as data.future where their "
            "coming values are known."
        )
    if not (ahead or recipe.past_size):
        raise ConfigError(
            "forecaster: the network has nothing to read, expected past values of y, covariates or the calendar. "
            "Set model.reads_target=true, or name covariates in data.past or data.future."
        )
    if is_recursive and not ahead:
        raise ConfigError(
            "forecaster: the recursive decoder has nothing to read in the horizon, expected values of y, covariates known ahead or "
            "the calendar. Use model.decoder=direct, or set model.reads_target=true, or name covariates in data.future."
        )


def _last(values: Float[Tensor, "T B *features"], batch: Batch) -> Float[Tensor, "B *features"]:
    """Values at the last step of each context."""
    return values[batch.lengths - 1, torch.arange(len(batch.lengths))]


def _along(
    static: Float[Tensor, "B num_static"], steps: Float[Tensor, "T B num_future"]
) -> Float[Tensor, "T B num_static"]:
    return static.expand(steps.shape[0], -1, -1)


def quantile_levels(percent: Sequence[float]) -> list[float]:
    """The levels that these central intervals end at, and the median.

    >>> quantile_levels([80])
    [0.1, 0.5, 0.9]
    """
    tails = [(50 - p / 2) / 100 for p in percent]
    return sorted({round(level, 6) for tail in tails for level in (tail, 1 - tail)} | {0.5})


def _head(model: ModelSettings, size: int) -> Head:
    if model.head == "quantile":
        return QuantileHead(size, quantile_levels(model.level), model.crossing)
    return PointHead(size, POINTS[model.head]) if model.head in POINTS else DistributionHead(size, model.head)
