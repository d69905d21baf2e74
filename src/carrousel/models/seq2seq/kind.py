"""The kind `seq2seq`: pairs of sequences; from one side the other is written."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from torch import nn

from carrousel.data.tokens import Tokens
from carrousel.errors import ConfigError
from carrousel.models.edits import edit_distance
from carrousel.models.gates import gates_of
from carrousel.models.options import NUMBER, WHOLE, check_options
from carrousel.models.samples import sample_files
from carrousel.models.seq2seq.baselines import unit_for_unit
from carrousel.models.seq2seq.batches import pair_batches
from carrousel.models.seq2seq.ctc import fitting
from carrousel.models.seq2seq.figures import RATES, figures_of
from carrousel.models.seq2seq.network import PairBatch, Seq2SeqNetwork
from carrousel.models.seq2seq.reading import pairs_of, sources_of
from carrousel.models.seq2seq.settings import Seq2SeqSettings
from carrousel.models.seq2seq.units import Pairs, SourceUnit, TargetUnit, join
from carrousel.models.seq2seq.writers import new_writer
from carrousel.train.kind import Example, Figures, Kind, Prepared
from carrousel.train.loop import Loss

NUM_EXAMPLES, NUM_SHOWN, CHUNK = 50, 10, 1_000
OPTIONS = {"beam": WHOLE, "n_best": WHOLE, "length_penalty": NUMBER}


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
        held_out, sampling = valid.references(), settings.sampling

        def loss(network: nn.Module, batch: PairBatch, carried: Any) -> Loss:
            return Loss(network(batch, sampling.share(batch.number)), None, int(batch.lengths.sum()))

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
            sample=lambda network: _shown(network, list(held_out)[:NUM_SHOWN]),
            gates=lambda network: _gates(network, next(iter(held_out))),
            ids=ids,
            notes={"padding_saved": round(batches.order.padding_saved, 3)} | ({"skipped": report} if report else {}),
        )

    def load(self, folder: Path, where: str = "from_pretrained") -> Seq2SeqNetwork:
        """As `Kind.load`."""
        return Seq2SeqNetwork.from_pretrained(folder, where=where)

    def evaluate(self, network: Seq2SeqNetwork, data: Any, where: str = "evaluate") -> Figures:
        """Figures on pairs: a file of them, or a list."""
        return measure(network, pairs_of(data, network.units, where)[0])

    def predict(self, network: Seq2SeqNetwork, data: Any, where: str = "predict", **options: Any) -> Iterator[str]:
        """Lines of source, tab, target: for each source its best target, or several lines with `n_best`.

        Args:
            network: that was trained.
            data: a file with a source a line, up to its first tab; or a list of sources.
            where: what to name in front of an error.
            options: `beam`, `n_best`, `length_penalty`, as `Seq2SeqNetwork.translate` takes them.

        Raises:
            ConfigError: another option, or a value of another type.
        """
        check_options(options, OPTIONS, where)
        sources = sources_of(data, network.units[0], where)
        while some := list(islice(sources, CHUNK)):
            for source, found in zip(some, network.translate(some, **options), strict=True):
                for one in found:
                    yield f"{join(source, network.units[0])}\t{join(one.units, network.units[1])}"

    def starter(self) -> Mapping[str, bytes]:
        """Pronunciations of some thousand words, from the CMU dictionary."""
        return sample_files("seq2seq")


def new_network(settings: Seq2SeqSettings, train: Pairs) -> Seq2SeqNetwork:
    """A fresh network with the vocabularies of the training pairs."""
    units: tuple[SourceUnit, TargetUnit] = (settings.data.source_units, settings.data.target_units)
    min_count = settings.data.min_count
    source = Tokens.of((unit for side in train.sources for unit in side), min_count)
    target = Tokens.of((unit for side in train.targets for unit in side), min_count)
    if units[1] == "positions":
        target = Tokens(())
    decoding = settings.decoding
    if decoding.max_length is None:
        longest = max(len(side) for side in train.targets)
        decoding = decoding.model_copy(update={"max_length": 1 + longest + (longest + 1) // 2})
    return new_writer(source, target, units, settings.model, decoding)


def measure(network: Seq2SeqNetwork, pairs: Pairs) -> dict[str, float]:
    """Figures of the best targets, held against all that are right for a source."""
    held_out = pairs.references()
    written = [best.units for best, *_ in network.translate(list(held_out))]
    return figures_of(written, list(held_out.values()), network.units[1])


def baselines(train: Pairs, valid: Pairs, units: tuple[SourceUnit, TargetUnit]) -> Mapping[str, tuple[Figures, str]]:
    """Figures of answers that need no network."""
    held_out = valid.references()
    references = list(held_out.values())
    if units[1] == "positions":
        in_order = [tuple(str(k + 1) for k in range(len(source))) for source in held_out]
        return {"in order": (figures_of(in_order, references, units[1]), "all positions, in the order of the source")}
    known = unit_for_unit(train)
    written = [tuple(known[unit] for unit in source if unit in known) for source in held_out]
    found = {
        "unit for unit": (
            figures_of(written, references, units[1]),
            "each source unit by the unit it most often stands for",
        )
    }
    if units[0] == units[1]:
        found["copy"] = (figures_of(list(held_out), references, units[1]), "the source as it is")
    return found


def examples(network: Seq2SeqNetwork, pairs: Pairs) -> Sequence[Example]:
    """The worst of the first held-out sources, by edits a unit."""
    held_out, (read, unit) = pairs.references(), network.units
    some = list(held_out)[: 10 * NUM_EXAMPLES]
    found: list[Example] = []
    for source, (best, *_) in zip(some, network.translate(some), strict=True):
        right = min(held_out[source], key=lambda one: edit_distance(best.units, one))
        badness = edit_distance(best.units, right) / max(len(right), 1)
        found.append(Example(join(source, read), join(right, unit), join(best.units, unit), badness))
    return sorted(found, key=lambda one: -one.loss)[:NUM_EXAMPLES]


def _read(settings: Seq2SeqSettings, where: str, data: Any) -> tuple[Pairs, Pairs, str]:
    """Training pairs, held-out pairs, and what to report of skipped lines."""
    named = settings.data
    units = named.source_units, named.target_units
    if data is None and not named.train:
        raise ConfigError(f"{where}: data.train is not set, expected a file of pairs. Name one: data.train=FILE")
    reports: list[str] = []
    train, report = pairs_of(named.train if data is None else data, units, where, named.skip_bad)
    reports.append(report)
    if named.valid is None:
        train, valid = train.hold_out(settings.train.seed, where)
    else:
        valid, report = pairs_of(named.valid, units, where, named.skip_bad)
        reports.append(report)
    if settings.model.attention == "ctc":
        train, report = fitting(train, settings.model.repeats, named.skip_bad, where)
        reports.append(report)
    return train, valid, " ".join(filter(None, reports))


def _shown(network: Seq2SeqNetwork, sources: Sequence[tuple[str, ...]]) -> str:
    read, written = network.units
    both = zip(sources, network.translate(sources), strict=True)
    return "".join(f"{join(source, read)} -> {join(best.units, written)}\n" for source, (best, *_) in both)


def _gates(network: Seq2SeqNetwork, source: tuple[str, ...]) -> dict[str, Any]:
    layers, x = network.encoder_input(source)
    return gates_of(layers, x, [unit for unit in source for _ in range(network.model.repeats)])


KIND = Seq2SeqKind()
