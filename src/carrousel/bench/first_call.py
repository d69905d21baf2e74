"""Our first call in a new process: with nothing on the disk, and with the machine code of an earlier run.

    python -m carrousel.bench.first_call CELL MODE BATCH SIZE STEPS LAYERS DIRECTIONS

prints the seconds from a layer that was just made to the end of its first call, forward and backward in training. Importing
torch and its own first product are not counted.
"""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from carrousel.bench.cases import Case


@dataclass(frozen=True)
class FirstCall:
    """Seconds.

    Args:
        compiled_s: of a first call that makes its machine code.
        cached_s: of one that finds it on the disk.
    """

    compiled_s: float
    cached_s: float


def first_call(case: Case) -> FirstCall:
    """The first call of a case's layer, measured in two new processes."""
    words = [case.cell, case.mode, case.batch, case.size, case.steps, case.num_layers, 1 + case.bidirectional]
    command = [sys.executable, "-m", __name__, *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_CACHE_HOME": folder}
        times = [
            float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
            for _ in range(2)
        ]
    return FirstCall(*times)


def _main(cell: str, mode: str, *numbers: str) -> None:
    import torch

    from carrousel.layers import Recurrent

    batch, size, steps, layers, directions = map(int, numbers)
    warm = torch.randn(size, size, requires_grad=True)
    (warm @ warm).sum().backward()
    x = torch.randn(steps, batch, size)
    layer = Recurrent(cell, size, size, num_layers=layers, bidirectional=directions == 2)
    start = time.perf_counter()
    if mode == "train":
        layer(x)[0].sum().backward()
    elif mode == "stream":
        layer.stream(batch_size=batch).step(x[0])
    else:
        with torch.no_grad():
            layer(x)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    _main(*sys.argv[1:])
