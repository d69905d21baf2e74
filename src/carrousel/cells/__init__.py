"""The catalogue: one entry a cell, in the order of publication."""

from collections.abc import Mapping
from types import MappingProxyType

from carrousel.cell import Cell
from carrousel.cells.array_lstm import (
    array_lstm,
    array_lstm_hard,
    array_lstm_max,
    array_lstm_pooled,
    array_lstm_semi_hard,
    array_lstm_soft,
    array_lstm_soft_logits,
    array_lstm_stochastic,
    array_lstm_stochastic_half,
)
from carrousel.cells.cfc import cfc, cfc_minimal, cfc_no_gate
from carrousel.cells.contextual_lstm import contextual_lstm
from carrousel.cells.elman import elman, elman_relu
from carrousel.cells.gers_lstm import gers_lstm
from carrousel.cells.gru_reset_after import gru_reset_after
from carrousel.cells.gru_reset_before import gru_reset_before
from carrousel.cells.indrnn import indrnn
from carrousel.cells.janet import janet
from carrousel.cells.jordan import jordan
from carrousel.cells.layer_norm import layer_norm_gru, layer_norm_lstm
from carrousel.cells.lie_group import lie_group
from carrousel.cells.lmu import lmu
from carrousel.cells.lstm import lstm
from carrousel.cells.lstm_1997 import lstm_1997
from carrousel.cells.lstm_projected import lstm_projected
from carrousel.cells.lstmp import lstmp
from carrousel.cells.ltc import ltc
from carrousel.cells.mgu import mgu, mgu1, mgu2, mgu3
from carrousel.cells.min_rnns import min_gru, min_gru_positive, min_lstm, min_lstm_positive
from carrousel.cells.multiplicative_lstm import multiplicative_lstm, multiplicative_lstm_linear
from carrousel.cells.mut import mut1, mut2, mut3
from carrousel.cells.nested_lstm import nested_lstm
from carrousel.cells.odyssey import (
    odyssey_cifg,
    odyssey_fgr,
    odyssey_nfg,
    odyssey_niaf,
    odyssey_nig,
    odyssey_noaf,
    odyssey_nog,
    odyssey_np,
)
from carrousel.cells.para import para_gru, para_lstm
from carrousel.cells.peephole_lstm import peephole_lstm
from carrousel.cells.qrnn import (
    qrnn_f,
    qrnn_f_width_1,
    qrnn_fo,
    qrnn_fo_width_1,
    qrnn_ifo,
    qrnn_ifo_width_1,
)
from carrousel.cells.rational import rrnn_b, rrnn_b_max_plus, rrnn_c, rrnn_f
from carrousel.cells.rhn import rhn, rhn_uncoupled
from carrousel.cells.rntn import gru_rntn, lstm_rntn
from carrousel.cells.scrn import scrn, scrn_learned_decay, scrn_previous_context
from carrousel.cells.sopa import sopa, sopa_max_plus, sopa_max_times
from carrousel.cells.sru import sru, sru_projected, sru_v1, sru_v1_projected
from carrousel.cells.strongly_typed import t_gru, t_lstm, t_mr, t_rnn
from carrousel.cells.tpru import tpru
from carrousel.cells.ugrnn import intersection_rnn, ugrnn
from carrousel.cells.xlstm import mlstm_matrix, slstm
from carrousel.errors import ConfigError, nearest

CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        cell.name: cell
        for cell in (
            jordan,
            elman,
            elman_relu,
            lstm_1997,
            gers_lstm,
            lstm,
            peephole_lstm,
            lstm_projected,
            lstmp,
            gru_reset_after,
            gru_reset_before,
            scrn,
            scrn_previous_context,
            scrn_learned_decay,
            mut1,
            mut2,
            mut3,
            contextual_lstm,
            layer_norm_lstm,
            layer_norm_gru,
            mgu,
            array_lstm,
            array_lstm_soft,
            array_lstm_soft_logits,
            array_lstm_max,
            array_lstm_pooled,
            array_lstm_stochastic,
            array_lstm_stochastic_half,
            array_lstm_hard,
            array_lstm_semi_hard,
            multiplicative_lstm,
            multiplicative_lstm_linear,
            gru_rntn,
            lstm_rntn,
            t_rnn,
            t_lstm,
            t_gru,
            t_mr,
            qrnn_f,
            qrnn_fo,
            qrnn_ifo,
            qrnn_f_width_1,
            qrnn_fo_width_1,
            qrnn_ifo_width_1,
            odyssey_nig,
            odyssey_nfg,
            odyssey_nog,
            odyssey_niaf,
            odyssey_noaf,
            odyssey_np,
            odyssey_cifg,
            odyssey_fgr,
            ugrnn,
            intersection_rnn,
            rhn,
            rhn_uncoupled,
            nested_lstm,
            mgu1,
            mgu2,
            mgu3,
            sru_v1,
            sru_v1_projected,
            sru,
            sru_projected,
            indrnn,
            janet,
            lie_group,
            tpru,
            sopa,
            sopa_max_plus,
            sopa_max_times,
            rrnn_b,
            rrnn_b_max_plus,
            rrnn_c,
            rrnn_f,
            lmu,
            ltc,
            cfc,
            cfc_no_gate,
            cfc_minimal,
            min_gru,
            min_gru_positive,
            min_lstm,
            min_lstm_positive,
            slstm,
            mlstm_matrix,
            para_gru,
            para_lstm,
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
