"""Files with malformed lines, measured and predicted: a stop that names the line, or figures of the rest, in line with the file."""

import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from carrousel.cli import main
from carrousel.data.faults import SKIP_WHEN, SkippedWarning
from carrousel.errors import DataError
from carrousel.models.kinds import find_kind
from carrousel.train.kind import Prepared

HOW = SKIP_WHEN["evaluate"]
SMALL = {"hidden_size": 3, "cell": "elman"}
EMBEDDED = SMALL | {"embedding_size": 3}
WAVE = [round(float(np.sin(k / 3)), 4) for k in range(40)]
# kind -> name of the file, its head, its good records, a malformed one, what is wrong with it, and settings to learn with
FILES: dict[str, tuple[str, str, list[str], str, str, dict[str, Any]]] = {
    "language-model": (
        "x.txt",
        "",
        [f"{'ab' * (k % 5 + 3)}\n" for k in range(60)],
        "a\xff\n",
        "is not UTF-8 (byte {byte} of the file is 0xff), expected UTF-8 text.",
        {"model": EMBEDDED, "train": {"batch_size": 2, "tbptt": 4}},
    ),
    "tagger": (
        "x.conll",
        "",
        [f"a\tX\n{'bc'[k % 2]}\tY\n\n" for k in range(20)],
        "a\tX\na\nb\n\n",
        "has 1 column, expected 2 as in the first line.",
        {"model": SMALL | {"word_size": 3, "characters": "none"}},
    ),
    "classifier": (
        "x.tsv",
        "text\tlabel\n",
        [f"{'ab'[k % 2]} c\t{'pn'[k % 2]}\n" for k in range(20)],
        "a\n",
        "has 1 field, expected 2 as in the header.",
        {"model": EMBEDDED},
    ),
    "target-classifier": (
        "x.tsv",
        "text\ttarget\tlabel\n",
        [f"{'ab'[k % 2]} $T$ c\td\t{'pn'[k % 2]}\n" for k in range(20)],
        "a $T$\td\n",
        "has 2 fields, expected 3 as in the header.",
        {"model": EMBEDDED},
    ),
    "word-sense": (
        "x.tsv",
        "text\ttarget\tlemma\tsense\n",
        [f"{'ab'[k % 2]} $T$ c\td\td\t{'pn'[k % 2]}\n" for k in range(20)],
        "a $T$\td\td\n",
        "has 3 fields, expected 4 as in the header.",
        {"model": EMBEDDED},
    ),
    "seq2seq": (
        "x.tsv",
        "",
        [f"{'ab' * (k % 5 + 1)}\t{'xy' * (k % 3 + 1)}\n" for k in range(20)],
        "\tx\n",
        "has no source, expected a source and a target.",
        {"model": EMBEDDED, "decoding": {"max_length": 3}},
    ),
    "forecaster": (
        "x.csv",
        "unique_id,ds,y\n",
        [f"s,{k},{value}\n" for k, value in enumerate(WAVE)],
        "s,x,1\n",
        "has 'x' in the column ds, expected a time such as 2024-03-01 05:00:00.",
        {"model": SMALL | {"context": 6, "horizon": 2, "season": 3}},
    ),
    "autoencoder": (
        "x.csv",
        "a,b\n",
        [f"{value},{-value}\n" for value in WAVE],
        "1,x\n",
        "has 'x' in column 'b', expected a finite number.",
        {"data": {"window": 6}, "model": SMALL},
    ),
}
AFTER = 10  # good records before the malformed one


def learned(kind: str, path: Path) -> Prepared:
    name, head, good, _, _, settings = FILES[kind]
    (path / f"learned-{name}").write_text(head + "".join(good))
    data = settings.get("data", {}) | {"text" if kind == "language-model" else "train": str(path / f"learned-{name}")}
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return find_kind(kind).prepare(find_kind(kind).Settings.of({**settings, "data": data}))


def files(kind: str, folder: Path) -> tuple[Path, Path]:
    """A file with malformed records, one after some good ones and one at its end, and the same without them."""
    name, head, good, bad, _, _ = FILES[kind]
    paths = folder / f"bad-{name}", folder / f"good-{name}"
    for path, some in zip(paths, (bad, ""), strict=True):
        content = head + "".join(good[:AFTER]) + some + "".join(good[AFTER:]) + some
        path.write_bytes(content.encode("latin-1"))
    return paths


def line_of(kind: str) -> int:
    """The number of the first malformed line."""
    _, head, good, *_ = FILES[kind]
    before = head + "".join(good[:AFTER])
    return before.count("\n") + 1 + (kind == "tagger")


@pytest.mark.parametrize("kind", FILES)
def test_a_malformed_line_ends_a_measurement_and_is_skipped_when_that_is_asked_for(kind: str, tmp_path: Path) -> None:
    network, which = learned(kind, tmp_path).network, find_kind(kind)
    bad, good = files(kind, tmp_path)
    with pytest.raises(DataError) as caught:
        which.evaluate(network, bad)
    what = FILES[kind][4].format(byte=bad.read_bytes().find(b"\xff"))
    assert str(caught.value) == (
        f"evaluate: {bad}, line {line_of(kind)} {what} Correct the line, or skip what is malformed: {HOW}."
    )
    with pytest.warns(SkippedWarning) as told:
        figures = which.evaluate(network, bad, skip_bad=True)
    # A record of the tagger has two malformed lines; of a text the rest of the line stays.
    number = {"tagger": 4}.get(kind, 2)
    assert [str(one.message).partition(",")[0] for one in told] == [
        f"evaluate: {number} malformed lines were skipped: {bad}"
    ]
    if kind != "language-model":
        assert figures == which.evaluate(network, good)


@pytest.mark.parametrize("kind", FILES)
def test_predictions_stay_in_line_with_the_file(kind: str, tmp_path: Path) -> None:
    network, which = learned(kind, tmp_path).network.eval(), find_kind(kind)
    bad, good = files(kind, tmp_path)
    options: dict[str, Any] = {"length": 2, "seed": 0} if kind == "language-model" else {}
    with pytest.raises(DataError):
        list(which.predict(network, bad, **options))
    expected = list(which.predict(network, good, **options))
    with pytest.warns(SkippedWarning, match=r"^predict: \d malformed lines were skipped: "):
        found = list(which.predict(network, bad, skip_bad=True, **options))
    match kind:
        case "forecaster":
            assert found == expected
        case "autoencoder":
            numbers = [*range(2, 2 + AFTER), *range(3 + AFTER, 3 + len(WAVE))]
            assert found == [f"{line}\t{number}" for line, number in zip(expected, numbers, strict=True)]
        case "tagger":
            assert found == [*expected[: 3 * AFTER], "", *expected[3 * AFTER :], ""]
        case _:
            empty = "" if kind == "language-model" else "\t"
            assert found == [*expected[:AFTER], empty, *expected[AFTER:], empty]


def test_the_command_line_skips_and_tells_it_beside_the_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    learned("classifier", tmp_path).network.save_pretrained(tmp_path / "model")  # type: ignore[operator]
    bad, good = files("classifier", tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    lines = [f"{bad}, line {number} has 1 field, expected 2 as in the header." for number in (12, 23)]
    said = f"2 malformed lines were skipped: {' '.join(lines)}\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [("default", None, SkippedWarning, None, 0)])
        expected = run("evaluate", str(tmp_path / "model"), str(good), "--json")[1]
        assert run("evaluate", str(tmp_path / "model"), str(bad), "--json", "--skip-bad") == (
            0,
            expected,
            f"carrousel: evaluate: {said}",
        )
        code, written, errors = run("predict", str(tmp_path / "model"), str(bad), "--skip-bad")
    assert (code, errors) == (0, f"carrousel: predict: {said}")
    assert [k for k, line in enumerate(written.splitlines()) if line == "\t"] == [AFTER, 21]


def test_a_tagger_is_measured_on_a_file_as_on_its_sentences(tmp_path: Path) -> None:
    network, kind = learned("tagger", tmp_path).network, find_kind("tagger")
    _, good = files("tagger", tmp_path)
    sentences = [[("a", "X"), ("bc"[k % 2], "Y")] for k in range(20)]
    sentences[0] = [("b", "X"), ("a", "X")]
    good.write_text("".join("".join(f"{word}\t{tag}\n" for word, tag in one) + "\n" for one in sentences))
    network.crf = None  # type: ignore[assignment]
    with torch.no_grad():
        network.output.weight.normal_(0, 3)  # type: ignore[union-attr]
    in_file, as_objects = kind.evaluate(network, good), kind.evaluate(network, sentences)
    words = [[word for word, _ in one] for one in sentences]
    said = cast(list[list[str]], network.predict(words))  # type: ignore[operator]
    pairs = [
        (tag, told) for one, tags in zip(sentences, said, strict=True) for (_, tag), told in zip(one, tags, strict=True)
    ]
    assert in_file == as_objects == {"accuracy": sum(tag == told for tag, told in pairs) / len(pairs)}
