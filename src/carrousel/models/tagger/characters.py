"""Features of a word from its letters: the last states of a bidirectional LSTM, or the largest outputs of a convolution."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from carrousel.heads.pooling import last, maximum
from carrousel.heads.steps import valid_steps
from carrousel.layers import Recurrent

KERNEL = 3


class LetterLSTM(nn.Module):
    """What a bidirectional LSTM knows after the last letter, and backwards after the first.

    Args:
        num_letters: in the vocabulary.
        letter_size: features of a letter.
        output_size: features of a word, both directions together.

    Source: Lample et al., NAACL 2016, arXiv:1603.01360, section 4.1.
    """

    def __init__(self, num_letters: int, letter_size: int, output_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_letters, letter_size)
        self.recurrent = Recurrent("lstm", letter_size, output_size // 2, bidirectional=True)
        self.output_size = self.recurrent.output_size

    def forward(self, letters: Int[Tensor, "T B"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
        """Features of each word.

        Args:
            letters: of the words, padded.
            lengths: letters in each word.
        """
        y, _ = self.recurrent(self.embedding(letters), lengths=lengths)
        return last(y, lengths, directions=2)


class LetterCNN(nn.Module):
    """The largest output of each filter over a word, whose edges are padded with zeros so that every letter meets all weights.

    Args:
        num_letters: in the vocabulary.
        letter_size: features of a letter.
        output_size: filters.

    Source: Ma and Hovy, ACL 2016, arXiv:1603.01354, section 2.1; width 3, tanh and full padding as in their code (LasagneNLP).
    """

    def __init__(self, num_letters: int, letter_size: int, output_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_letters, letter_size)
        self.convolution = nn.Conv1d(letter_size, output_size, KERNEL, padding=KERNEL - 1)
        self.output_size = output_size

    def forward(self, letters: Int[Tensor, "T B"], lengths: Int[Tensor, " B"]) -> Float[Tensor, "B O"]:
        """Features of each word; arguments as in `LetterLSTM`."""
        is_letter = valid_steps(len(letters), lengths)
        x = self.embedding(letters) * is_letter[:, :, None]
        y = torch.tanh(self.convolution(x.permute(1, 2, 0)))
        return maximum(y.permute(2, 0, 1), lengths + KERNEL - 1)


LETTERS: dict[str, type[LetterLSTM | LetterCNN]] = {"lstm": LetterLSTM, "cnn": LetterCNN}
"""Reader of letters by the name in `model.characters`."""
