"""Forecasts of windows in the unit of y, and their figures."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Int64, Integer

from carrousel.data.lazy import in_chunks
from carrousel.data.windows import Windows
from carrousel.heads.distributions import DistributionHead, sample_crps
from carrousel.models.forecaster.baselines import baselines
from carrousel.models.forecaster.figures import Forecasts, Tally, Truth
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Panel

BATCH = 256
AT_ONCE = 1 << 19
"""Numbers of forecasts and truth scored together."""
SCORED = (
    0.025,
    0.1,
    0.25,
    0.5,
    0.75,
    0.9,
    0.975,
)  # levels of a distribution's quantiles, for those figures that need some
DRAWS_SEED = 0


Part = tuple[Integer[np.ndarray, " B"], Forecasts]
"""Numbers of windows, and their forecasts."""


def forecast(
    network: ForecasterNetwork,
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    levels: Sequence[float] | None = None,
    is_scored: bool = False,
) -> Forecasts:
    """The network's forecasts of these windows, all of them; as `forecasts`."""
    return Forecasts.joined([found for _, found in forecasts(network, panel, windows, rows, levels, is_scored)])


def forecasts(
    network: ForecasterNetwork,
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    levels: Sequence[float] | None = None,
    is_scored: bool = False,
) -> Iterator[Part]:
    """The network's forecasts of these windows, a batch at a time.

    Args:
        levels: of the quantiles wanted; those the head has when left out.
        is_scored: also find the CRPS, which looks at the truth.

    Raises:
        ConfigError: the head has no such quantiles.
    """
    network.eval()
    generator = torch.Generator().manual_seed(DRAWS_SEED)
    wanted = own_levels(network) if levels is None else tuple(levels)
    for begin in range(0, len(rows), BATCH):
        some = rows[begin : begin + BATCH]
        yield some, _forecast(network, panel, windows, some, wanted, is_scored, generator)


def own_levels(network: ForecasterNetwork) -> tuple[float, ...]:
    """The quantiles that figures are made from."""
    head = network.head
    if hasattr(head, "levels"):
        return tuple(round(level, 6) for level in head.levels.tolist())
    return SCORED if isinstance(head, DistributionHead) else ()


def measure(
    network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]
) -> dict[str, float]:
    """Figures of the network on these windows; forecasts of some of them are held at a time."""
    tally, parts = Tally(is_probabilistic(network)), forecasts(network, panel, windows, rows, is_scored=True)
    for some in in_chunks(parts, AT_ONCE, lambda part: part[1].quantiles.size + 4 * part[1].point.size):
        chosen = np.concatenate([rows for rows, _ in some])
        tally.add(Truth.of(panel, windows, chosen), Forecasts.joined([found for _, found in some]))
    return tally.figures()


def measure_each(
    network: ForecasterNetwork, panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"]
) -> dict[str, dict[str, float]]:
    """Series -> figures of the network on its windows; NaN where nothing was observed."""
    series, _ = windows.places(rows)
    return {panel.table.names[k]: measure(network, panel, windows, rows[series == k]) for k in np.unique(series)}


def measure_baselines(
    panel: Panel, windows: Windows, rows: Integer[np.ndarray, " B"], with_crps: bool
) -> Mapping[str, tuple[dict[str, float], str]]:
    """The same figures of the forecasts without a network, and what each is; forecasts of some windows are held at a time."""
    several = max(1, AT_ONCE // (2 * windows.horizon))
    lots = [np.arange(begin, min(begin + several, len(rows))) for begin in range(0, len(rows), several)]
    result: dict[str, tuple[dict[str, float], str]] = {}
    for name, (make, about) in baselines(panel, windows, rows).items():
        tally = Tally(is_probabilistic=False)
        for some in lots:
            tally.add(Truth.of(panel, windows, rows[some]), Forecasts.of_numbers(make(some)))
        figures = tally.figures()
        result[name] = figures | ({"crps": figures["mae"]} if with_crps else {}), about
    return result


def is_probabilistic(network: ForecasterNetwork) -> bool:
    """Whether forecasts have a spread."""
    return bool(own_levels(network))


@torch.no_grad()
def _forecast(
    network: ForecasterNetwork,
    panel: Panel,
    windows: Windows,
    rows: Integer[np.ndarray, " B"],
    levels: tuple[float, ...],
    is_scored: bool,
    generator: torch.Generator,
) -> Forecasts:
    batch, (series, _) = panel.batch(windows, rows).to(network.device), windows.places(rows)
    wanted, crps = torch.tensor(levels, dtype=torch.float64, device=network.device), None
    if network.is_recursive and is_probabilistic(network):
        paths = network.draw(batch, network.model.num_samples, generator).double()
        point, quantiles = paths.median(0).values, paths.quantile(wanted, 0).movedim(0, -1)
        crps = sample_crps(paths, batch.target.double()) if is_scored else None
    else:
        params = network(batch) if not network.is_recursive else network.draw(batch, 1)[0][..., None]
        point = network.head.point(params)
        quantiles = network.head.quantiles(params, wanted) if levels else params[..., :0]
        if is_scored and isinstance(network.head, DistributionHead):
            crps = network.head.crps(params, batch.target)
    row: Int64[np.ndarray, " B"] = series if panel.scaling.names else np.zeros_like(series)
    return Forecasts(
        panel.unscale(point.cpu().numpy(), series),
        panel.unscale(quantiles.cpu().numpy(), series),
        levels,
        None if crps is None else crps.double().cpu().numpy() * panel.scaling.scale[row, 0],
    )
