"""A look at a file of data before anything is trained on it: what was understood, what may be wrong, what is to be beaten."""

from pathlib import Path

from carrousel.data.checks.cases import check_cases
from carrousel.data.checks.labelled import check_labelled
from carrousel.data.checks.pairs import check_pairs
from carrousel.data.checks.series import check_numbers, check_series
from carrousel.data.checks.tagged import check_tagged
from carrousel.data.checks.text import check_text
from carrousel.data.faults import Faults
from carrousel.data.findings import Findings
from carrousel.data.guessing import FORMS, Guess, guess
from carrousel.data.readers.labelled import Columns
from carrousel.data.readers.series import SeriesColumns
from carrousel.errors import ConfigError


def check(
    path: str | Path,
    kind: str | None = None,
    *,
    valid: str | Path | None = None,
    skip_bad: bool = True,
    known: Guess | None = None,
    where: str = "check",
) -> Findings:
    """What a file or folder of data holds.

    Args:
        kind: of model that it is meant for; None to guess it from the file's name and first lines.
        valid: a file like it that is held out; None for the part that training would hold out.
        skip_bad: count malformed lines and look at the rest; if not, the first one is an error.
        known: what the file is, where that need not be guessed.
        where: what to name in front of an error.

    Raises:
        ConfigError: an unknown kind, a held-out file beside series, which are split by time, or a table whose columns say nothing.
        DataError: the file cannot be used.

    >>> from importlib.resources import files
    >>> sample = files("carrousel.data") / "samples" / "classifier" / "languages.tsv"
    >>> findings = check(str(sample))
    >>> findings.kind, findings.numbers["leaked"]
    ('classifier', 0)
    """
    path, held_out = Path(path), None if valid is None else Path(valid)
    found = known or guess(path, kind, where)
    if held_out is not None and found.form in ("series", "numbers"):
        raise ConfigError(
            f"{where}: valid is {valid}, expected none: {FORMS[found.form]} is split by time. Leave it out."
        )
    findings, faults = Findings(path, found.kind, FORMS[found.form]), Faults(where, skip_bad)
    match found.form:
        case "text":
            check_text(path, held_out, findings, faults)
        case "tagged":
            check_tagged(path, held_out, (found.columns[0], found.columns[1]), findings, faults)
        case "labelled":
            check_labelled(path, held_out, Columns(*found.columns), findings, faults)
        case "pairs":
            check_pairs(path, held_out, (found.columns[0], found.columns[1]), findings, faults)
        case "cases":
            check_cases(path, held_out, findings, faults)
        case "series":
            check_series(SeriesColumns(*found.columns), findings, faults)
        case _:
            check_numbers(list(found.columns), findings, faults)
    if found.form != "series":  # whose reader counts and tells what it skipped itself
        findings.numbers["skipped"] = faults.skipped
    if faults.skipped:
        findings.doubts.insert(0, faults.report())
    return findings
