"""Labels as numbers of classes."""

from collections.abc import Iterator, Sequence

from carrousel.errors import DataError
from carrousel.models.classifier.sequences import Label, Labelled


def targets_of(given: Labelled, labels: Sequence[Label], is_multi_label: bool, where: str) -> Iterator[int | list[int]]:
    """The number of each sequence's label, or of all of them; 0 or none where they are not known.

    Raises:
        DataError: a label that the network does not know.
    """
    if not given.labels:
        yield from ([] if is_multi_label else 0 for _ in range(len(given)))
        return
    numbers = {label: k for k, label in enumerate(labels)}
    for k, label in enumerate(given.labels):
        if isinstance(label, tuple) != is_multi_label:
            expected = "a list of labels" if is_multi_label else "one label"
            raise DataError(
                f"{where}: {given.places[k]} has the label {label!r}, expected {expected}. Give labels as in training."
            )
        for each in label if isinstance(label, tuple) else (label,):
            if each not in numbers:
                shown = ", ".join(map(str, labels[:10])) + (" ..." if len(labels) > 10 else "")
                raise DataError(
                    f"{where}: {given.places[k]} has the label {each!r}, which is not in the training data, expected one of "
                    f"{shown}. Correct it, or train with it."
                )
        yield [numbers[each] for each in label] if isinstance(label, tuple) else numbers[label]
