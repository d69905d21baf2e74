"""What `carrousel doctor` finds out: the machine, and for each lowering whether it may be used here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from carrousel.engine.doctor.lowerings import find_lowering, lowerings_here
from carrousel.engine.doctor.machine import Machine, this_machine
from carrousel.engine.doctor.probes import PROBES
from carrousel.engine.doctor.self_test import TOLERANCE, Result, run_checks, summary
from carrousel.engine.verdicts import remember


@dataclass(frozen=True)
class Diagnosis:
    """One lowering on this machine.

    Args:
        lowering: its name.
        serves: where it is used when it is sound.
        results: of its self-test.
        is_kept: whether the verdict could be written down for later processes.
    """

    lowering: str
    serves: str
    results: tuple[Result, ...]
    is_kept: bool

    @property
    def reason(self) -> str:
        """Why it is switched off; empty when it is used."""
        return summary(self.results)

    @property
    def errors(self) -> dict[str, float]:
        """Number format -> largest error met."""
        found = {dtype: [r.error for r in self.results if r.check.dtype == dtype and r.error] for dtype in TOLERANCE}
        return {dtype: max(errors) for dtype, errors in found.items() if errors}


@dataclass(frozen=True)
class Report:
    """All of it."""

    machine: Machine
    diagnoses: tuple[Diagnosis, ...]

    @property
    def problems(self) -> list[str]:
        """One sentence for everything that is not well."""
        found = [f"{d.lowering} is switched off: {d.reason}." for d in self.diagnoses if d.reason]
        found += [
            f"The verdict on {d.lowering} could not be written down: later runs will use it all the same."
            for d in self.diagnoses
            if d.reason and not d.is_kept
        ]
        if not self.machine.is_cache_writable:
            found.append(
                f"{self.machine.cache_folder} cannot be written: every start compiles anew. Set XDG_CACHE_HOME to a folder "
                "that can."
            )
        return found

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        lowerings = [
            {
                "name": d.lowering,
                "is_used": not d.reason,
                "serves": d.serves,
                "reason": d.reason,
                "checks": len(d.results),
                "failed": [f"{r.check}: {r.problem}" for r in d.results if r.problem],
                "largest_error": d.errors,
            }
            for d in self.diagnoses
        ]
        return {"machine": vars(self.machine), "lowerings": lowerings, "problems": self.problems}


def examine(places: Iterable[str] | None = None, probes: Iterable[str] = tuple(PROBES)) -> Report:
    """Test every lowering in a process of its own, and write down which of them may be used here.

    Args:
        places: "module:name" of each lowering; when left out, all that there is a device for.
        probes: names of the steps to run.
    """
    diagnoses = [_diagnose(place, tuple(probes)) for place in (lowerings_here() if places is None else places)]
    return Report(this_machine(), tuple(diagnoses))


def _diagnose(place: str, probes: tuple[str, ...]) -> Diagnosis:
    lowering, results = find_lowering(place), tuple(run_checks(place, probes))
    reason = summary(results)
    return Diagnosis(lowering.name, lowering.serves, results, remember(lowering.name, reason))
