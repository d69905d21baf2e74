"""A batch in two parts draws the numbers that it draws as a whole: dropout, masks of every kind, sampled classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from carrousel.models.kinds import KINDS, read_settings, write_starter
from carrousel.train.kind import Prepared

SMALL = ("model.hidden_size=8", "train.batch_size=7", "train.seed=3")
AWD = (
    "regularisation.word_dropout=0.2", "regularisation.input_dropout=0.3", "regularisation.between_dropout=0.3",
    "regularisation.state_dropout=0.3", "regularisation.output_dropout=0.3", "regularisation.weight_drop=0.3",
    "regularisation.recurrent_dropout=0.3", "regularisation.ar=2", "regularisation.tar=1",
)  # fmt: skip
ZONEOUT = ("regularisation.zoneout={c: 0.5, h: 0.1}", "regularisation.between_dropout=0.3")

CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "language model": ("language-model", ("model.dropout=0.5", "model.num_layers=2")),
    "awd": ("language-model", (*AWD, "model.num_layers=2", "model.dropout=0")),
    "zoneout": ("language-model", (*ZONEOUT, "model.num_layers=2")),
    "sampled softmax": ("language-model", ("model.output=sampled", "model.samples=10", "model.dropout=0.3")),
    "noise-contrastive": ("language-model", ("model.output=nce", "model.samples=10", "model.dropout=0.3")),
    "tagger": ("tagger", ("model.dropout=0.5",)),
    "classifier": ("classifier", ("model.dropout=0.5",)),
    "target classifier": ("target-classifier", ("model.dropout=0.5", "model.embedding_size=5")),
    "word sense": ("word-sense", ("model.dropout=0.5",)),
    "seq2seq": ("seq2seq", ("model.dropout=0.5", "model.num_layers=2")),
    "fed": ("seq2seq", ("model.dropout=0.5", "model.num_layers=2", "model.input_feeding=true")),
    "bahdanau": ("seq2seq", ("model.dropout=0.5", "model.attention=additive", "model.residual=true", "model.num_layers=3")),
    "scheduled sampling": ("seq2seq", ("model.dropout=0.5", "sampling.schedule=linear", "sampling.k=0.4")),
    "ctc": ("seq2seq", ("model.dropout=0.5", "model.attention=ctc", "model.bridge=none", "data.skip_bad=true")),
    "forecaster": ("forecaster", ("model.dropout=0.5", "model.num_layers=2")),
    "recursive": ("forecaster", ("model.dropout=0.5", "model.num_layers=2", "model.decoder=recursive")),
    "recursive, both directions": ("forecaster", ("model.dropout=0.5", "model.num_layers=2", "model.decoder=recursive",
                                                  "model.bidirectional=true")),
    "autoencoder, both directions": ("autoencoder", ("model.dropout=0.5", "model.num_layers=2", "model.bidirectional=true")),
    "autoencoder": ("autoencoder", ("model.dropout=0.5", "model.num_layers=2")),
}  # fmt: skip


def prepared(kind: str, overrides: Sequence[str], folder: Path) -> Prepared:
    path = write_starter(kind, folder)[0]
    found, settings = read_settings(path, [*SMALL, *overrides])
    torch.manual_seed(0)
    made = found.prepare(settings, "train", None)
    made.network.train()
    return made


def loss_of(made: Prepared, batch: Any) -> tuple[float, int]:
    torch.manual_seed(5)
    found = made.loss(made.network, batch, None)
    return found.loss.item(), max(1, found.num_seen)


@pytest.mark.parametrize("name", CASES)
def test_two_parts_of_a_batch_draw_what_the_whole_draws(name: str, tmp_path: Path) -> None:
    made = prepared(*CASES[name], tmp_path)
    parts = [made.batches.shard(rank, 2) for rank in range(2)]
    whole, num_whole = loss_of(made, made.batches.next())
    found = [loss_of(made, part.next()) for part in parts]
    assert sum(num for _, num in found) == num_whole
    assert sum(loss * num for loss, num in found) / num_whole == pytest.approx(whole, rel=1e-5)
    torch.manual_seed(6)
    assert made.loss(made.network, parts[0].next(), None).loss.item() != pytest.approx(found[0][0], rel=1e-3)


def test_every_kind_is_among_them() -> None:
    assert {kind for kind, _ in CASES.values()} == set(KINDS)
