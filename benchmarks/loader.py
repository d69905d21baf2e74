"""How much of an update goes into making its batch, for every kind of model? It should be less than a tenth.

Each kind trains on the sample of `carrousel new KIND`, with the settings that stand there, without measurements on held-out data
in between. The share is that which `carrousel train` shows as `loader`: seconds in which the run waits for the next batch, by all
seconds. Medians over the updates, after a few that are not counted.

    python benchmarks/loader.py [--updates 40] [--kinds tagger classifier ...] [--json FILE]

Ends with exit code 1 where a share is above the bar.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from carrousel.models.kinds import KINDS, read_settings, write_starter
from carrousel.train.loader_time import TimedBatches
from carrousel.train.loop import Step, train
from carrousel.train.run import build

BAR = 0.10
WARM_UP = 5


@dataclass(frozen=True)
class Row:
    """One line of the table; times in milliseconds."""

    kind: str
    batch_size: int
    hidden_size: int
    batch_ms: float
    update_ms: float
    share: float


def measure(kind: str, folder: Path, updates: int) -> Row:
    """A short training on a kind's sample."""
    path = write_starter(kind, folder)[0]
    found, settings = read_settings(path, ["train.threads=1"])
    made = build(found, settings, "loader")
    plan = replace(made["plan"], updates=WARM_UP + updates, evaluate_every=10**9, checkpoint_every=10**9, monitor="")
    batches, began, waited = cast(TimedBatches[Any], made["training"].batches), time.perf_counter(), 0.0
    times: list[tuple[float, float]] = []
    for event in train(made["training"], made["prepared"].loss, lambda network: {}, plan):
        if isinstance(event, Step):
            now = time.perf_counter()
            times.append((batches.seconds - waited, now - began))
            began, waited = now, batches.seconds
    batch, update = (statistics.median(column) for column in zip(*times[WARM_UP:], strict=True))
    return Row(kind, settings.train.batch_size, settings.model.hidden_size, 1e3 * batch, 1e3 * update, batch / update)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--updates", type=int, default=40)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows: list[Row] = []
    print(f"{'kind':<18} {'batch':>6} {'units':>6} {'batch ms':>9} {'update ms':>10} {'share':>7}")
    for kind in given.kinds:
        with tempfile.TemporaryDirectory() as folder:
            row = measure(kind, Path(folder), given.updates)
        rows.append(row)
        verdict = "" if row.share < BAR else f"  above {BAR:.0%}"
        print(
            f"{row.kind:<18} {row.batch_size:>6} {row.hidden_size:>6} {row.batch_ms:>9.3f} {row.update_ms:>10.1f} "
            f"{row.share:>7.1%}{verdict}",
            flush=True,
        )
    if given.json:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return int(any(row.share >= BAR for row in rows))


if __name__ == "__main__":
    sys.exit(main())
