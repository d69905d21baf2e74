"""A look at the data of a settings file, as its kind of model will read it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carrousel.data.check import check
from carrousel.data.findings import Findings
from carrousel.errors import ConfigError, DataError
from carrousel.models.kinds import read_settings
from carrousel.train.kind import Figures


def check_settings(
    path: str | Path, overrides: Sequence[str] = (), *, skip_bad: bool = True, where: str = "check"
) -> Findings:
    """What the data of a settings file holds, read with the columns that the file names; then its kind's own split and baselines.

    Args:
        overrides: `key.sub=value` on top.
        skip_bad: count malformed lines and look at the rest, whatever the settings say; if not, the first one is an error.

    Raises:
        ConfigError: wrong settings, all faults together, or no data in them.
        DataError: the data cannot be used at all. What would only stop training is told as a doubt.
    """
    kind, settings = read_settings(Path(path), overrides, where)
    train, valid = kind.data_files(settings)
    if train is None:
        raise ConfigError(f"{where}: {path}: the settings name no file of data, expected one. Set data.train.")
    known = kind.form(settings, train, where)
    is_by_time = known.form in ("series", "numbers")
    findings = check(train, valid=None if is_by_time else valid, skip_bad=skip_bad, known=known, where=where)
    _prepare(kind, settings, findings, where)
    return findings


def _prepare(kind: Any, settings: Any, findings: Findings, where: str) -> None:
    """Put the kind's own account in place of the one that holds for any model."""
    try:
        prepared = kind.prepare(settings, where)
        baselines = prepared.baselines()
    except (ConfigError, DataError) as error:
        findings.doubts.insert(0, f"With these settings training would stop: {error}")
        return
    findings.facts["split"] = prepared.size
    shown: dict[str, tuple[Figures, str]] = {}
    for name, (figures, about) in baselines.items():
        shown[name] = ({figure.replace("_", " "): value for figure, value in figures.items()}, about)
    findings.baselines = shown
