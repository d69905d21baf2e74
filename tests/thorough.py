"""Which tests of every cell run each time, and which only when the exhaustive ones are asked for (`scripts/test all`)."""

from collections.abc import Iterable
from typing import Any

import pytest

THOROUGH = frozenset(
    (
        "jordan", "elman", "lstm_1997", "lstm", "peephole_lstm", "lstm_projected", "gru_reset_after", "gru_reset_before", "sopa",
        "t_lstm", "rhn", "array_lstm_soft", "gru_rntn", "layer_norm_lstm", "slstm", "mlstm_matrix", "cfc",
    )
)  # fmt: skip
"""Cells that between them use every operation and every form of state: they run in every form each time."""


def selected(named: Iterable[tuple[str, Any]]) -> list[Any]:
    """Parameters of a test, by the names of cells: those of other cells than the thorough ones are marked exhaustive."""
    return [
        pytest.param(value, id=name, marks=[] if name in THOROUGH else [pytest.mark.exhaustive])
        for name, value in named
    ]
