"""Recording on CUDA: all kernels of a call as one graph, which the GPU replays without waiting for Python.

Not run on a GPU by the project's own tests, which have none; `tests/engine/test_cuda.py` is there for a machine that has.
"""

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

from carrousel.engine.lower.recording import Work

_WARM_UPS = 3
"""As torch.cuda.make_graphed_callables: the libraries choose their kernels and take their workspaces at the first calls."""

_ROOM = 0.25
"""Part of a GPU's memory that must be free, or kept by torch for nothing, before another graph is recorded."""


class CudaRecorder:
    """Records with torch.cuda.CUDAGraph."""

    def __init__(self) -> None:
        self._streams: dict[Hashable, torch.cuda.Stream] = {}

    def place(self, device: torch.device) -> Hashable:
        """Device and stream: replays are put into the current stream, and two streams must not share memory."""
        return torch.cuda.current_stream(device)

    def is_free(self, device: torch.device) -> bool:
        """Whether no graph is being recorded on the current stream."""
        with torch.cuda.device(device):
            return not torch.cuda.is_current_stream_capturing()

    def has_room(self, device: torch.device) -> bool:
        """Whether a quarter of the GPU's memory is to be had."""
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + kept >= _ROOM * total

    def warm_up(self, work: Work, device: torch.device) -> None:
        """Do the work on the stream that will record it, which the libraries' workspaces belong to."""
        with torch.cuda.device(device):
            side, current = self._side_stream(device), torch.cuda.current_stream()
            side.wait_stream(current)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    work()
            current.wait_stream(side)
            torch.cuda.synchronize()

    def record(self, work: Work, device: torch.device) -> tuple[list[Tensor], Callable[[], None]]:
        """The tensors in the graph's memory, and its replay on the current stream.

        Only this thread is held to what a recording allows: others may pin memory or look at events (data loaders, NCCL).
        """
        with torch.cuda.device(device):
            graph, current = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
            try:
                with torch.cuda.graph(graph, stream=self._side_stream(device), capture_error_mode="thread_local"):
                    tensors = work()
            finally:  # a recording that fails leaves its own stream behind as the current one
                torch.cuda.set_stream(current)
        return tensors, graph.replay

    def _side_stream(self, device: torch.device) -> torch.cuda.Stream:
        """One beside each stream that is recorded for; torch's own default belongs to the device it was first used on."""
        place = self.place(device)
        if place not in self._streams:
            self._streams[place] = torch.cuda.Stream(device)
        return self._streams[place]
