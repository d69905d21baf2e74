"""A recurrent autoencoder of series: the state after the last step is all that the decoder knows of the sequence."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.cell import Cell
from carrousel.cells import find
from carrousel.heads.steps import valid_steps
from carrousel.init import forget_bias_for
from carrousel.layers import Recurrent
from carrousel.layers.draw import Draw
from carrousel.models.bridge import Bridge
from carrousel.models.encoder import numbered
from carrousel.models.network import Network
from carrousel.models.transfer import Reading, mapped_names


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are called.

    Attributes:
        columns: the channels; None for all but the other two.
        series: names the series of a row; None where there is one.
        label: 1 where a step is an anomaly; None where nobody knows.
    """

    columns: list[str] | None = None
    series: str | None = None
    label: str | None = None


class AutoencoderNetwork(Network):
    """Reads a window of a series, writes it again in reverse order, and, with a horizon, the steps that follow it.

    Args:
        means, deviations: of the channels in the training data; what the network reads and writes is standardised by them.
        window: steps in a sequence, at most.
        horizon: steps after the window to predict from the same state; 0 for none.
        cell: a Cell, or the name or alias of one in the catalogue.
        hidden_size: units of a layer: the size of the bottleneck.
        num_layers: of the encoder and of each decoder.
        dropout: probability with which outputs between layers are zeroed while training.
        forget_bias: start value of the forget-gate biases, in cells that have them; None keeps the cell's own start.
        residual: add the input of a layer to its output, from the second layer on.
        bidirectional: the encoder reads the window from its end as well. The decoders, of one direction, start from the last states
            of both, mapped to one of hidden_size units by a learned matrix for each field. What a horizon predicts lies after all
            that either direction reads.
        input_features: that a learned matrix makes of the channels before the encoder; the decoders read as many zeros. None for
            the channels as they are.
        columns: what the columns of a table are called in which its series stand: columns, series and label.
        smoothing: steps around each over which errors are averaged into its score; 1 for none.
        sizes: further sizes of the cell.

    The buffer `threshold` is the score above which a step counts as an anomaly; NaN until training fits it.

    Source: Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video Representations using LSTMs", ICML 2015,
    arXiv:1502.04681, the composite model with unconditioned decoders; Malhotra et al., "LSTM-based Encoder-Decoder for
    Multi-sensor Anomaly Detection", 2016, arXiv:1607.00148, for the use of the error.
    Differs: errors are scored as their mean square over the channels and some steps, not by a fitted normal distribution.
    """

    kind = "autoencoder"

    def __init__(
        self,
        means: Sequence[float],
        deviations: Sequence[float],
        window: int,
        horizon: int = 0,
        cell: str | Cell = "lstm",
        hidden_size: int = 32,
        num_layers: int = 1,
        dropout: float = 0.0,
        forget_bias: float | None = None,
        columns: Mapping[str, Any] | None = None,
        smoothing: int = 1,
        residual: bool = False,
        bidirectional: bool = False,
        input_features: int | None = None,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.means, self.deviations = list(means), list(deviations)
        self.window, self.horizon, self.smoothing, self.sizes = window, horizon, smoothing, sizes
        self.columns = Columns(**(columns or {}))
        self.cell = find(cell) if isinstance(cell, str) else cell
        init = forget_bias_for(self.cell, forget_bias)

        def layers(input_size: int, *, bidirectional: bool = False) -> Recurrent:
            rest: dict[str, Any] = {"dropout": dropout, "init": init, "residual": residual, **sizes}
            return Recurrent(self.cell, input_size, hidden_size, num_layers, bidirectional, **rest)

        self.input_features = input_features
        self.map = nn.Linear(len(self.means), input_features) if input_features else nn.Identity()
        self.encoder = layers(input_features or len(self.means), bidirectional=bidirectional)
        self.decoder = layers(input_features or 1)
        self.output = nn.Linear(self.decoder.output_size, len(self.means))
        self.predictor = layers(input_features or 1) if horizon else None
        self.predicted = nn.Linear(self.decoder.output_size, len(self.means)) if horizon else None
        self.bridge = None
        if bidirectional:
            self.bridge = Bridge(self.encoder, self.decoder, True, self.kind, "Set model.bidirectional=false.")
        self.register_buffer("mean", torch.tensor(self.means), persistent=False)
        self.register_buffer("deviation", torch.tensor(self.deviations), persistent=False)
        self.register_buffer("threshold", torch.tensor(float("nan"), dtype=torch.float64))

    def standardised(self, x: Float[Tensor, "T B D"]) -> Float[Tensor, "T B D"]:
        """The channels with mean 0 and standard deviation 1 over the training data."""
        mean, deviation = self.get_buffer("mean"), self.get_buffer("deviation")
        return (x.to(mean.dtype) - mean) / deviation

    def encode(
        self, x: Float[Tensor, "T B D"], lengths: Int[Tensor, " B"] | None = None, draw: Draw | None = None
    ) -> Any:
        """The state after the last step read, which stands for the sequence: every field (layers, B, ...).

        Args:
            x: standardised.
            lengths: valid steps of each row.
            draw: the random numbers of dropout, which is on while training; when left out, torch's own.
        """
        _, state = self.encoder(self.map(x), lengths=lengths, draw=draw)
        return state if self.bridge is None else self.bridge(state)

    def forward(
        self, x: Float[Tensor, "T B D"], lengths: Int[Tensor, " B"] | None = None, draw: Draw | None = None
    ) -> tuple[Float[Tensor, "T B D"], Float[Tensor, "P B D"]]:
        """The sequence as the decoder writes it, laid out forwards again, and the P steps that are predicted to follow.

        Args:
            x: standardised.
            lengths: valid steps of each row; what is written past them means nothing.
            draw: as `encode`.
        """
        state = self.encode(x, lengths, draw)
        draws = [None if draw is None else numbered(draw, k) for k in (1, 2)]
        steps, batch = x.shape[0], x.shape[1]
        nothing = x.new_zeros((steps, batch, self.decoder.input_size))
        written, _ = self.decoder(nothing, state, draw=draws[0])
        backwards = self.output(written)
        ends = torch.full((batch,), steps, device=x.device) if lengths is None else lengths.to(x.device)
        time = torch.arange(steps, device=x.device)[:, None]
        place = torch.where(time < ends, ends - 1 - time, time)
        forwards = backwards.gather(0, place[:, :, None].expand(backwards.shape))
        if self.predictor is None or self.predicted is None:
            return forwards, x.new_zeros((0, batch, x.shape[2]))
        after, _ = self.predictor(nothing.new_zeros((self.horizon, *nothing.shape[1:])), state, draw=draws[1])
        return forwards, self.predicted(after)

    def errors(self, x: Float[Tensor, "T B D"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "T B"]:
        """Mean square of the reconstruction error over the channels at each step, of channels as they are measured.

        Args:
            x: as it was measured; standardised here.
            lengths: valid steps of each row; errors past them are 0.
        """
        z = self.standardised(x)
        written, _ = self(z, lengths)
        is_valid = valid_steps(len(x), lengths.to(x.device))
        return torch.where(is_valid, (written - z).square().mean(-1), 0.0)

    def reading(self) -> Reading:
        """As `Network.reading`: of the encoder."""
        features = self.input_features
        names = self.columns.columns or () if features is None else mapped_names(self.kind, features)
        return Reading([self.encoder], inputs=names)

    def config(self) -> dict[str, Any]:
        """As `Network.config`."""
        return {
            "means": self.means,
            "deviations": self.deviations,
            "window": self.window,
            "horizon": self.horizon,
            "cell": self.cell.name,
            "hidden_size": self.encoder.hidden_size,
            "num_layers": self.encoder.num_layers,
            "residual": self.encoder.residual,
            "bidirectional": self.encoder.bidirectional,
            "input_features": self.input_features,
            "dropout": self.encoder.dropout,
            "columns": asdict(self.columns),
            "smoothing": self.smoothing,
            "sizes": self.sizes,
        }

    @classmethod
    def of_config(cls, config: Mapping[str, Any], cell: Cell | None = None) -> Self:
        """As `Network.of_config`."""
        names = ("means", "deviations", "window", "horizon", "hidden_size", "num_layers", "dropout", "columns")
        given = {name: config[name] for name in names}
        later: dict[str, Any] = {
            "smoothing": config.get("smoothing", 1),
            "residual": config.get("residual", False),
            "bidirectional": config.get("bidirectional", False),
            "input_features": config.get("input_features"),
        }  # older models have none of them
        return cls(**given, **later, cell=cell or config["cell"], **config["sizes"])
