"""The kind `tagger`: a tag for each word of a sentence, such as its part of speech or the name it belongs to."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from carrousel.data.batches import BatchesOf, Bucketed
from carrousel.data.tokens import Tokens
from carrousel.data.vectors import Vectors, read_vectors
from carrousel.errors import ConfigError, DataError
from carrousel.heads.legal_tags import SCHEMES, is_legal
from carrousel.layers.draw import Draw
from carrousel.models.gates import gates_of
from carrousel.models.samples import sample_files
from carrousel.models.spans import convert
from carrousel.models.tagger.figures import Tags, baselines, figures_of, have_spans, worst
from carrousel.models.tagger.network import SIZES, TaggerNetwork
from carrousel.models.tagger.sentences import (
    Sentences,
    held_out,
    read_plain,
    read_sentences,
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
        train, valid, source = _parts(settings, where, data)
        has_spans = have_spans([*train.tags, *valid.tags])
        learned, scheme, written = _schemes(train.tags, settings.data.scheme, has_spans, where)
        vectors = _vectors(settings, train, where)
        network, once = _network(settings, train, learned, scheme, written, vectors, where)
        tags = [network.labels.encode(row).astype(np.int64) for row in learned]
        encoded = network.read.encode(train.words, tags)
        order = Bucketed(encoded.lengths, settings.train.batch_size, settings.train.seed)
        loss = _Loss(torch.from_numpy(once), settings.model.unknown_rate, settings.model.loss_per)
        notes: dict[str, Any] = {"padding_saved": order.padding_saved, "unknown_words": _unknown(network.read, valid)}
        if vectors is not None:
            notes["words_with_vectors"] = network.read.take_vectors(vectors) / max(len(network.read.words) - 1, 1)
        if scheme is not None:
            notes["scheme"] = scheme
        skipped = " ".join(sorted({part.report for part in (train, valid) if part.report}))
        return Prepared(
            network=network,
            batches=BatchesOf(order, lambda rows, _: encoded.batch(rows)),
            loss=loss,
            evaluate=lambda net: figures_of(valid.tags, net.predict(valid.words), has_spans=has_spans),
            monitor="f1" if has_spans else "accuracy",
            is_higher_better=True,
            name=Path(source).stem if data is None else self.name,
            source=source,
            unit="words" if settings.model.loss_per == "token" else "sentences",
            fingerprint=_fingerprint(train, valid),
            size=_size(train, valid),
            baselines=lambda: baselines(train, valid, has_spans),
            examples=lambda net: worst(valid, net.predict(valid.words)),
            gates=lambda net: _gates(net, valid.words[0]),
            ids=lambda batch: [train.places[int(k)] for k in batch.rows],
            notes=notes | ({"skipped": skipped} if skipped else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> TaggerNetwork:
        """As `Kind.load`."""
        return TaggerNetwork.from_pretrained(folder, where=where)

    def evaluate(self, network: TaggerNetwork, data: Any, where: str = "evaluate") -> Figures:
        """Figures on a file of tagged sentences, or on lists of (word, tag); F1 of each type, too, where tags write spans."""
        if isinstance(data, str | Path):
            columns = network.columns
            sentences = read_sentences(Path(data), columns["word"], columns["tag"], where=where)
        else:
            sentences = tagged_sentences(data, where)
        _check_tags(sentences.tags, network.labels, f"{where}: {data}" if isinstance(data, str | Path) else where)
        predicted = network.predict(sentences.words)
        has_spans = have_spans([network.labels.strings])
        return figures_of(sentences.tags, predicted, has_spans=has_spans, is_by_type=True)

    def predict(self, network: TaggerNetwork, data: Any, where: str = "predict", **options: Any) -> Iterator[str]:
        """A word and its tag a line, a tab between them, and an empty line after each sentence.

        Args:
            data: a file of columns or CoNLL-U, whose tags are not read, or lists of words.
            options: input=text for a file with a sentence a line, blanks between its words; n_best and marginals as
                `written.tagged_lines` takes them.
        """
        check_predict_options(network, options, where)
        form = options.pop("input", "columns")
        if not isinstance(data, str | Path):
            sentences: Sequence[Sequence[str]] = split_sentences(data, where)
        elif form == "text":
            sentences = read_plain(Path(data), where).words
        else:
            sentences = read_sentences(Path(data), network.columns["word"], is_tagged=False, where=where).words
        yield from tagged_lines(network, sentences, **options)

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
        batch, draw = batch.to(device), Draw(torch.randint(2**62, ()), batch.rows)
        hidden = None
        if self.unknown_rate:
            steps, num_rows = batch.words.shape
            drawn = draw.per_step("unknown", steps, num_rows, 1, network.output.weight)[:, :, 0]
            hidden = self.is_rare.to(device)[batch.words] & (drawn < self.unknown_rate)
        num_seen = int(batch.lengths.sum()) if self.per == "token" else len(batch.rows)
        return Loss(network.loss(batch, draw, hidden, self.per), None, num_seen)


def _parts(settings: TaggerSettings, where: str, data: Any) -> tuple[Sentences, Sentences, str]:
    """The sentences to learn from, those to measure on, and where they are from."""
    section, seed = settings.data, settings.train.seed
    if data is not None:
        train, valid = held_out(tagged_sentences(data, where), seed, where)
        return train, valid, train.source
    if section.train is None:
        raise ConfigError(f"{where}: data.train is null, expected the path of a file. Set it: data.train=FILE")
    parts = [
        read_sentences(Path(path), section.word_column, section.tag_column, skip_bad=section.skip_bad, where=where)
        for path in (section.train, section.valid)
        if path is not None
    ]
    train, valid = parts if len(parts) == 2 else held_out(parts[0], seed, where)
    return train, valid, parts[0].source


def _check_tags(tags: Tags, labels: Tokens, where: str) -> None:
    """Refuse a file of other tags altogether; some that were never learned are counted as not found.

    Raises:
        DataError: no tag is one that was learned, in whatever scheme.
    """
    found = {tag.rpartition("-")[2] for row in tags for tag in row}
    known = sorted({tag.rpartition("-")[2] for tag in labels.strings})
    if found and found.isdisjoint(known):
        more = " ..." if len(known) > NUM_SHOWN else ""
        raise DataError(
            f"{where} has the tag {next(tag for row in tags for tag in row)!r} and no tag that was learned, expected some of "
            f"{', '.join(known[:NUM_SHOWN])}{more}. Check that it is the right file."
        )


def _schemes(tags: Tags, wanted: str, has_spans: bool, where: str) -> tuple[Tags, str | None, str | None]:
    """The tags as they are learned, their scheme, and the scheme of the data where that is another."""
    if not has_spans:
        if wanted != "keep":
            raise ConfigError(
                f"{where}: data.scheme is {wanted}, expected keep, since the tags of the data are no B-, I-, E-, S- and O. "
                "Check data.tag_column, or leave data.scheme out."
            )
        return tags, None, None
    found = next((scheme for scheme in SCHEMES if all(is_legal(row, scheme) for row in tags)), None)
    if wanted in ("keep", found):
        return tags, found, None
    return [convert(row, wanted) for row in tags], wanted, found or "bio"


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


def _unknown(read: WordInput, valid: Sentences) -> float:
    """The part of the held-out words that are read as unknown."""
    numbers = read.encode(valid.words).tokens.values[:, 0]
    return float((numbers == read.words.unknown).mean())


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


def _fingerprint(*parts: Sentences) -> str:
    text = json.dumps([[list(map(list, part.words)), list(map(list, part.tags))] for part in parts], ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


KIND = TaggerKind()
