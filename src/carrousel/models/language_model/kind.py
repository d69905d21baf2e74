"""The kind `language-model`: a text in a training and a held-out part, read in parallel streams with the state carried on."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from carrousel.data import SAMPLES, Faults, Streams
from carrousel.data.faults import tell_skipped, with_gaps
from carrousel.data.opening import read_lines
from carrousel.models.gates import gates_of
from carrousel.models.language_model.adapting import figures_by_options
from carrousel.models.language_model.batches import RandomWindows, TextBatches, window_loss
from carrousel.models.language_model.figures import Measure, baselines_of, count_of, measure_of
from carrousel.models.language_model.network import LanguageModelNetwork
from carrousel.models.language_model.output import Output
from carrousel.models.language_model.regularisation import Regularisation
from carrousel.models.language_model.scoring import surprises
from carrousel.models.language_model.settings import LanguageModelSettings
from carrousel.models.language_model.starter import starter_files
from carrousel.models.language_model.texts import (
    Text,
    ids_of,
    lines_of,
    read_training_text,
    unknown_part,
)  # fmt: skip
from carrousel.models.language_model.vocabularies import unit_of
from carrousel.models.options import NUMBER, TEXT, WHOLE, check_options
from carrousel.train.kind import Example, Figures, Kind, Measured, Prepared

NUM_SHOWN = 2_000
"""Held-out symbols that examples and gates are taken from."""
SAMPLE = {"length": WHOLE, "temperature": NUMBER, "top_k": WHOLE, "top_p": NUMBER, "seed": WHOLE}
BEAM = {"length": WHOLE, "beam": WHOLE, "stop": TEXT}
"""Options of `predict`."""


class LanguageModelKind(Kind[LanguageModelSettings]):
    """P(next symbol | all symbols before it), for characters, words, bytes and subwords."""

    name = "language-model"
    about = "the next character, word or byte of a text, from all before it"
    Settings = LanguageModelSettings

    def prepare(self, settings: LanguageModelSettings, where: str = "train", data: Any = None) -> Prepared:
        """As `Kind.prepare`; `data` is a list of lines."""
        train = settings.train
        lines = None if data is None else lines_of(data, where)
        text = read_training_text(settings.data, train.tbptt, train.batch_size, where, lines)
        measure, num_valid = measure_of(text.vocabulary), count_of(text.vocabulary, text.valid)
        network = network_of(settings, text)
        wanted = settings.sample

        def evaluate(network: LanguageModelNetwork) -> Figures:
            return {measure.figure: measure.of(network.nats(text.valid), num_valid)}

        def sample(network: LanguageModelNetwork) -> str:
            generator = torch.Generator().manual_seed(wanted.seed)
            return network.sample(
                wanted.prompt, wanted.length, wanted.temperature, generator, wanted.top_k, wanted.top_p
            )

        def examples(network: LanguageModelNetwork) -> list[Example]:
            return surprises(network, text.valid[:NUM_SHOWN])

        return Prepared(
            network=network,
            batches=batches_of(settings, text),
            loss=window_loss,
            evaluate=evaluate,
            monitor=measure.figure,
            is_higher_better=False,
            loss_in_monitor=_loss_in_monitor(settings, measure, text, num_valid),
            name=text.name,
            source=text.source,
            unit=measure.plural,
            fingerprint=text.fingerprint,
            size=_size(text, measure),
            baselines=lambda: baselines_of(text),
            examples=examples,
            sample=sample,
            gates=lambda network: gates(network, text),
            store=text.store,
            notes={"symbols": len(text.vocabulary), "unknown_part": text.unknown_part, "skipped": text.skipped},
        )

    def data_files(self, settings: LanguageModelSettings) -> tuple[Path | None, Path | None]:
        """As `Kind.data_files`; a sample that ships is no file."""
        return (None, None) if settings.data.text in SAMPLES else super().data_files(settings)

    def load(self, folder: Path, where: str = "from_pretrained") -> LanguageModelNetwork:
        """As `Kind.load`."""
        return LanguageModelNetwork.from_pretrained(folder, where=where)

    def evaluate(
        self, network: LanguageModelNetwork, data: Any, where: str = "evaluate", *, skip_bad: bool = False
    ) -> Figures:
        """Bits per character or byte, or perplexity per word, of a text file or of a list of lines.

        With words: `unknown_words` is the part of them, 0 to 1, that the model predicts as <unk>.
        """
        vocabulary, measure = network.vocabulary, measure_of(network.vocabulary)
        ids = ids_of(vocabulary, data, where, skip_bad)
        figures = {measure.figure: measure.of(network.nats(ids), count_of(vocabulary, ids))}
        return figures | ({"unknown_words": unknown_part(vocabulary, ids)} if measure.plural == "words" else {})

    def evaluate_with(
        self,
        network: LanguageModelNetwork,
        data: Any,
        options: Mapping[str, Any],
        where: str = "evaluate",
        *,
        skip_bad: bool = False,
    ) -> Measured:
        """As `Kind.evaluate_with`: adapt=dynamic or adapt=cache, and their numbers; see `adapting.figures_by_options`."""
        if options:
            return Measured(figures_by_options(network, data, options, where, skip_bad))
        return Measured(self.evaluate(network, data, where, skip_bad=skip_bad))

    def predict(
        self,
        network: LanguageModelNetwork,
        data: Any,
        where: str = "predict",
        *,
        skip_bad: bool = False,
        **options: Any,
    ) -> Iterator[str]:
        """Each line of a text file, or of a list of lines, gone on with; an empty line for a malformed one that is skipped.

        Args:
            options: those of `LanguageModelNetwork.sample`, and a seed; or of `beam` where `beam` is among them.
        """
        check_options(options, BEAM if "beam" in options else SAMPLE, where)
        faults = Faults(where, skip_bad)
        write = network.beam if "beam" in options else network.sample
        if (seed := options.pop("seed", None)) is not None:
            options["generator"] = torch.Generator().manual_seed(seed)
        for line in _lines_in(Path(data), faults) if isinstance(data, (str, Path)) else lines_of(data, where):
            if line is None:
                yield ""
                continue
            between = " " if unit_of(network.vocabulary) == "word" and line else ""
            yield line + between + write(line, **options)
        tell_skipped(faults.report())

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`."""
        return starter_files()

    def absolute(
        self, settings: LanguageModelSettings, folder: Path | None, where: str = "train"
    ) -> LanguageModelSettings:
        """As `Kind.absolute`; the name of a sample stays as it is, and so does a bare name that is no file."""
        name = settings.data.text
        changed = super().absolute(settings, folder, where)
        is_file = name not in SAMPLES and (folder is not None or name != Path(name).stem or Path(name).exists())
        return (
            changed if is_file else changed.model_copy(update={"data": changed.data.model_copy(update={"text": name})})
        )


def _lines_in(path: Path, faults: Faults) -> Iterator[str | None]:
    """The lines of a file as they are asked for, and None for each that is skipped."""
    lines = read_lines(path, faults, "a UTF-8 text file")
    return (None if line is None else line[1] for line in with_gaps(lines, faults))


def network_of(settings: LanguageModelSettings, text: Text) -> LanguageModelNetwork:
    """The network that the settings describe, its weights drawn anew."""
    model = settings.model
    return LanguageModelNetwork(
        text.vocabulary,
        model.cell,
        model.embedding_size,
        model.hidden_size,
        model.num_layers,
        model.dropout,
        model.forget_bias,
        Output(model.output, model.tied, model.cutoffs, model.samples, model.divisor),
        Regularisation(**settings.regularisation.model_dump()),
        settings.data.resets_at_lines,
        torch.from_numpy(text.counts),
        model.residual,
        **model.sizes,
    )


def batches_of(settings: LanguageModelSettings, text: Text) -> TextBatches:
    """The windows of the training part."""
    train = settings.train
    if train.random_tbptt:
        return TextBatches(RandomWindows(text.train, train.batch_size, train.tbptt, train.seed), train.tbptt)
    return TextBatches(Streams(text.train, train.batch_size, train.tbptt, seed=train.seed))


def gates(network: LanguageModelNetwork, text: Text) -> dict[str, Any]:
    """The values of the first layer on the beginning of the held-out part."""
    ids = text.valid[:120]
    x = torch.from_numpy(ids.astype("int64"))[:, None].to(network.embedding.weight.device)
    steps = [text.vocabulary.decode(ids[k : k + 1]) for k in range(len(ids))]
    return gates_of(network.recurrent, network.embedding(x), steps)


def _loss_in_monitor(settings: LanguageModelSettings, measure: Measure, text: Text, num_valid: int) -> float | None:
    """What makes the training loss the held-out figure; None where they are of different kinds."""
    is_cost = settings.model.output in ("softmax", "adaptive") and not (
        settings.regularisation.ar or settings.regularisation.tar
    )
    if not is_cost or measure.figure == "perplexity":
        return None
    return (len(text.valid) - 1) / max(num_valid, 1) / math.log(2)


def _size(text: Text, measure: Measure) -> str:
    size = f"{len(text.train):,} {measure.plural}; {len(text.valid):,} are held out"
    unknown = text.unknown_part
    return f"{size}, {unknown:.1%} of them unknown" if measure.plural == "words" and unknown else size


KIND = LanguageModelKind()
