"""`carrousel doctor`: the machine, and whether the engine's machine code is right on it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from carrousel.engine.doctor import Diagnosis, Machine, Report


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one object instead of lines.")] = False,
) -> None:
    """Run the engine's machine code against its definition on this machine, and say what is used and why."""
    from carrousel.engine.doctor import examine

    if not as_json and sys.stderr.isatty():
        print("Testing; the first time on a machine takes a minute ...", file=sys.stderr)
    report = examine()
    print(json.dumps(report.as_dict(), indent=1, ensure_ascii=False) if as_json else _text(report))
    if report.problems:
        raise typer.Exit(1)


def _text(report: "Report") -> str:
    rows = [*_machine(report.machine), ("", ""), *(row for d in report.diagnoses for row in _diagnosis(d))]
    if all(d.lowering != "cuda_graph" for d in report.diagnoses):
        rows.append(("cuda_graph", "not tested: there is no CUDA device here"))
    rows += [("interpret", "used for everything else: the definition, step by step"), ("", "")]
    lines = [f"{name:<11}{value}".rstrip() for name, value in rows]
    return "\n".join([*lines, *(report.problems or ["All is well."])])


def _machine(machine: "Machine") -> list[tuple[str, str]]:
    kept = "can be written" if machine.is_cache_writable else "cannot be written"
    bits = machine.vector_bits
    return [
        ("machine", f"{machine.processor} ({machine.architecture})"),
        ("features", " ".join(machine.features) or "none of note"),
        ("vectors", f"{bits} bits: {bits // 32} numbers of float32, {bits // 64} of float64"),
        ("threads", f"{machine.threads} of torch on {machine.cores} cores"),
        ("versions", ", ".join(f"{name} {version}" for name, version in machine.versions.items())),
        (
            "cache",
            f"{machine.cache_folder}: {kept}; {machine.cached_objects} files, {machine.cached_bytes / 1e6:.1f} MB",
        ),
    ]


def _diagnosis(diagnosis: "Diagnosis") -> list[tuple[str, str]]:
    results = diagnosis.results
    passed = sum(not result.problem for result in results)
    errors = ", ".join(f"{error:.1e} in {dtype}" for dtype, error in diagnosis.errors.items())
    used = f"used for {diagnosis.serves}" if not diagnosis.reason else "switched off"
    counted = f"{passed} of {len(results)} checks agree with interpret"
    rows = [(diagnosis.lowering, f"{used}: {counted}"), ("", f"largest error {errors or 'unknown'}")]
    return rows + [("", f"failed: {result.check}: {result.problem}") for result in results if result.problem]
