"""Labels as numbers of classes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from carrousel.errors import DataError
from carrousel.models.classifier.sequences import Label, Labelled


def targets_of(given: Labelled, labels: Sequence[Label], is_multi_label: bool, where: str) -> Int64[np.ndarray, "N *C"]:
    """The number of each label, or ones and zeros for all of them; zeros where they are not known.

    Raises:
        DataError: a label that the network does not know.
    """
    if not given.labels:
        return np.zeros((len(given), len(labels)) if is_multi_label else len(given), np.int64)
    numbers = {label: k for k, label in enumerate(labels)}
    targets = np.zeros((len(given), len(labels)), np.int64)
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
            targets[k, numbers[each]] = 1
    return targets if is_multi_label else targets.argmax(1)
