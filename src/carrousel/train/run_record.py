"""What a run folder holds, read back: whole, unfinished or damaged, and said which."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import yaml

from carrousel.errors import DataError
from carrousel.train.pictures import Gallery

LOADER: Any = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # as safe, and twenty times as fast: a list reads hundreds of files
SUMMARY_NEEDS = {"kind": str, "source": str, "figures": dict, "monitor": str, "updates": int}

T = TypeVar("T")


class Metrics(NamedTuple):
    """Lines of metrics.jsonl: about updates, about held-out data, and looks at gradients, gates and updates."""

    steps: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    diagnoses: list[dict[str, Any]]


@dataclass(frozen=True)
class RunRecord:
    """A run folder's content.

    Attributes:
        path: of the folder.
        settings: sections of config.yaml, with `kind` beside them; empty where the file cannot be read.
        summary: of a finished run; None before.
        steps: lines of metrics.jsonl about an update.
        evaluations: lines of metrics.jsonl about held-out data.
        diagnosis: the last look at gradients, gates and updates; None where there was none.
        examples: of held-out sequences.
        pictures: of what the network does on single sequences; None where the kind has none.
        gates: values of the recurrent layers on one example; None where the kind has none.
        sample: a text that shows what was learned.
        log: lines of log.txt.
        faults: what is damaged, each as a sentence without a full stop.
    """

    path: Path
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    summary: Mapping[str, Any] | None = None
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    evaluations: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    diagnosis: Mapping[str, Any] | None = None
    examples: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    pictures: Gallery | None = None
    gates: Mapping[str, Any] | None = None
    sample: str = ""
    log: list[str] = field(default_factory=list[str])
    faults: list[str] = field(default_factory=list[str])


def read_run(path: Path, where: str = "report") -> RunRecord:
    """Everything in a run folder; what is damaged is left out and named in `faults`.

    Raises:
        DataError: nothing at `path` is a run folder.
    """
    if not is_run(path):
        what = "has no config.yaml" if path.is_dir() else "is a file" if path.exists() else "does not exist"
        raise DataError(f"{where}: {path} {what}, expected a run folder that `carrousel train` made. Check the path.")
    faults: list[str] = []
    lines = read_metrics(path, faults)
    return RunRecord(
        path=path,
        settings=read_settings(path, faults),
        summary=read_summary(path, faults),
        steps=lines.steps,
        evaluations=lines.evaluations,
        diagnosis=lines.diagnoses[-1] if lines.diagnoses else None,
        examples=_read(path / "examples.json", _examples, faults) or [],
        pictures=_read(path / "pictures.json", _gallery, faults),
        gates=_read(path / "gates.json", _mapping, faults),
        sample=_read(path / "sample.txt", str, faults) or "",
        log=(_read(path / "log.txt", str, faults) or "").splitlines(),
        faults=faults,
    )


def is_run(path: Path) -> bool:
    """Whether a folder was made by a run."""
    return (path / "config.yaml").is_file()


def read_settings(path: Path, faults: list[str]) -> Mapping[str, Any]:
    """The settings in config.yaml, nested."""
    return _read(path / "config.yaml", lambda text: _dict(yaml.load(text, LOADER)), faults) or {}


def read_summary(path: Path, faults: list[str]) -> Mapping[str, Any] | None:
    """summary.json, with everything in it that a table needs; None where there is none."""
    return _read(path / "summary.json", _summary, faults)


def read_not_finite(path: Path, faults: list[str]) -> Mapping[str, Any] | None:
    """not_finite.json, with update, loss and gradient_norm in it; None where there is none."""
    return _read(path / "not_finite.json", _not_finite, faults)


def read_metrics(path: Path, faults: list[str]) -> Metrics:
    """The lines of metrics.jsonl."""
    lines = (_read(path / "metrics.jsonl", str, faults) or "").splitlines()
    return sort_metrics(lines, faults)


def sort_metrics(lines: list[str], faults: list[str], first: int | None = 1) -> Metrics:
    """Lines of metrics.jsonl by what they are about; the last one may be cut off.

    Args:
        first: number of the first of them in the file; None where it is not known.
    """
    found = Metrics([], [], [])
    for k, text in enumerate(lines):
        try:
            line = _mapping(text)
            _of_type(line.get("update"), int)
            if "figures" in line:
                _of_type(line["figures"], dict)
                found.evaluations.append(line)
            elif "diagnosis" in line:
                found.diagnoses.append(_dict(line["diagnosis"]))
            elif "loss" in line:
                found.steps.append(line)
        except ValueError:
            if k < len(lines) - 1:  # a run that is being written, or was killed, ends in half a line
                which = "a line" if first is None else f"line {first + k:,}"
                faults.append(f"{which} of metrics.jsonl is damaged")
    return found


def _read(path: Path, parse: Callable[[str], T], faults: list[str]) -> T | None:
    """What a file says; None where it is missing or, with a fault noted, damaged."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        faults.append(f"{path.name} cannot be read ({error.strerror})")
    except (ValueError, yaml.YAMLError):
        faults.append(f"{path.name} is damaged")
    return None


def _mapping(text: str) -> dict[str, Any]:
    return _dict(json.loads(text))


def _examples(text: str) -> list[dict[str, Any]]:
    return [_dict(found) for found in cast(list[Any], _of_type(json.loads(text), list))]


def _gallery(text: str) -> Gallery:
    try:
        return Gallery.from_dict(_mapping(text))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error)) from None


def _summary(text: str) -> dict[str, Any]:
    summary = _mapping(text)
    for name, needed in SUMMARY_NEEDS.items():
        _of_type(summary.get(name), needed)
    return summary


def _not_finite(text: str) -> dict[str, Any]:
    report = _mapping(text)
    _of_type(report.get("update"), int)
    for name in ("loss", "gradient_norm"):
        report[name] = f"{float(report.get(name, 'missing')):.4g}"
    return report


def _dict(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], _of_type(value, dict))


def _of_type(value: Any, needed: type) -> Any:
    if not isinstance(value, needed):
        raise ValueError(f"{value!r} is no {needed.__name__}")
    return value
