"""Which network the settings mean."""

from carrousel.models.seq2seq.ctc import CtcNetwork
from carrousel.models.seq2seq.encoder_decoder import EncoderDecoder
from carrousel.models.seq2seq.network import Seq2SeqNetwork
from carrousel.models.seq2seq.settings import Seq2SeqModelSettings


def writer_of(model: Seq2SeqModelSettings) -> type[Seq2SeqNetwork]:
    """The class that writes targets in the way that the settings name."""
    return CtcNetwork if model.attention == "ctc" else EncoderDecoder
