"""The kind `seq2seq`: pairs of sequences; from one side the other is written."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64
from torch import nn

from carrousel.data.faults import Faults, tell_skipped
from carrousel.data.tokens import Tokens
from carrousel.errors import ConfigError, DataError
from carrousel.models.edits import edit_distance
from carrousel.models.encoder import draw_for
from carrousel.models.gates import gates_of
from carrousel.models.options import NUMBER, TEXT, WHOLE, check_options
from carrousel.models.samples import sample_files
from carrousel.models.seq2seq.attention_maps import Looked, attention_maps, gallery, has_attention
from carrousel.models.seq2seq.baselines import unit_for_unit
from carrousel.models.seq2seq.batches import pair_batches
from carrousel.models.seq2seq.ctc import fitting
from carrousel.models.seq2seq.figures import RATES, Tally
from carrousel.models.seq2seq.network import BATCH_SIZE, PairBatch, Seq2SeqNetwork
from carrousel.models.seq2seq.reading import pairs_of, sources_in, sources_of
from carrousel.models.seq2seq.settings import Seq2SeqSettings
from carrousel.models.seq2seq.units import Pairs, References, SourceUnit, TargetUnit, join
from carrousel.models.seq2seq.writers import writer_of
from carrousel.train.kind import Example, Figures, Kind, Prepared
from carrousel.train.loop import Loss
from carrousel.train.pictures import Gallery

NUM_EXAMPLES, NUM_SHOWN, NUM_PICTURES, CHUNK = 50, 10, 4, 4 * BATCH_SIZE
MANY_UNKNOWN, MOST_UNKNOWN = 0.1, 0.5  # parts of the units on one side: more are told, or refused
OPTIONS = {"beam": WHOLE, "n_best": WHOLE, "length_penalty": NUMBER, "attention": TEXT}


class UnknownUnitsWarning(UserWarning):
    """Many units of the pairs to measure on were never learned; the figures are those of such pairs."""


class Seq2SeqKind(Kind[Seq2SeqSettings]):
    """P(target | source), unit by unit."""

    name = "seq2seq"
    about = "one sequence written from another: pronunciations, translations, orders"
    Settings = Seq2SeqSettings

    def prepare(self, settings: Seq2SeqSettings, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is a list of (source, target), each a text or a list of units."""
        train, valid, report = _read(settings, where, data)
        network = new_network(settings, train)
        batches = pair_batches(train, network, settings.train.batch_size, settings.train.seed)
        held_out, sampling = valid.references, settings.sampling

        def loss(network: nn.Module, batch: PairBatch, carried: Any) -> Loss:
            share = sampling.share(batch.number)
            return Loss(network(batch, share, draw_for(batch.rows)), None, int(batch.lengths.sum()))

        def ids(batch: PairBatch) -> list[str]:
            return [train.places[k] for k in batch.rows]

        return Prepared(
            network=network,
            batches=batches,
            loss=loss,
            evaluate=lambda network: measure(network, valid),
            monitor=RATES[settings.data.target_units],
            is_higher_better=False,
            name=Path(settings.data.train).stem if data is None else "pairs",
            source=settings.data.train if data is None else "pairs in memory",
            unit=settings.data.target_units,
            fingerprint=train.fingerprint() + valid.fingerprint(),
            size=f"{len(train):,} pairs; {len(held_out):,} sources with {len(valid):,} targets are held out",
            baselines=lambda: baselines(train, valid, network.units),
            examples=lambda network: examples(network, valid),
            sample=lambda network: _shown(network, held_out.sources[:NUM_SHOWN]),
            pictures=lambda network: _pictures(network, held_out.sources[:NUM_PICTURES]),
            gates=lambda network: _gates(network, held_out.sources[0]),
            ids=ids,
            store=train.told,
            notes={"padding_saved": round(batches.order.padding_saved, 3)} | ({"skipped": report} if report else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> Seq2SeqNetwork:
        """As `Kind.load`."""
        return Seq2SeqNetwork.from_pretrained(folder, where=where)

    def evaluate(
        self, network: Seq2SeqNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """Figures on pairs: a file of them, or a list; errors as `check_known`."""
        pairs, report = pairs_of(data, network.units, where, skip_bad)
        tell_skipped(report)
        check_known(network, pairs, f"{where}: {data if isinstance(data, (str, Path)) else 'data'}")
        return measure(network, pairs)

    def predict(
        self,
        network: Seq2SeqNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """Lines of source, tab, target: for each source its best target, or several lines with `n_best`.

        Of a malformed line that is skipped there is a line with the tab alone.

        Args:
            network: that was trained.
            data: a file with a source a line, up to its first tab; or a list of sources.
            where: what to name in front of an error.
            skip_bad: skip malformed lines, those with an empty source among them.
            options: `beam`, `n_best`, `length_penalty`, as `Seq2SeqNetwork.translate` takes them; `attention`, a file for what
                the decoder looked at while it wrote the best target: .html, .svg, or .npz for the numbers.

        Raises:
            ConfigError: another option, or a value of another type; or a network without attention is asked for it.
            DataError: the file cannot be written.
        """
        check_options(options, OPTIONS, where)
        path, faults = options.pop("attention", None), Faults(where, skip_bad)
        looked = None if path is None else Looked(network, Path(path), where)
        sources: Iterator[tuple[str, ...] | None] = (
            sources_in(Path(data), network.units[0], faults)
            if isinstance(data, (str, Path))
            else sources_of(data, network.units[0], where)
        )
        some = list(islice(sources, CHUNK))
        while some:
            given = [source for source in some if source is not None]
            several = network.translate(given, **options)
            following = list(islice(sources, CHUNK))
            if looked is not None:
                looked.add(given, [best.units for best, *_ in several])
                if not following:  # before the last lines are read, after which nobody may ask for more
                    looked.write()
            targets = iter(several)
            for source in some:
                if source is None:
                    yield "\t"
                    continue
                for one in next(targets):
                    yield f"{join(source, network.units[0])}\t{join(one.units, network.units[1])}"
            some = following
        tell_skipped(faults.report())

    def starter(self) -> Mapping[str, bytes]:
        """Pronunciations of some thousand words, from the CMU dictionary."""
        return sample_files("seq2seq")


def new_network(settings: Seq2SeqSettings, train: Pairs) -> Seq2SeqNetwork:
    """A fresh network with the vocabularies of the training pairs."""
    units: tuple[SourceUnit, TargetUnit] = (settings.data.source_units, settings.data.target_units)
    min_count = settings.data.min_count
    source, target = (Tokens.of_counts(sides.counts(), min_count) for sides in (train.sources, train.targets))
    if units[1] == "positions":
        target = Tokens(())
    decoding = settings.decoding
    if decoding.max_length is None:
        longest = int(train.targets.lengths.max())
        decoding = decoding.model_copy(update={"max_length": 1 + longest + (longest + 1) // 2})
    return writer_of(settings.model)(source, target, units, settings.model, decoding)


def measure(network: Seq2SeqNetwork, pairs: Pairs) -> dict[str, float]:
    """Figures of the best targets, held against all that are right for a source; some sources at a time, like lengths together."""
    held_out = pairs.references
    by_length = np.argsort(held_out.sources.lengths, kind="stable")

    def write(sources: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [best.units for best, *_ in network.translate(sources)]

    return _figures(held_out, write, network.units[1], by_length)


def baselines(train: Pairs, valid: Pairs, units: tuple[SourceUnit, TargetUnit]) -> Mapping[str, tuple[Figures, str]]:
    """Figures of answers that need no network."""
    held_out = valid.references
    if units[1] == "positions":

        def in_order(sources: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
            return [tuple(str(k + 1) for k in range(len(source))) for source in sources]

        return {
            "in order": (_figures(held_out, in_order, units[1]), "all positions, in the order of the source"),
        }
    known = unit_for_unit(train)

    def one_by_one(sources: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        return [tuple(known[unit] for unit in source if unit in known) for source in sources]

    about = "each source unit by the unit it most often stands for"
    found = {"unit for unit": (_figures(held_out, one_by_one, units[1]), about)}
    if units[0] == units[1]:
        found["copy"] = (_figures(held_out, _as_they_are, units[1]), "the source as it is")
    return found


def _figures(
    held_out: References,
    write: Callable[[Sequence[tuple[str, ...]]], list[tuple[str, ...]]],
    unit: TargetUnit,
    order: Int64[np.ndarray, " K"] | None = None,
) -> dict[str, float]:
    """Figures of what is written from sources, some at a time, in this order."""
    tally, rows = Tally(unit), np.arange(len(held_out)) if order is None else order
    for begin in range(0, len(rows), CHUNK):
        some: list[int] = rows[begin : begin + CHUNK].tolist()
        sources, right = [held_out.sources[k] for k in some], [held_out.targets(k) for k in some]
        tally.add(write(sources), right)
    return tally.figures()


def _as_they_are(sources: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(sources)


def examples(network: Seq2SeqNetwork, pairs: Pairs) -> Sequence[Example]:
    """The worst of the first held-out sources, by edits a unit."""
    held_out, (read, unit) = pairs.references, network.units
    some = held_out.sources[: 10 * NUM_EXAMPLES]
    found: list[Example] = []
    for k, (source, (best, *_)) in enumerate(zip(some, network.translate(some), strict=True)):
        right = min(held_out.targets(k), key=lambda one: edit_distance(best.units, one))
        badness = edit_distance(best.units, right) / max(len(right), 1)
        found.append(Example(join(source, read), join(right, unit), join(best.units, unit), badness))
    return sorted(found, key=lambda one: -one.loss)[:NUM_EXAMPLES]


def check_known(network: Seq2SeqNetwork, pairs: Pairs, where: str) -> None:
    """Refuse pairs of another task, by their units, and warn of many that are not known.

    Args:
        where: what to name in front of an error, the data included.

    Raises:
        DataError: fewer than half of the units on one side were learned.
    """
    is_text = network.units[1] != "positions"
    sides = (("source", pairs.sources, network.source), ("target", pairs.targets, network.target))[: 1 + is_text]
    for (side, found, tokens), unit in zip(sides, network.units, strict=False):
        counts = found.counts()
        unknown = Counter({one: count for one, count in counts.items() if one not in tokens})
        if unknown.total() <= MANY_UNKNOWN * counts.total():
            continue
        shown = ", ".join(f"{one!r} {count:,}" for one, count in unknown.most_common(NUM_SHOWN))
        what = f"{where} has {unknown.total():,} of {counts.total():,} {side} {unit} that were never learned ({shown}"
        what += " ...)" if len(unknown) > NUM_SHOWN else ")"
        if unknown.total() > MOST_UNKNOWN * counts.total():
            raise DataError(f"{what}, expected few. Check that it is the right file, a source and a target a line.")
        warnings.warn(f"{what}.", UnknownUnitsWarning, stacklevel=3)


def _read(settings: Seq2SeqSettings, where: str, data: Any) -> tuple[Pairs, Pairs, str]:
    """Training pairs, held-out pairs, and what to report of skipped lines."""
    named = settings.data
    units = named.source_units, named.target_units
    if data is None and not named.train:
        raise ConfigError(f"{where}: data.train is not set, expected a file of pairs. Name one: data.train=FILE")
    reports: list[str] = []
    store = None if named.store is None else Path(named.store)
    places = [None if store is None else store / part for part in ("train", "valid")]
    train, report = pairs_of(named.train if data is None else data, units, where, named.skip_bad, places[0])
    reports.append(report)
    if named.valid is None:
        train, valid = train.hold_out(settings.train.seed, where)
    else:
        valid, report = pairs_of(named.valid, units, where, named.skip_bad, places[1])
        reports.append(report)
    if settings.model.attention == "ctc":
        train, report = fitting(train, settings.model.repeats, named.skip_bad, where)
        reports.append(report)
    return train, valid, " ".join(filter(None, reports))


def _shown(network: Seq2SeqNetwork, sources: Sequence[tuple[str, ...]]) -> str:
    read, written = network.units
    both = zip(sources, network.translate(sources), strict=True)
    return "".join(f"{join(source, read)} -> {join(best.units, written)}\n" for source, (best, *_) in both)


def _pictures(network: Seq2SeqNetwork, sources: Sequence[tuple[str, ...]]) -> Gallery | None:
    """Maps of attention, where there is any."""
    if not has_attention(network):
        return None
    written = [best.units for best, *_ in network.translate(sources)]
    return gallery(network, attention_maps(network, sources, written, "train"))


def _gates(network: Seq2SeqNetwork, source: tuple[str, ...]) -> dict[str, Any]:
    layers, x = network.encoder_input(source)
    return gates_of(layers, x, [unit for unit in source for _ in range(network.model.repeats)])


KIND = Seq2SeqKind()
