"""The catalogue: one entry a cell, in the order of publication."""

from collections.abc import Mapping
from types import MappingProxyType

from carrousel.cell import Cell
from carrousel.cells.elman import elman, elman_relu
from carrousel.cells.gru_reset_after import gru_reset_after
from carrousel.cells.gru_reset_before import gru_reset_before
from carrousel.cells.jordan import jordan
from carrousel.cells.lstm import lstm
from carrousel.cells.lstm_1997 import lstm_1997
from carrousel.cells.lstm_projected import lstm_projected
from carrousel.cells.peephole_lstm import peephole_lstm
from carrousel.errors import ConfigError, nearest

CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        cell.name: cell
        for cell in (
            jordan,
            elman,
            elman_relu,
            lstm_1997,
            lstm,
            peephole_lstm,
            lstm_projected,
            gru_reset_after,
            gru_reset_before,
        )
    }
)
"""Name -> cell."""


def find(name: str) -> Cell:
    """The cell of that name or alias.

    Raises:
        ConfigError: no cell is called so.

    >>> find("gru").name
    'gru_reset_after'
    """
    by_name = dict(CELLS) | {alias: cell for cell in CELLS.values() for alias in cell.aliases}
    if name not in by_name:
        raise ConfigError(f"unknown cell {name!r}.{nearest(name, by_name)} All cells: carrousel cells")
    return by_name[name]
