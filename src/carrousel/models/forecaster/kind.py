"""The kind `forecaster`: long tables of series, split by time, read in windows."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Integer

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.guessing import Guess
from carrousel.data.readers.series import SeriesTable
from carrousel.data.readers.static import Static
from carrousel.data.stretches import Stretches
from carrousel.data.windows import Windows, cut_steps
from carrousel.errors import ConfigError, DataError
from carrousel.models.encoder import draw_for
from carrousel.models.forecaster.backtest import MODEL, back_test
from carrousel.models.forecaster.figures_table import in_order
from carrousel.models.forecaster.forecasts import is_probabilistic, measure, measure_baselines, measure_each
from carrousel.models.forecaster.future import forecast_ahead, lines_ahead
from carrousel.models.forecaster.material import MOST_SCORED, Material, read_like, spread
from carrousel.models.forecaster.network import ForecasterNetwork
from carrousel.models.forecaster.panel import Batch, Panel
from carrousel.models.forecaster.settings import ForecasterSettings
from carrousel.models.forecaster.shown import columns, examples, gates, pictures, place
from carrousel.models.options import SWITCH, TEXT, WHOLE, check_options
from carrousel.models.samples import sample_files
from carrousel.train.figures import THIS_MODEL
from carrousel.train.kind import Figures, Kind, Measured, Prepared
from carrousel.train.loop import Loss

EVALUATE = {"static": TEXT, "each": SWITCH, "windows": WHOLE, "step": WHOLE}
PREDICT = {"static": TEXT, "plot": TEXT, "history": WHOLE}
LISTS = ("level", "series")
"""Options of `predict` that are one value or a list, which is not checked with the others."""
NUM_PICTURES = 4

LOSSES = {"quantile": "pinball loss", "median": "absolute error", "mean": "squared error"}
"""Head -> what its loss is, of y as it was scaled; the others are distributions, which are learned by -ln p."""


class _Drawn(NamedTuple):
    """Windows to learn from, and their numbers."""

    rows: Integer[np.ndarray, " B"]
    batch: Batch


class ForecasterKind(Kind[ForecasterSettings]):
    """The next steps of series, from their past and from covariates."""

    name = "forecaster"
    about = "the next steps of time series, with intervals"
    Settings = ForecasterSettings

    def prepare(self, settings: ForecasterSettings, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is a frame or `SeriesTable` of series, or a pair of it and a static frame."""
        found = Material.of(settings, data, where)
        table, panel, learned, held_out = found.table, found.panel, found.learned, found.held_out
        rows = spread(len(held_out), MOST_SCORED)
        network = ForecasterNetwork(found.recipe, settings.model)
        has_crps = is_probabilistic(network)
        batch_size = min(settings.train.batch_size, len(learned))
        order = Bucketed(_equal(len(learned)), batch_size, settings.train.seed, drop_last=True)

        def loss(network: ForecasterNetwork, drawn: _Drawn, carried: Any) -> Loss:
            batch = drawn.batch.to(network.device)
            return Loss(network.loss(batch, draw_for(drawn.rows.tolist())), None, max(1, int(batch.weight.sum())))

        return Prepared(
            network=network,
            batches=BatchesOf(order, lambda rows, _: _Drawn(rows, panel.batch(learned, rows))),
            loss=loss,
            evaluate=lambda network: measure(network, panel, held_out, rows),
            monitor="crps" if has_crps else "mase" if found.has_mase else "mae",
            is_higher_better=False,
            name=Path(table.source).stem,
            source=table.source,
            unit="steps of the horizon",
            loss_unit=LOSSES.get(settings.model.head, "nats"),
            fingerprint=fingerprint(table, found.static),
            size=found.describe(),
            baselines=lambda: measure_baselines(panel, held_out, rows, has_crps),
            examples=lambda network: examples(network, panel, held_out, rows),
            pictures=lambda network: pictures(network, panel, held_out, rows[spread(len(rows), NUM_PICTURES)]),
            gates=lambda network: gates(network, panel, held_out, int(rows[-1])),
            columns=lambda drawn: columns(panel, learned, drawn.rows),
            store=table.told,
            ids=lambda drawn: [place(panel, learned, int(row)) for row in drawn.rows],
            notes={"findings": list(table.findings), "frequency": str(table.frequency), "season": found.recipe.season},
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> ForecasterNetwork:
        """As `Kind.load`."""
        return ForecasterNetwork.from_pretrained(folder, where=where)

    def evaluate(
        self, network: ForecasterNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """Figures on all steps of a table that come after what the network learned from, each forecast once."""
        panel, windows = self.held_out(network, data, where, skip_bad)
        return measure(network, panel, windows, np.arange(len(windows)))

    def evaluate_with(
        self,
        network: ForecasterNetwork,
        data: Any,
        options: Mapping[str, Any],
        where: str = "evaluate",
        *,
        skip_bad: bool = False,
    ) -> Measured:
        """As `Kind.evaluate_with`, beside persistence, seasonal-naive, drift and the mean.

        Args:
            options: `static`, the path of the table of what does not change; `each`, figures of each series, too; `windows`, dates
                from which to forecast the horizon after each, the last one a horizon before the end of the data, and `step`,
                from one to the next (a horizon).
        """
        check_options(options, EVALUATE, where)
        data = _with_static(data, options)
        if "windows" in options or "step" in options:
            if options.get("each"):
                raise ConfigError(f"{where}: each and windows are given, expected one of them. Leave one out.")
            return self._back_test(network, data, options, where, skip_bad)
        panel, windows = self.held_out(network, data, where, skip_bad)
        rows = np.arange(len(windows))
        beside = measure_baselines(panel, windows, rows, is_probabilistic(network))
        each = measure_each(network, panel, windows, rows) if options.get("each") else {}
        return Measured(
            in_order(measure(network, panel, windows, rows)),
            {name: in_order(found) for name, (found, _) in beside.items()},
            {name: {THIS_MODEL: in_order(found)} for name, found in each.items()},
        )

    def _back_test(
        self, network: ForecasterNetwork, data: Any, options: Mapping[str, Any], where: str, skip_bad: bool
    ) -> Measured:
        if "windows" not in options:
            raise ConfigError(f"{where}: step is given without windows, expected both. Say how many: windows=5")
        table, static = read_like(network, data, where, skip_bad)
        step = options.get("step", network.model.horizon)
        found, told = back_test(network, table, static, options["windows"], step, where)
        parts = {f"from {begin}": _this_first(figures) for begin, figures in found.by_window.items()}
        whole = _this_first(found.figures)
        return Measured(whole.pop(THIS_MODEL), whole, parts, told)

    def held_out(
        self, network: ForecasterNetwork, data: Any, where: str = "evaluate", skip_bad: bool = False
    ) -> tuple[Panel, Windows]:
        """What `evaluate` measures: windows side by side after what the network learned from.

        Raises:
            DataError: there is not one.
        """
        recipe, model = network.recipe, network.model
        table, static = read_like(network, data, where, skip_bad)
        lengths = table.values.lengths
        until = recipe.learned_until
        begins = lengths * 0 if until is None else cut_steps(table.starts, lengths, table.frequency, until)
        known = np.maximum(begins, model.min_context or model.context)  # before the first step that is forecast
        panel = Panel(table, static, recipe, np.minimum(known, lengths))
        windows = Windows(
            panel.offsets,
            model.context,
            model.horizon,
            begins=begins,
            min_context=model.min_context,
            stride=model.horizon,
        )
        if not len(windows):
            after = "" if until is None else f" from {table.text(until)} on, where what the network learned from ends"
            raise DataError(
                f"{where}: {table.source} has no {model.horizon} steps to forecast{after}, expected that many after "
                f"{model.min_context or model.context} to read. Give later or longer series."
            )
        return panel, windows

    def predict(
        self,
        network: ForecasterNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """Lines of a CSV table: the steps after the last observed y of each series, which each line names.

        Args:
            options: `level`, the intervals in percent, such as [80, 95]; `static`, the path of the table of what does not change;
                `plot`, a .png, .svg or .pdf to draw history and forecasts into, with `series`, the names of those to draw (one or
                a list; the first four when left out) and `history`, the steps to show before the forecast.
        """
        level, series = (options.pop(name, None) for name in LISTS)
        check_options(options, PREDICT, where, LISTS)
        if "plot" not in options and (series is not None or "history" in options):
            name = "history" if series is None else "series"
            raise ConfigError(
                f"{where}: {name} is given without plot, expected a picture. Name a file: plot=forecast.png"
            )
        table, static = read_like(network, _with_static(data, options), where, skip_bad)
        if "plot" not in options:
            yield from lines_ahead(network, table, static, level, where)
            return
        several = cast(list[Any], series) if isinstance(series, list) else [series]
        found = forecast_ahead(network, table, static, level, where)
        found.plot(options["plot"], None if series is None else list(map(str, several)), options.get("history"))
        yield from found.lines()

    def form(self, settings: ForecasterSettings, path: Path, where: str = "check") -> Guess:
        """As `Kind.form`."""
        return Guess("series", self.name, (settings.data.unique_id, settings.data.ds, settings.data.y))

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`."""
        return sample_files("forecaster")


def _this_first(found: Mapping[str, Mapping[str, float]]) -> dict[str, Mapping[str, float]]:
    """Figures of a back-test as `Measured` has them."""
    return {THIS_MODEL if name == MODEL else name: in_order(figures) for name, figures in found.items()}


def fingerprint(table: SeriesTable, static: Static | None) -> str:
    """Of everything that is learned from."""
    digest = hashlib.sha256("\0".join([*table.names, *table.columns.channels, table.frequency.name]).encode())
    for block in Stretches.of(table.values).blocks():
        digest.update(np.ascontiguousarray(block).data)
    for array in (table.values.offsets, table.starts):
        digest.update(np.ascontiguousarray(array).data)
    digest.update(repr(static).encode())
    return digest.hexdigest()


def _with_static(data: Any, options: Mapping[str, Any]) -> Any:
    """A table, or a pair of it and the static table that the options name."""
    return (data, Path(options["static"])) if "static" in options else data


def _equal(number: int) -> Integer[np.ndarray, " N"]:
    """Windows all count as equally long: padding is rare among them, and a batch should be a mixture."""
    return np.zeros(number, np.int8)


KIND = ForecasterKind()
