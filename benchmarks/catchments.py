"""Daily rain, temperature and discharge of catchments as one table, and what does not change of each as another.

Fulda comes out of the package spotpy. The others are of CAMELS-US (Newman et al., Hydrol. Earth Syst. Sci. 19, 2015; Creative
Commons Attribution 4.0), which is in no package: FOLDER/camels is expected to be a folder of it, or of a part of it, with

    camels_attributes_v2.0/camels_name.txt, camels_topo.txt
    basin_mean_forcing/nldas/*/GAUGE_lump_nldas_forcing_leap.txt
    usgs_streamflow/*/GAUGE_streamflow_qc.txt

Steps are days since the start of a record, for the records are of different decades.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
from jaxtyping import Float64
from packages import member_of

SPOTPY = "spotpy==1.6.7", "add77c4e17f49ecf54865a0f04008aee375d0c64c09a0fe6b3be392f7a280808"
YEARS = 8
TRAIN_DAYS = 1826  # five years; a year of validation and two of test follow
CAMELS_BEGIN, FULDA_BEGIN = date(1993, 10, 1), date(1981, 1, 1)
FULDA_AREA, FULDA_LATITUDE = 2976.41, 50.8  # km², as spotpy's example of it has; degrees, roughly its middle
CUBIC_FOOT = 0.3048**3  # m³
Days = Float64[np.ndarray, " T"]


@dataclass(frozen=True)
class Catchment:
    """A catchment and its record.

    Attributes:
        name: of the river, or the gauge's number.
        area: km².
        latitude: degrees.
        begin: first day.
        rain: mm a day.
        temperature: mean of the day, °C.
        discharge: mm a day; NaN where not observed.
    """

    name: str
    area: float
    latitude: float
    begin: date
    rain: Days
    temperature: Days
    discharge: Days

    def evaporation(self) -> Days:
        """Potential evaporation, mm a day, of temperature and the sun's path.

        Source: Oudin et al., "Which potential evapotranspiration input for a lumped rainfall-runoff model? Part 2", J. Hydrology
        303, 2005: R / λρ · (T + 5) / 100 where T > -5, else 0; R, radiation above the air: FAO irrigation paper 56, equation 21.
        """
        day = np.array([(self.begin + timedelta(k)).timetuple().tm_yday for k in range(len(self.rain))])
        latitude, angle = np.radians(self.latitude), 2 * np.pi * day / 365
        declination = 0.409 * np.sin(angle - 1.39)
        sunset = np.arccos(np.clip(-np.tan(latitude) * np.tan(declination), -1, 1))
        height = sunset * np.sin(latitude) * np.sin(declination)
        height += np.cos(latitude) * np.cos(declination) * np.sin(sunset)
        radiation = 24 * 60 / np.pi * 0.0820 * (1 + 0.033 * np.cos(angle)) * height  # MJ a day and m²
        return np.where(self.temperature > -5, radiation / 2.45 * (self.temperature + 5) / 100, 0.0)

    def attributes(self) -> dict[str, float]:
        """What does not change, from the training part of the record alone."""
        rain, temperature = self.rain[:TRAIN_DAYS], self.temperature[:TRAIN_DAYS]
        return {
            "area": round(self.area),
            "mean_rain": rain.mean(),
            "aridity": self.evaporation()[:TRAIN_DAYS].mean() / rain.mean(),
            "snow": rain[temperature < 0].sum() / rain.sum(),  # part of what falls that falls in frost
            "wet_days": (rain >= 1).mean(),
        }


def fulda(folder: Path) -> Catchment:
    """The Fulda in Hesse."""
    content = member_of(*SPOTPY, "spotpy/examples/cmf_data/fulda_climate.csv", folder / "packages").decode()
    rows = [*csv.DictReader(io.StringIO(content))][1:]  # the first holds the units
    begin = datetime.strptime(rows[0]["date"], "%d.%m.%Y").date()
    first = (FULDA_BEGIN - begin).days
    rain, temperature, discharge = (
        np.array([float(row[name]) for row in rows[first:]]) for name in ("Prec", "tmean", "Q")
    )
    return Catchment("Fulda", FULDA_AREA, FULDA_LATITUDE, FULDA_BEGIN, rain, temperature, _depth(discharge, FULDA_AREA))


def camels(folder: Path) -> Iterator[Catchment]:
    """All catchments that are there."""
    attributes = folder / "camels_attributes_v2.0"
    topography, names = (
        {row["gauge_id"]: row for row in csv.DictReader((attributes / name).open(), delimiter=";")}
        for name in ("camels_topo.txt", "camels_name.txt")
    )
    num_days = (CAMELS_BEGIN.replace(year=CAMELS_BEGIN.year + YEARS) - CAMELS_BEGIN).days
    days = [CAMELS_BEGIN + timedelta(k) for k in range(num_days)]
    for path in sorted(folder.glob("usgs_streamflow/*/*_streamflow_qc.txt")):
        gauge = path.name.split("_")[0]
        (forcing,) = folder.glob(f"basin_mean_forcing/nldas/*/{gauge}_lump_nldas_forcing_leap.txt")
        if gauge not in topography:
            continue
        climate = {_day(cells): cells for cells in map(str.split, forcing.read_text().splitlines()[4:])}
        flow = {_day(cells[1:]): float(cells[4]) for cells in map(str.split, path.read_text().splitlines())}
        area = float(topography[gauge]["area_gages2"])
        seen = np.array([flow.get(day, -999.0) for day in days])
        yield Catchment(
            _river(names[gauge]["gauge_name"]),
            area,
            float(topography[gauge]["gauge_lat"]),
            CAMELS_BEGIN,
            np.array([float(climate[day][5]) for day in days]),
            np.array([(float(climate[day][8]) + float(climate[day][9])) / 2 for day in days]),
            _depth(np.where(seen < 0, np.nan, seen * CUBIC_FOOT), area),
        )


def write_tables(catchments: Sequence[Catchment], folder: Path) -> tuple[Path, Path]:
    """rainfall.csv, a row for each catchment and day, and catchments.csv, a row for each catchment."""
    series, fixed = folder / "rainfall.csv", folder / "catchments.csv"
    with series.open("w", encoding="utf-8") as file:
        print("catchment,day,rain,temperature,discharge", file=file)
        for one in catchments:
            rows = zip(one.rain, one.temperature, one.discharge, strict=True)
            for day, (rain, temperature, discharge) in enumerate(rows, 1):
                observed = "" if np.isnan(discharge) else f"{discharge:.3g}"
                print(f"{one.name},{day},{round(rain, 1):g},{round(temperature, 1) + 0.0:g},{observed}", file=file)
    with fixed.open("w", encoding="utf-8") as file:
        print("catchment", *catchments[0].attributes(), sep=",", file=file)
        for one in catchments:
            print(
                one.name,
                *(f"{value:.3g}" if value < 100 else value for value in one.attributes().values()),
                sep=",",
                file=file,
            )
    return series, fixed


def wettest(catchments: Sequence[Catchment], number: int) -> list[Catchment]:
    """Those with the most rain in the training part, in the order given."""
    kept = sorted(catchments, key=lambda one: -one.attributes()["mean_rain"])[:number]
    return [one for one in catchments if one in kept]


def _depth(volume: Days, area: float) -> Days:
    """m³ a second from so many km² as mm a day."""
    return volume * 86.4 / area


def _day(cells: Sequence[str]) -> date:
    year, month, day = map(int, cells[:3])
    return date(year, month, day)


def _river(gauge_name: str) -> str:
    """'FRENCH BROAD RIVER AT ROSMAN, NC' -> 'French Broad'."""
    words = gauge_name.title().split()
    ends = [k for k, word in enumerate(words) if word in ("River", "Creek", "C", "Near", "Nr", "At", "Above")]
    return " ".join(words[: ends[0]])
