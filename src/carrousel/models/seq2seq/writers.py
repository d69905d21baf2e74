"""Which network the settings mean."""

from carrousel.cell import Cell
from carrousel.data.tokens import Tokens
from carrousel.models.seq2seq.ctc import CtcNetwork
from carrousel.models.seq2seq.encoder_decoder import EncoderDecoder
from carrousel.models.seq2seq.network import Seq2SeqNetwork
from carrousel.models.seq2seq.settings import DecodingSettings, Seq2SeqModelSettings
from carrousel.models.seq2seq.units import SourceUnit, TargetUnit


def new_writer(
    source: Tokens,
    target: Tokens,
    units: tuple[SourceUnit, TargetUnit],
    model: Seq2SeqModelSettings,
    decoding: DecodingSettings,
    cell: Cell | None = None,
) -> Seq2SeqNetwork:
    """A fresh network; arguments as `Seq2SeqNetwork`."""
    made = CtcNetwork if model.attention == "ctc" else EncoderDecoder
    return made(source, target, units, model, decoding, cell)
