"""A network that goes on from another of its kind with other words and labels: which rows are kept, which are new."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from carrousel.heads.softmax import AdaptiveSoftmax
from carrousel.models import Classifier
from carrousel.models.kinds import find_kind, load
from carrousel.models.network import Network

OLD = ["the soup was cold", "the waiter was kind", "was the soup kind"] * 8
NEW = ["the tea was cold", "a waiter was slow", "was the tea kind"] * 8
SMALL = {"embedding_size": 3, "hidden_size": 4}
SERIES = [np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32) for _ in range(24)]


def made(kind: str, settings: Mapping[str, Any], data: Any, seed: int) -> Network:
    """A fresh network for some data, every weight of it another number."""
    torch.manual_seed(seed)
    network = find_kind(kind).prepare(find_kind(kind).Settings.of(settings), "train", data).network
    assert isinstance(network, Network)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def loaded(folder: Path, where: str) -> Network:
    network = load(folder, where)[1]
    assert isinstance(network, Network)
    return network


def goes_on(tmp_path: Path, source: Network, target: Network) -> tuple[list[str], Network]:
    """What is said of a start from a saved network, and the target as it was."""
    source.save_pretrained(tmp_path / "source")
    before = copy.deepcopy(target)
    return target.start_from(tmp_path / "source", "train", loaded), before


def check(
    source: Network,
    before: Network,
    after: Network,
    rows: Mapping[str, Sequence[Sequence[Hashable]]],
    left: Sequence[str] = (),
) -> None:
    """Every number of every weight, one by one.

    Args:
        rows: weight -> the names of its rows in the source, and in the target.
        left: buffers that stay as they are.
    """
    theirs, fresh = source.state_dict(), before.state_dict()
    for name, value in after.state_dict().items():
        if name in rows:
            old, new = ([str(row) for row in several] for several in rows[name])
            assert len(old) == len(theirs[name])
            assert len(new) == len(value)
            for k, row in enumerate(new):
                assert torch.equal(value[k], theirs[name][old.index(row)] if row in old else fresh[name][k]), (
                    name,
                    row,
                )
        else:
            assert torch.equal(value, fresh[name] if name in left else theirs[name]), name


def language(text: list[str], seed: int, **model: Any) -> Network:
    train = {"tbptt": 2, "batch_size": 2}
    return made("language-model", {"data": {"unit": "word"}, "model": {**SMALL, **model}, "train": train}, text, seed)


def words_of(network: Any) -> list[str]:
    return list(network.vocabulary.tokens.strings)


@pytest.mark.parametrize(
    ("model", "weights", "left"),
    [
        ({}, ["embedding.weight", "output.weight", "output.bias"], []),
        ({"tied": True, "hidden_size": 3}, ["embedding.weight", "output.bias"], []),
        ({"tied": True}, ["embedding.weight", "output.bias"], []),
        ({"output": "sampled"}, ["embedding.weight", "output.weight", "output.bias"], ["output.log_q"]),
        ({"output": "nce", "num_layers": 2}, ["embedding.weight", "output.weight", "output.bias"],
         ["output.log_kq", "output.noise.threshold", "output.noise.alias"]),
    ],
)  # fmt: skip
def test_a_language_model_keeps_the_words_that_it_knows(
    tmp_path: Path, model: dict[str, Any], weights: list[str], left: list[str]
) -> None:
    source, target = language(OLD, 1, **model), language(NEW, 2, **model)
    told, before = goes_on(tmp_path, source, target)
    old, new = words_of(source), words_of(target)
    assert set(new) - set(old) == {"tea", "a", "slow"}
    check(source, before, target, dict.fromkeys(weights, (old, new)), left)
    kept = len(set(new) & set(old))
    assert told == ["all layers", f"{kept} of {len(new)} words (new: 3 words)"]


def test_an_adaptive_softmax_keeps_words_of_the_same_cluster(tmp_path: Path) -> None:
    model = {"output": "adaptive", "hidden_size": 16, "cutoffs": [3, 6]}
    source, target = language(OLD, 1, **model), language(NEW, 2, **model)
    told, before = goes_on(tmp_path, source, target)

    def clusters(network: Any) -> list[list[str]]:
        assert isinstance(network.output, AdaptiveSoftmax)
        ranks = cast(list[int], network.output.rank.tolist())
        ranked = sorted(zip(ranks, words_of(network), strict=True))
        words = [word for _, word in ranked]
        return [[*words[:3], "cluster 1", "cluster 2"], words[3:6], words[6:]]

    theirs, ours = clusters(source), clusters(target)
    rows = {f"output.clusters.head.{part}": (theirs[0], ours[0]) for part in ("weight", "bias")}
    rows |= {f"output.clusters.tail.{k}.1.weight": (theirs[k + 1], ours[k + 1]) for k in range(2)}
    rows["embedding.weight"] = words_of(source), words_of(target)
    check(source, before, target, rows, ["output.rank"])
    kept = sum(len(set(a) & set(b)) for a, b in zip(theirs, ours, strict=True)) - 2
    number, known = len(words_of(target)), len(set(words_of(source)) & set(words_of(target)))
    assert kept < known
    assert told == [
        "all layers",
        f"{known} of {number} words",
        f"{kept} of {number} words in the same cluster (new: 3 words, {number - kept} words in the same cluster)",
    ]


def scored(kind: str, data: Any, seed: int, **model: Any) -> Network:
    return made(kind, {"model": {**SMALL, **model}}, data, seed)


def test_classifiers_keep_the_labels_that_they_know(tmp_path: Path) -> None:
    labels, others = ["good", "bad", "odd"] * 8, ["odd", "fine", "good"] * 8
    marked, again = (
        [("the $T$ was cold", "soup"), ("a $T$ was", end), ("was $T$ kind", "it")] * 8 for end in ("waiter", "cook")
    )
    for kind, old, new, model, what in (
        ("classifier", (OLD, labels), (NEW, others), {"pooling": "attention", "average_size": 2}, "labels"),
        ("target-classifier", (marked, labels), (again, others), {}, "labels"),
        (
            "word-sense",
            ([(*one, "be") for one in marked], labels),
            ([(*one, "be") for one in again], others),
            {},
            "senses",
        ),
    ):
        source, target = scored(kind, old, 1, **model), scored(kind, new, 2, **model)
        told, before = goes_on(tmp_path / kind, source, target)
        both: list[Any] = [source, target]
        rows = {"read.embedding.weight": [net.read.tokens.strings for net in both]}
        rows |= {f"output.{part}": [net.labels for net in both] for part in ("weight", "bias")}
        check(source, before, target, rows)
        words = [set(names) for names in rows["read.embedding.weight"]]
        kept = len(words[0] & words[1])
        fresh = len(words[1]) - kept
        assert told == [
            "all layers",
            f"{kept} of {len(words[1])} words",
            f"2 of 3 {what} (new: {fresh} word{'' if fresh == 1 else 's'}, 1 {what[:-1]})",
        ]


def test_a_classifier_of_series_keeps_its_labels_too(tmp_path: Path) -> None:
    old, new = (
        made("classifier", {"model": {"hidden_size": 4}}, (SERIES, names * 12), k)
        for k, names in enumerate(([1, 2], [3, 1]))
    )
    told, before = goes_on(tmp_path, old, new)
    check(old, before, new, {f"output.{part}": ([1, 2], [1, 3]) for part in ("weight", "bias")})
    assert told == ["all layers", "1 of 2 labels (new: 1 label)"]


@pytest.mark.parametrize(
    ("model", "written"),
    [
        ({"attention": "additive"}, ["decoder.embedding.weight", "decoder.output.weight", "decoder.output.bias"]),
        ({"attention": "general", "tied_embeddings": True}, ["decoder.embedding.weight", "decoder.bias"]),
        ({"attention": "ctc", "repeats": 3}, ["output.weight", "output.bias"]),
    ],
)
def test_sequence_to_sequence_keeps_units_of_both_sides(
    tmp_path: Path, model: dict[str, Any], written: list[str]
) -> None:
    settings = {
        "data": {"target_units": "characters"},
        "model": {**SMALL, **model},
        "decoding": {"max_length": 9},
    }
    source, target = (
        made("seq2seq", settings, [(word, word[::-1].upper()) for word in words], k)
        for k, words in enumerate((["abc", "bca", "cab", "ba"], ["xb", "bx", "cxa", "xc"]))
    )
    told, before = goes_on(tmp_path, source, target)
    both: list[Any] = [source, target]
    rows = {"encoder.embedding.weight": [net.source.strings for net in both]}
    rows |= {name: [["(edge)", *net.target.strings] for net in both] for name in written}
    check(source, before, target, rows)
    counts = [
        (len(set(theirs) & set(ours)), len(ours))
        for theirs, ours in (zip(*((net.source.strings, net.target.strings) for net in both), strict=True))
    ]
    (a, b), (c, d) = counts
    assert told == [
        "all layers",
        f"{a} of {b} source characters",
        f"{c} of {d} target characters (new: 1 source character, 1 target character)",
    ]


def test_another_cell_or_depth_is_not_taken_for_the_same(tmp_path: Path) -> None:
    source = language(OLD, 1, cell="gru_reset_before")
    told, _ = goes_on(tmp_path / "a", language(NEW, 2, cell="gru_reset_after"), source)
    known = set(words_of(source)) & set(words_of(language(NEW, 2)))
    assert told == [f"embeddings of {len(known)} of {len(words_of(source))} tokens"]
    told, _ = goes_on(tmp_path / "b", language(NEW, 2, num_layers=2), language(OLD, 1))
    assert told[1:] == ["recurrent layer 1 (lstm)"]


def test_the_first_line_of_a_run_says_what_was_kept(tmp_path: Path) -> None:
    settings: dict[str, Any] = {**SMALL, "epochs": None, "updates": 1, "threads": 1}
    Classifier(**settings).fit(OLD, ["good", "bad", "odd"] * 8, run=tmp_path / "old")
    Classifier(**settings).fit(NEW, ["odd", "fine", "good"] * 8, run=tmp_path / "new", finetune=tmp_path / "old")
    log = (tmp_path / "new" / "log.txt").read_text(encoding="utf-8")
    assert (
        f" Started from {tmp_path / 'old'}: all layers, 8 of 11 words, 2 of 3 labels (new: 3 words, 1 label). Run folder: "
        in log.splitlines()[0]
    )
