"""The kind `tagger`: a tag for each word of a sentence, such as its part of speech or the name it belongs to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.faults import Faults, tell_skipped
from carrousel.data.guessing import Guess
from carrousel.data.kept import told_of
from carrousel.data.lazy import in_chunks
from carrousel.data.tokens import Tokens
from carrousel.data.vectors import Vectors, read_vectors
from carrousel.errors import ConfigError, DataError
from carrousel.models.encoder import draw_for
from carrousel.models.gates import gates_of
from carrousel.models.samples import sample_files
from carrousel.models.tagger.figures import baselines, figures_of, have_spans, worst
from carrousel.models.tagger.material import Tags, encoded_of, fingerprint_of, read_parts, schemes_of, unknown_part
from carrousel.models.tagger.network import SIZES, TaggerNetwork
from carrousel.models.tagger.sentences import (
    AT_ONCE,
    File,
    Sentences,
    read_plain,
    split_sentences,
    tagged_sentences,
)
from carrousel.models.tagger.settings import TaggerSettings
from carrousel.models.tagger.words import Batch, WordInput, normal_form, vocabulary_of
from carrousel.models.tagger.written import check_predict_options, tagged_lines
from carrousel.train.kind import Figures, Kind, Prepared
from carrousel.train.loop import Loss

WORD_SIZE = 100
NUM_SHOWN = 10
"""tags that an error lists"""


class TaggerKind(Kind[TaggerSettings]):
    """A tag for each word of a sentence."""

    name = "tagger"
    about = "a tag for each word of a sentence: parts of speech, names, chunks"
    Settings = TaggerSettings

    def prepare(self, settings: TaggerSettings, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is a list of sentences, each a list of (word, tag)."""
        parts = read_parts(settings, where, data)
        train, valid = parts.train, parts.valid
        has_spans = have_spans(chain(train.tags, valid.tags))
        learned, scheme, written = schemes_of(train.tags, settings.data.scheme, has_spans, where)
        vectors = _vectors(settings, train, where)
        network, once = _network(settings, train, learned, scheme, written, vectors, where)
        encoded = encoded_of(settings, network, parts, learned, where)
        order = Bucketed(encoded.lengths, settings.train.batch_size, settings.train.seed)
        loss = _Loss(torch.from_numpy(once), settings.model.unknown_rate, settings.model.loss_per)
        notes: dict[str, Any] = {
            "padding_saved": order.padding_saved,
            "unknown_words": unknown_part(network.read, valid),
        }
        if vectors is not None:
            notes["words_with_vectors"] = network.read.take_vectors(vectors) / max(len(network.read.words) - 1, 1)
        if scheme is not None:
            notes["scheme"] = scheme
        skipped = " ".join(sorted({part.report for part in (train, valid) if part.report}))
        return Prepared(
            network=network,
            batches=BatchesOf(order, lambda rows, _: encoded.batch(rows)),
            loss=loss,
            evaluate=lambda net: figures_of(valid.tags, net.tagged(valid.words), has_spans=has_spans),
            monitor="f1" if has_spans else "accuracy",
            is_higher_better=True,
            name=Path(train.source).stem if data is None else self.name,
            source=train.source,
            unit="words" if settings.model.loss_per == "token" else "sentences",
            fingerprint=fingerprint_of(train, valid),
            size=_size(train, valid),
            baselines=lambda: baselines(train, valid, has_spans),
            examples=lambda net: worst(valid, net.tagged(valid.words)),
            gates=lambda net: _gates(net, valid.words[0]),
            ids=lambda batch: [train.places[int(k)] for k in batch.rows],
            store=told_of(parts.folder, parts.kept),
            notes=notes | ({"skipped": skipped} if skipped else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> TaggerNetwork:
        """As `Kind.load`."""
        return TaggerNetwork.from_pretrained(folder, where=where)

    def evaluate(
        self, network: TaggerNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """Figures on a file of tagged sentences, or on lists of (word, tag); F1 of each type, too, where tags write spans."""
        has_spans = have_spans([network.labels.strings])
        if isinstance(data, str | Path):
            file = File(Path(data), network.columns["word"], network.columns["tag"], where=where, skip_bad=skip_bad)
            faults = Faults(where, skip_bad)
            _check_tags(file.column(1, faults), network.labels, f"{where}: {data}")
            tell_skipped(faults.report())
            words, tags = (file.column(k, Faults(where, skip_bad)) for k in (0, 1))
        else:
            sentences = tagged_sentences(data, where)
            _check_tags(sentences.tags, network.labels, where)
            words, tags = sentences.words, sentences.tags
        return figures_of(tags, network.tagged(words), has_spans=has_spans, is_by_type=True)

    def predict(
        self,
        network: TaggerNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """A word and its tag a line, a tab between them, and an empty line after each sentence.

        Of a sentence with a malformed line that is skipped there is the empty line alone.

        Args:
            data: a file of columns or CoNLL-U, whose tags are not read, or lists of words.
            options: input=text for a file with a sentence a line, blanks between its words; n_best and marginals as
                `written.tagged_lines` takes them.
        """
        check_predict_options(network, options, where)
        form, faults = options.pop("input", "columns"), Faults(where, skip_bad)
        if not isinstance(data, str | Path):
            sentences: Iterable[Sequence[str]] = split_sentences(data, where)
        elif form == "text":
            sentences = read_plain(Path(data), faults)
        else:
            file = File(Path(data), network.columns["word"], is_tagged=False, where=where, skip_bad=skip_bad)
            sentences = file.words(faults)
        for some in in_chunks(sentences, AT_ONCE, len):
            yield from tagged_lines(network, some, **options)
        tell_skipped(faults.report())

    def form(self, settings: TaggerSettings, path: Path, where: str = "check") -> Guess:
        """As `Kind.form`."""
        return Guess(
            "tagged", self.name, tuple(File(path, settings.data.word_column, settings.data.tag_column).columns)
        )

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`."""
        return sample_files("tagger")


class _Loss:
    """The loss of some training sentences; words that occur once are sometimes read as unknown.

    Random numbers are drawn by torch's generator and by the numbers of the sentences, so that a batch cut into parts sees the
    same ones.

    Args:
        is_rare: of each word of the vocabulary, whether it occurs once.
        unknown_rate: probability with which such a word is read as unknown.
        per: token or sentence.
    """

    def __init__(self, is_rare: torch.Tensor, unknown_rate: float, per: str) -> None:
        self.is_rare, self.unknown_rate, self.per = is_rare, unknown_rate, per

    def __call__(self, network: TaggerNetwork, batch: Batch | None, carried: Any) -> Loss:
        if batch is None:  # this process's part of a small batch
            return Loss(torch.stack([parameter.sum() * 0.0 for parameter in network.parameters()]).sum())
        device = network.output.weight.device
        batch, draw = batch.to(device), draw_for(batch.rows)
        hidden = None
        if self.unknown_rate:
            steps, num_rows = batch.words.shape
            drawn = draw.per_step("unknown", steps, num_rows, 1, network.output.weight)[:, :, 0]
            hidden = self.is_rare.to(device)[batch.words] & (drawn < self.unknown_rate)
        num_seen = int(batch.lengths.sum()) if self.per == "token" else len(batch.rows)
        return Loss(network.loss(batch, draw, hidden, self.per), None, num_seen)


def _check_tags(tags: Iterable[Sequence[str]], labels: Tokens, where: str) -> None:
    """Refuse a file of other tags altogether; some that were never learned are counted as not found.

    Raises:
        DataError: no tag is one that was learned, in whatever scheme.
    """
    given = dict.fromkeys(tag for row in tags for tag in row)
    found = {tag.rpartition("-")[2] for tag in given}
    known = sorted({tag.rpartition("-")[2] for tag in labels.strings})
    if found and found.isdisjoint(known):
        more = " ..." if len(known) > NUM_SHOWN else ""
        raise DataError(
            f"{where} has the tag {next(iter(given))!r} and no tag that was learned, expected some of "
            f"{', '.join(known[:NUM_SHOWN])}{more}. Check that it is the right file."
        )


def _vectors(settings: TaggerSettings, train: Sentences, where: str) -> Vectors | None:
    """The vectors of words of the training sentences, and of the first others in the file."""
    if settings.data.vectors is None:
        return None
    normal = {normal_form(word, False, settings.data.zero_digits) for row in train.words for word in row}
    known = normal | {word.lower() for word in normal}
    room = settings.data.max_vectors

    def is_wanted(word: str) -> bool:
        nonlocal room
        if word in known or room is None:
            return True
        room -= 1
        return room >= 0

    return read_vectors(settings.data.vectors, is_wanted=is_wanted, skip_bad=settings.data.skip_bad, where=where)


def _network(
    settings: TaggerSettings,
    train: Sentences,
    tags: Tags,
    scheme: str | None,
    written: str | None,
    vectors: Vectors | None,
    where: str,
) -> tuple[TaggerNetwork, np.ndarray]:
    """A fresh network, and of each of its words whether it occurs once."""
    data, model = settings.data, settings.model
    words, letters, once = vocabulary_of(train.words, data.min_count, data.lowercase, data.zero_digits)
    others = [] if vectors is None else [word for word in vectors.rows if word not in words]
    size = model.word_size or (WORD_SIZE if vectors is None else vectors.values.shape[1])
    if vectors is not None and size != vectors.values.shape[1]:
        raise ConfigError(
            f"{where}: model.word_size is {size}, expected {vectors.values.shape[1]}, as many as the vectors in {data.vectors} "
            "have. Leave it null."
        )
    read = WordInput(
        words,
        letters,
        size,
        others,
        characters=model.characters,
        letter_size=model.character_size,
        spelling_size=model.spelling_size,
        lowercase=data.lowercase,
        zero_digits=data.zero_digits,
    )
    network = TaggerNetwork(
        read,
        Tokens.of((tag for row in tags for tag in row), specials=()),
        head=model.head,
        scheme=scheme if model.constrained else None,
        written=written,
        tanh_size=model.tanh_size,
        cell=model.cell,
        columns={"word": data.word_column, "tag": data.tag_column},
        **{name: getattr(model, name) for name in SIZES},
    )
    return network, np.array([word in once for word in (*words.strings, *others)])


def _size(train: Sentences, valid: Sentences) -> str:
    return (
        f"{len(train) + len(valid):,} sentences, {train.num_words + valid.num_words:,} words; "
        f"{len(valid):,} sentences are held out"
    )


def _gates(network: TaggerNetwork, words: Sequence[str]) -> dict[str, Any]:
    """What the first layer does on a sentence."""
    batch = network.read.encode([words]).batch(np.zeros(1, np.int64))
    layer: Any = network.encoder.layers[0]
    return gates_of(layer, network.read(batch), words)


KIND = TaggerKind()
