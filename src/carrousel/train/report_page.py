"""report.html: what a run did on one page, in one file that a browser opens without a network."""

import json
import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from carrousel.errors import counted
from carrousel.files import write_atomically
from carrousel.train.charts import Chart, Line, Point, thinned
from carrousel.train.differences import Part, differences
from carrousel.train.fan import Fan
from carrousel.train.figures import THIS_MODEL, label, shown
from carrousel.train.heat_map import HeatMap, heat_map
from carrousel.train.progress import clock
from carrousel.train.run_record import RunRecord, read_run
from carrousel.train.settings import Section, Settings

if TYPE_CHECKING:
    from jinja2 import Template

PAGE = "report.html"
MOST_EXAMPLES = 30
MOST_WARNINGS = 20
MOST_BESIDE = 4  # figures beside which there is room for what a model is; with more it stands below
LONGEST_NOTE = 24  # characters of what else a kind has to say; longer ones are in summary.json
MOST_WORDS = 40  # under a heat map
LOGGED = re.compile(r"warning|error|not finite|\bnan\b|stopped", re.IGNORECASE)


@dataclass(frozen=True)
class Row:
    """A model or baseline in the table of figures; `share` is the length of its bar in per cent."""

    name: str
    cells: Sequence[str]
    about: str
    share: float | None
    is_model: bool


@dataclass(frozen=True)
class SettingRow:
    """A setting, and whether it is another than its default."""

    name: str
    value: str
    default: str = ""
    about: str = ""
    is_changed: bool = False


def write_report(folder: Path, settings: type[Settings] | None = None, where: str = "report") -> Path:
    """Write report.html of a run, finished or not, and give its path.

    Args:
        folder: of the run.
        settings: the kind's settings, from which defaults and meanings are taken; without them no setting is marked as changed.

    Raises:
        DataError: no run folder, or one that cannot be written to.
    """
    path = folder / PAGE
    write_atomically(path, page(read_run(folder, where), settings).encode())
    return path


def page(record: RunRecord, settings: type[Settings] | None = None) -> str:
    """The page about what a run folder holds."""
    summary = record.summary or {}
    kind = str(summary.get("kind") or record.settings.get("kind") or "run")
    source = str(summary.get("source") or record.path.name)
    heading = f"{kind.replace('-', ' ').capitalize()}: {source}"
    layers = list(_layers(record))
    faults = list(record.faults)
    if record.summary is None:
        done = record.steps[-1]["update"] if record.steps else 0
        faults.append(f"This run has not come to its end: {done:,} updates were made so far")
    return render(
        "report.html",
        {
            "title": f"{heading} · Carrousel",
            "heading": heading,
            "kind": f"A run of Carrousel in {record.path.absolute()}",
            "size": summary.get("size", ""),
            "faults": faults,
            "facts": list(_facts(summary)),
            **_figures(summary),
            "charts": [*_charts(record), *_lags(record)],
            "gallery": _gallery(record),
            "layers": layers,
            **_examples(record),
            "sample": record.sample,
            **_settings(record, settings),
            "command": _command(record),
            "warnings": [line for line in record.log if LOGGED.search(line)][-MOST_WARNINGS:],
            "log": "\n".join(record.log),
            "log_lines": f"{len(record.log):,}",
            "footer": footer(),
        },
    )


def render(name: str, values: Mapping[str, Any]) -> str:
    """A page of the folder `pages` with these values, all of them escaped but the style, the script and the charts."""
    return _template(name).render(values, style=_file("style.css"), script=_file("hover.js")) + "\n"


@cache
def _template(name: str) -> "Template":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, loader=FunctionLoader(_file)).get_template(name)


@cache
def _file(name: str) -> str:
    return (files("carrousel.train") / "pages" / name).read_text(encoding="utf-8")


def footer() -> str:
    """The last line of a page."""
    return f"Written by Carrousel {version('carrousel')}. All of it is in this one file."


def _facts(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The few numbers that stand at the top."""
    if not summary:
        return
    monitor = summary["monitor"]
    if monitor in summary["figures"]:
        yield label(monitor), shown(summary["figures"][monitor])
    if "parameters" in summary:
        yield "parameters", f"{summary['parameters']:,}"
    best = summary.get("best_update")
    yield (
        ("updates, best at" if best else "updates"),
        (f"{summary['updates']:,}" + (f" / {best:,}" if best and best != summary["updates"] else "")),
    )
    if "seconds" in summary:
        yield "training time", clock(summary["seconds"])
    if summary.get("loader_share"):
        yield "of it making batches", f"{100 * summary['loader_share']:.0f} %"
    for name, value in cast(Mapping[str, Any], summary.get("notes") or {}).items():
        several = ", ".join(map(str, cast(list[Any], value))) if isinstance(value, list) else str(value)
        text = shown(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else several
        if text and len(text) <= LONGEST_NOTE:
            yield label(name), text


def _figures(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The table of figures: the model among what it is compared with, from the worst to the best."""
    if not summary:
        return {"rows": [], "columns": [], "bar_name": "", "better": "", "notes": []}
    monitor, figures = summary["monitor"], summary["figures"]
    is_higher_better = bool(summary.get("is_higher_better"))
    found = [(name, line["figures"], line.get("about", "")) for name, line in _baselines(summary).items()]
    found.append((THIS_MODEL, figures, ""))
    values = [line.get(monitor) for _, line, _ in found]
    usable = [value for value in values if value is not None and math.isfinite(value)]
    largest = max(usable, default=0.0) if min(usable, default=0.0) >= 0 else 0.0
    worst = -math.inf if is_higher_better else math.inf

    def rank(row: tuple[str, Mapping[str, float], str]) -> float:
        value = row[1].get(monitor, worst)
        return value if is_higher_better else -value

    rows: list[Row] = []
    for name, line, about in sorted(found, key=rank):
        value = line.get(monitor)
        share = round(100 * value / largest, 1) if value is not None and largest and math.isfinite(value) else None
        cells = [shown(line[column]) if column in line else "" for column in figures]
        rows.append(Row(name, cells, about, share, name == THIS_MODEL))
    best = "the largest is best" if is_higher_better else "the smallest is best"
    return {
        "rows": rows,
        "notes": [f"{row.name}: {row.about}" for row in rows if row.about] if len(figures) > MOST_BESIDE else [],
        "columns": [label(name) for name in figures],
        "bar_name": label(monitor) if largest else "",
        "better": f"Sorted by {label(monitor)}, of which {best}; measured on data that was held out from training.",
    }


def _charts(record: RunRecord) -> Iterator[dict[str, str]]:
    """Training loss, held-out figures, learning rate and gradient norm over the updates."""
    summary = record.summary or {}
    if points := _points(record.steps, "loss"):
        yield _chart("Training loss", str(summary.get("loss_unit", "")), Chart(thinned("loss", points)))
    monitor = str(summary.get("monitor", ""))
    names = {name: None for line in record.evaluations for name in line["figures"]}
    for name in sorted(names, key=lambda name: name != monitor):
        points = [(line["update"], line["figures"].get(name)) for line in record.evaluations]
        if points := _finite(points):
            levels = _levels(summary, name, points) if name == monitor else []
            best = next((point for point in points if point[0] == summary.get("best_update")), None)
            chart = Chart(
                Line(label(name), points, has_marks=True), levels=levels, best=best if name == monitor else None
            )
            about = "ring: weights kept" if name == monitor and best else ""
            yield _chart(f"Held-out {label(name)}", about, chart)
    for key, title in (("learning_rate", "Learning rate"), ("gradient_norm", "Gradient norm, before clipping")):
        if points := _points(record.steps, key):
            smallest, largest = min(y for _, y in points), max(y for _, y in points)
            is_logarithmic = key == "gradient_norm" and smallest > 0 and largest / smallest > 50
            chart = Chart(thinned(title.partition(",")[0].lower(), points), is_logarithmic=is_logarithmic)
            yield _chart(title, "logarithmic" if is_logarithmic else "", chart)


def _lags(record: RunRecord) -> Iterator[dict[str, str]]:
    """How much of the gradient reaches how far back, in each recurrent layer, where the run looked."""
    diagnosis = record.diagnosis or {}
    for layer, figures in cast(Mapping[str, Any], diagnosis.get("layers") or {}).items():
        norms = _finite(list(enumerate(cast(list[float], figures.get("gradient_by_lag", [])))))
        points = [(lag, norm) for lag, norm in norms if norm > 0]
        if len(points) > 1:
            is_logarithmic = max(y for _, y in points) / min(y for _, y in points) > 50
            chart = Chart(Line("gradient norm", points), x_label="steps back", is_logarithmic=is_logarithmic)
            about = f"at update {diagnosis.get('update')}" + (", logarithmic" if is_logarithmic else "")
            yield _chart(f"Gradient by time lag, {layer}", about, chart)


def _command(record: RunRecord) -> str:
    """What makes the run again; paths outside its folder are named on the command line."""
    data = record.settings.get("data")
    paths = [
        f"data.{name}={value}"
        for name, value in (cast(dict[str, Any], data).items() if isinstance(data, dict) else ())
        if isinstance(value, str) and Path(value).is_absolute()
    ]
    return shlex.join(["carrousel", "train", str(record.path / "config.yaml"), *paths])


def _chart(title: str, about: str, chart: Chart) -> dict[str, str]:
    return {"title": title, "about": about, "svg": chart.svg()}


def _points(lines: Sequence[Mapping[str, Any]], key: str) -> list[Point]:
    return _finite([(line.get("update"), line.get(key)) for line in lines])


def _finite(points: Sequence[tuple[Any, Any]]) -> list[Point]:
    """The points of two finite numbers."""
    return [
        (x, y) for x, y in points if isinstance(x, int) and isinstance(y, (int, float)) and math.isfinite(y)
    ]  # fmt: skip


def _levels(summary: Mapping[str, Any], name: str, points: Sequence[Point]) -> list[tuple[str, float]]:
    """The baselines, but those so far off that nothing else would be seen."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    reach = 2 * max(high - low, abs(points[-1][1]) / 4)
    found = [(baseline, line["figures"].get(name)) for baseline, line in _baselines(summary).items()]
    return [(baseline, y) for baseline, y in found if y is not None and low - reach <= y <= high + reach]


def _baselines(summary: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return summary.get("baselines") or {}


def _layers(record: RunRecord) -> Iterator[dict[str, Any]]:
    """The heat maps of each recurrent layer."""
    for layer in (record.gates or {}).get("layers", []):
        words = [str(word) for word in layer.get("steps") or (record.gates or {}).get("steps", [])]
        maps: list[dict[str, Any]] = []
        for name, values in layer.get("values", {}).items():
            try:
                maps.append(_map(heat_map(name, values), words))
            except ValueError as error:
                record.faults.append(f"gates.json: {error}")
        yield {"name": layer.get("cell", ""), "maps": maps}


def _gallery(record: RunRecord) -> dict[str, Any] | None:
    """Pictures of single sequences, drawn."""
    if record.pictures is None or not record.pictures.pictures:
        return None
    drawn = [
        {"title": one.title, "svg": one.svg(), "is_wide": isinstance(one, Fan)} for one in record.pictures.pictures
    ]
    return {"title": record.pictures.title, "about": record.pictures.about, "pictures": drawn}


def _map(found: HeatMap, words: Sequence[str]) -> dict[str, Any]:
    data = {"name": found.name, "steps": found.num_steps, "units": found.num_units, "low": found.low, "high": found.high,
            "numbers": found.numbers, "words": words[: found.num_steps]}  # fmt: skip
    shown_words: Sequence[str] = words[: found.num_steps] if found.num_steps <= MOST_WORDS else ()
    return {**asdict(found), "data": json.dumps(data), "words": [_visible(word) for word in shown_words]}


def _visible(word: str) -> str:
    """A word under a heat map; a line feed and a blank are drawn, as a character model reads them."""
    return {"\n": "↵", " ": "␣", "\t": "⇥"}.get(word, word)


def _seen(part: Part) -> Part:
    """A part with its white space drawn, where that is all there is to it and it differs."""
    if part.differs and not part.text.strip():
        return Part("".join(_visible(letter) for letter in part.text), True)
    return part


def _examples(record: RunRecord) -> dict[str, Any]:
    """Held-out examples with the parts marked in which expected and predicted differ."""
    found: list[dict[str, Any]] = []
    for example in record.examples[:MOST_EXAMPLES]:
        expected, predicted = (str(example.get(name, "")) for name in ("expected", "predicted"))
        is_right = expected == predicted
        is_compared = bool(expected) and not is_right
        ours, theirs = (
            differences(expected, predicted) if is_compared else ([Part(expected, False)], [Part(predicted, False)])
        )
        ours, theirs = ([_seen(part) for part in parts] for parts in (ours, theirs))
        loss = example.get("loss")
        found.append(
            {
                "given": str(example.get("given", "")),
                "expected": ours if expected else [],
                "predicted": theirs,
                "is_right": is_right,
                "loss": shown(loss) if isinstance(loss, (int, float)) else "",
            }
        )
    wrong = sum(not example["is_right"] for example in found)
    about = counted(len(found), "held-out example")
    if any(example["expected"] for example in found):
        about += f", {wrong} of them wrong somewhere; what differs is underlined"
    return {"examples": found, "examples_about": f"{about}."}


def _settings(record: RunRecord, settings: type[Settings] | None) -> dict[str, Any]:
    """All settings in their sections, with those marked that are not as they would be by default."""
    sections: list[dict[str, Any]] = []
    for name, values in record.settings.items():
        if isinstance(values, Mapping):
            section = _section(settings, name)
            rows = [_row(key, value, section) for key, value in cast(Mapping[str, Any], values).items()]
            sections.append({"name": name, "rows": rows})
    changed = sum(row.is_changed for section in sections for row in section["rows"])
    about = f"{changed} of them are not as they would be by default." if settings else "As config.yaml has them."
    return {"sections": sections, "settings_about": about, "has_defaults": settings is not None}


def _section(settings: type[Settings] | None, name: str) -> Section | None:
    """The defaults of a section."""
    if settings is None or name not in settings.model_fields:
        return None
    return cast(Section, settings.model_fields[name].get_default(call_default_factory=True))


def _row(name: str, value: Any, defaults: Section | None) -> SettingRow:
    if defaults is None or name not in type(defaults).model_fields:
        return SettingRow(name, _value(value))
    default = getattr(defaults, name)
    about = type(defaults).model_fields[name].description or ""
    default = defaults.model_dump(mode="json").get(name) if not isinstance(default, float) else default
    return SettingRow(name, _value(value), _value(default), about, value != default)


def _value(value: Any) -> str:
    """A value as a settings file has it.

    >>> _value(None), _value(True), _value(math.inf)
    ('null', 'true', '.inf')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.replace("Infinity", ".inf") if isinstance(value, float) else text
