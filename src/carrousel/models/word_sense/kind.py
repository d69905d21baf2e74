"""The kind `word-sense`: which of its lemma's senses a word has in a text."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from carrousel.models.classifier.baselines import Baseline
from carrousel.models.classifier.files import Source
from carrousel.models.classifier.inputs import text_input
from carrousel.models.classifier.rows import Rows
from carrousel.models.classifier.scoring_kind import ScoringKind
from carrousel.models.classifier.sequences import Labelled
from carrousel.models.samples import sample_files
from carrousel.models.target_classifier.marked import Marked, marked_in, marked_objects, words_of
from carrousel.models.target_classifier.network import SIZES
from carrousel.models.word_sense.inventory import Inventory
from carrousel.models.word_sense.network import WordSenseNetwork
from carrousel.models.word_sense.settings import WordSenseSettings


class WordSenseKind(ScoringKind[WordSenseSettings]):
    """Which of its lemma's senses a word has."""

    name = "word-sense"
    about = "the sense of a word in a text, among those of its lemma"
    unit = "words"
    Settings = WordSenseSettings
    Network = WordSenseNetwork

    def source(
        self, path: Path, columns: Mapping[str, Any], where: str, *, is_labelled: bool = True, skip_bad: bool = False
    ) -> Source:
        """As `ScoringKind.source`: a table with the columns text, target, lemma and sense."""
        extra = (columns["target"], columns["lemma"])
        return marked_in(path, columns, extra, where, is_labelled=is_labelled, skip_bad=skip_bad)

    def of_objects(self, data: Any, where: str) -> Labelled:
        """As `ScoringKind.of_objects`: (text with $T$, target, lemma) triples, and senses as strings."""
        sequences, labels = data
        return marked_objects(sequences, None if labels is None else [str(label) for label in labels], where, 2)

    def columns_of(self, settings: WordSenseSettings) -> Mapping[str, Any]:
        """As `ScoringKind.columns_of`."""
        return settings.data.model_dump(include={"text", "target", "lemma", "label"})

    def network_of(
        self, settings: WordSenseSettings, train: Labelled, everything: Labelled, where: str
    ) -> WordSenseNetwork:
        """As `ScoringKind.network_of`."""
        data = settings.data
        if data.senses is not None:
            inventory = Inventory.read(Path(data.senses), _pairs(train), where, skip_bad=data.skip_bad)
            inventory.check(_pairs(everything), everything.places, data.senses, where)
        else:
            inventory = Inventory.of(_pairs(train), _pairs(everything))
        first = sum(inventory.candidates[lemma][0] == sense for lemma, sense in _pairs(train))
        given = settings.model.model_dump(include={"cell", "feature_size", "num_masks", *SIZES})
        read = text_input(data, settings.model, words_of(train, data.lowercase), "word", where)
        share = (first + 1) / (len(train) + 2)
        return WordSenseNetwork(read, inventory, share, columns=self.columns_of(settings), **given)

    def compare(self, network: WordSenseNetwork, train: Rows) -> Mapping[str, Baseline]:
        """As `ScoringKind.compare`: the first sense of every lemma."""
        return {"first sense": (network.first_senses, "the first sense of each lemma")}

    def starter(self) -> Mapping[str, bytes]:
        """As `Kind.starter`: example sentences of WordNet, and the senses of their words."""
        return sample_files("word-sense")


def _pairs(given: Labelled) -> Iterator[tuple[str, str]]:
    """Lemma and sense of each word."""
    for one, sense in zip(cast(Sequence[Marked], given.sequences), given.labels, strict=True):
        yield one.lemma, str(sense)


KIND = WordSenseKind()
