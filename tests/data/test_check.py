"""What `check` tells of each form of data, from the first line to the last."""

import random
from pathlib import Path

import numpy as np
import pytest

from carrousel.data import baselines, split
from carrousel.data.check import check
from carrousel.errors import ConfigError, DataError

pytestmark = pytest.mark.tiny


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def told(path: Path, kind: str | None = None) -> list[str]:
    return check(path, kind).lines()


def test_a_text(tmp_path: Path):
    content = "the cat sat on the mat\n" * 18 + "the dog sat on the log\n" + "the cat sat on the mat\n"
    path = written(tmp_path, "x.txt", content)
    lines = told(path)
    assert lines[:10] == [
        f"{path}: a text, for the kind language-model",
        "  size           460 bytes, 460 characters, 140 words and line ends",
        "  lines          20; 22 characters each",
        "  characters     14 different; 91.3 % of those held out are in the training part (3 are not)",
        "  words          7 different; 85.7 % of those held out are in the training part (2 are not)",
        "  split          414 characters to learn from, 46 held out: the last tenth, cut where a line starts",
        "To look at",
        "  1 of 2 held-out lines of 5 words or more (50.0 %) are in the training part, too: figures on them flatter.",
        "Without a network, on the held-out part",
        "  uniform        bits per character 3.585 (every character equally likely)",
    ]
    findings = check(path)
    expected = baselines(*split(content))
    assert {
        name: figures["bits per character"] for name, (figures, _) in findings.baselines.items() if " " not in name
    } == expected


def test_a_large_text_has_the_unigram_of_a_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(0)
    content = "".join(rng.choices("abcdefgh \n", range(1, 11), k=5000)) + "xyz"
    path = written(tmp_path, "x.txt", content)
    monkeypatch.setattr("carrousel.data.checks.text.LARGEST_FOR_NGRAMS", 10)
    monkeypatch.setattr("carrousel.data.checks.text.LARGEST_FOR_LEAKAGE", 10)
    findings = check(path)
    assert list(findings.baselines) == ["unigram", "word unigram"]
    bits = findings.baselines["unigram"][0]["bits per character"]
    assert bits == pytest.approx(baselines(*split(content))["unigram"], rel=1e-12)
    assert findings.facts["leakage"] == "not looked at in more than 10 bytes"


def test_a_text_with_malformed_bytes_and_one_that_is_too_short(tmp_path: Path):
    path = written(tmp_path, "x.txt", b"caf\xe9\n" + b"a line\n" * 30)
    assert check(path).doubts[0] == (
        f"check: 1 malformed line was skipped: {path}, line 1 is not UTF-8 (byte 3 of the file is 0xe9), expected UTF-8 text."
    )
    with pytest.raises(DataError, match="line 1 is not UTF-8"):
        check(path, skip_bad=False)
    with pytest.raises(DataError) as caught:
        check(written(tmp_path, "x.txt", b"\xef\xbb\xbf"))
    assert str(caught.value) == f"check: {path} has no character, expected a text. Check that it is the right file."
    assert check(written(tmp_path, "x.txt", "a")).doubts == ["The text is too short for two parts."]


def test_tagged_sentences(tmp_path: Path):
    sentences = [f"w{k % 9} A\nthe D\n" for k in range(20)] + ["w1 A\nthe X\n", "w1 A\n bad one\n"]
    path = written(tmp_path, "x.txt", "\n".join(sentences))
    assert told(path) == [
        f"{path}: sentences as columns, a word a line, for the kind tagger",
        "  sentences      22; 2 words each",
        "  words          44 in columns 0 and -1, 11 different; 100.0 % of those held out are in the training part",
        "  tags           4: A 22, D 20, X 1, one 1",
        "  split          20 sentences to learn from, 2 held out: a tenth, drawn by train.seed 0",
        "To look at",
        "  2 of 2 held-out sentences (100.0 %) are in the training part, too: figures on them flatter.",
        "  12 sentences have the words of an earlier one.",
        "  1 sentence has the words of another one and other tags.",
        "Without a network, on the held-out part",
        "  word's tag     accuracy 1 (the word's most frequent tag, A for a new word)",
        "  one tag        accuracy 0.5 (A for every word)",
    ]


def test_labelled_texts(tmp_path: Path):
    rows = [f"{'good' if k % 2 else 'bad'} film {k},{'pos' if k % 2 else 'neg'}" for k in range(40)]
    path = written(tmp_path, "x.csv", "\n".join(["text,label", *rows, "good film 1,neg", "odd,rare", "broken"]))
    assert told(path) == [
        f"{path}: a table of texts and labels, for the kind classifier",
        "  texts          42; 1 to 3 words (median 3, 95 % up to 3), 3 to 12 characters (median 11, 95 % up to 12)",
        "  columns        text 'text', label 'label'",
        "  classes        3: neg 21, pos 20, rare 1",
        "  words          40 different in the training part, in lower case; 66.7 % of those held out are among them",
        "  split          38 texts to learn from, 4 held out: a tenth of each class, drawn by train.seed 0",
        "To look at",
        f"  check: 1 malformed line was skipped: {path}, line 44 has 1 field, expected 2 as in the header.",
        "  1 text was there before, with another label.",
        "  1 of 3 classes has fewer than 10 sequences: rare.",
        "Without a network, on the held-out part",
        "  majority       accuracy 0.5 (neg for all)",
    ]


def test_the_same_text_with_another_target_is_another_one(tmp_path: Path):
    path = tmp_path / "x.tsv"
    rows = "".join(
        f"a $T$ and b {k}\t{target}\t{label}\n" for k in range(20) for target, label in (("x", "p"), ("y", "n"))
    )
    path.write_text(f"text\ttarget\tlabel\n{rows}a $T$ and b 0\tx\tn\n")
    found = check(path)
    assert found.facts["columns"] == "text 'text', target 'target', label 'label'"
    assert [doubt for doubt in found.doubts if "before" in doubt] == ["1 text was there before, with another label."]


def test_classes_that_are_alike_and_several_labels(tmp_path: Path):
    rows = [f'{{"text": "a {k}", "label": {label}}}' for k in range(20) for label in ('["Pos"]', '["pos", "x"]', "[]")]
    findings = check(written(tmp_path, "x.jsonl", "\n".join(rows)))
    assert findings.facts["labels"] == "a text has 0 (20 texts), 1 (20 texts), 2 (20 texts)"
    assert "Classes that differ in case or blanks only: 'Pos', 'pos'." in findings.doubts
    assert findings.baselines == {"majority": ({"accuracy": 2 / 6}, "Pos for all")}


def test_pairs(tmp_path: Path):
    rows = [f"Word {k}\tw o r d {k}" for k in range(20)] + ["word 3\tw", "Word 4\tW", "Word 4\tW", "Word 5\t"]
    path = written(tmp_path, "x.tsv", "\n".join(rows))
    lines = told(path)
    assert lines[:8] == [
        f"{path}: pairs of texts, for the kind seq2seq",
        "  pairs          23 of 21 sources; 1 to 2 targets (median 1, 95 % up to 1)",
        "  sources        6 to 7 characters (median 6, 95 % up to 7), 2 words each",
        "  targets        1 to 10 characters (median 9, 95 % up to 10), 1 to 5 words (median 5, 95 % up to 5)",
        "  ratio          a target has 1.43 times the characters of its source (95 %: 0.17 to 1.50)",
        "  characters     16 in sources, 16 in targets",
        "  split          19 sources to learn from, 2 held out: a tenth of the sources, drawn by train.seed 0",
        "To look at",
    ]
    assert lines[8:10] == [
        f"  check: 1 malformed line was skipped: {path}, line 24 has no target, expected a source and a target.",
        "  1 pair was there before.",
    ]


def test_pairs_that_differ_in_case_leak(tmp_path: Path):
    path = written(tmp_path, "x.tsv", "".join(f"{word}{k}\tx{k}\n" for k in range(20) for word in ("a", "A")))
    findings = check(path, "seq2seq")
    assert findings.doubts[0] == (
        "4 of 4 held-out sources (but for case and blanks) (100.0 %) are in the training part, too: figures on them flatter."
    )


def test_cases_of_a_ts_file(tmp_path: Path):
    rows = [f"{k},{k},?:5,5,5:{'ab'[k % 2]}" for k in range(40)]
    path = written(tmp_path, "x.ts", "\n".join(["@classLabel true a b", "@data", *rows, rows[0], "1,2,3:a"]))
    findings = check(path)
    assert findings.lines()[0] == f"{path}: sequences of numbers with a class or target each, for the kind classifier"
    assert findings.facts["sequences"] == "41; 3 steps each"
    assert findings.facts["channels"] == "2: channel 1 0 to 39 (mean 19.02), channel 2 5 to 5 (mean 5)"
    assert findings.facts["missing"] == "41 values (16.7 %): channel 1 41"
    assert findings.facts["classes"] == "2: a 21, b 20"
    assert (
        findings.facts["split"]
        == "37 sequences to learn from, 4 held out: a tenth of each class, drawn by train.seed 0"
    )
    assert findings.doubts == [
        f"check: 1 malformed line was skipped: {path}, line 44 has 1 channel, expected 2.",
        "channel 2 is 5 everywhere.",
        "1 sequence was there before.",
    ]
    assert findings.baselines == {"majority": ({"accuracy": 0.5}, "a for all")}


def test_cases_with_targets_far_infinite_and_empty_channels(tmp_path: Path):
    x = np.random.default_rng(0).standard_normal((20, 50, 3))
    x[0, 0] = [1e6, np.inf, 0]
    x[..., 2] = np.nan
    np.savez(tmp_path / "x.npz", X=x, y=np.arange(20) / 2)
    findings = check(tmp_path / "x.npz")
    assert findings.doubts == [
        "channel 1 has 1 value more than 20 standard deviations from its mean.",
        "channel 3 has no value.",
        "1 value is infinite.",
    ]
    (name, (figures, about)) = next(iter(findings.baselines.items()))
    assert (name, list(figures)) == ("mean", ["root mean squared error"])
    assert about.endswith(" for all, the mean of the training part")


def hours(num_hours: int) -> list[str]:
    return [f"2024-01-{1 + k // 24:02} {k % 24:02}:00:00" for k in range(num_hours)]


def test_series(tmp_path: Path):
    rows = [f"north,{ds},{k % 24}" for k, ds in enumerate(hours(480))]
    rows += [f"south,{ds},7" for ds in hours(480)]
    del rows[5]
    path = written(tmp_path, "x.csv", "\n".join(["unique_id,ds,y", *rows, "south,yesterday,7"]))
    lines = told(path)
    assert lines[:9] == [
        f"{path}: a long table of time series, for the kind forecaster",
        "  series         2; 480 steps each",
        "  columns        series 'unique_id', time 'ds', value 'y'",
        "  frequency      1 hour, a season of 24 steps",
        "  time           2024-01-01 00:00:00 to 2024-01-20 23:00:00",
        "  channels       1: y 0 to 23 (mean 9.254)",
        "  missing        1 values (0.1 %): y 1",
        "  split          768 steps to learn from; validation from 2024-01-17 00:00:00: 96 steps; test from "
        "2024-01-19 00:00:00: 96 steps. The same dates for all series, so that no part knows another's time",
        "  observed       100.0 % of the steps that baselines forecast",
    ]
    assert lines[9] == "To look at"
    assert lines[-4:] == [
        "  The series south is 7 everywhere.",
        "Without a network, on the held-out part",
        "  persistence    mean absolute error 5.75 (the last value, for 24 steps)",
        "  seasonal-naive mean absolute error 0 (the value 24 steps before)",
    ]
    assert lines[10:12] == [
        f"  check: 1 malformed line was skipped: {path}, line 961 has 'yesterday' in the column ds, expected a time such as "
        "2024-03-01 05:00:00.",
        "  1 step of 1 hour has no row, in 1 gap; the first gap is 1 after 2024-01-01 04:00:00, before series 'north' at "
        f"2024-01-01 06:00:00 ({path}, line 7); filled with NaN.",
    ]


def test_series_whose_columns_have_other_names(tmp_path: Path):
    rows = [f"{ds},{k},{k % 5}" for k, ds in enumerate(hours(480))]
    findings = check(written(tmp_path, "x.csv", "\n".join(["date,temperature,load", *rows])))
    assert findings.kind == "forecaster"
    assert findings.facts["channels"] == "1: load 0 to 4 (mean 2)"


def test_series_that_repeat_each_other_and_are_too_short_for_a_season(tmp_path: Path):
    rows = [f"{name},{ds},{k}" for name in "ab" for k, ds in enumerate(hours(30))]
    findings = check(written(tmp_path, "x.csv", "\n".join(["unique_id,ds,y", *rows])))
    assert findings.doubts == [
        "1 series has the values of another one.",
        "The validation part has not one season of 24 steps: no forecast was made.",
    ]


def test_numbers(tmp_path: Path):
    rows = [f"{k % 2},5" for k in range(40)]
    path = written(tmp_path, "x.csv", "\n".join(["a,b", *rows[:20], "x,5", *rows[20:]]))
    assert told(path, "autoencoder") == [
        f"{path}: a table of numbers, a time step a row, for the kind autoencoder",
        "  steps          40",
        "  channels       2: a 0 to 1 (mean 0.5), b 5 to 5 (mean 5)",
        "  columns        all read as channels; one that names series or marks anomalies: data.series, data.label",
        "  split          36 steps to learn from, the last 4 held out",
        "To look at",
        f"  check: 1 malformed line was skipped: {path}, line 22 has 'x' in the column a, expected a number.",
        "  b is 5 everywhere.",
        "Without a network, on the held-out part",
        "  mean           mean squared error 0.5 (the mean of the training part, in its standard deviations)",
    ]


def test_a_file_that_is_held_out_takes_the_place_of_the_split(tmp_path: Path):
    train = written(tmp_path, "train.txt", "the cat sat on the mat\n" * 10)
    valid = written(tmp_path, "valid.txt", "the cat sat on the mat\nthe cat sat on the dog\n")
    findings = check(train, valid=valid)
    assert findings.facts["split"] == f"230 characters to learn from, 46 held out: {valid}"
    assert findings.doubts == [
        "1 of 2 held-out lines of 5 words or more (50.0 %) are in the training part, too: figures on them flatter."
    ]

    train, valid = written(tmp_path, "a.txt", "a X\nb Y\n\na X\n"), written(tmp_path, "b.txt", "a X\n\nc Z\n")
    findings = check(train, "tagger", valid=valid)
    assert findings.facts["split"] == f"2 sentences to learn from, 2 held out: {valid}"
    assert findings.doubts == [
        "1 of 2 held-out sentences (50.0 %) are in the training part, too: figures on them flatter.",
        "1 sentence has the words of an earlier one.",
        "Tags that only the held-out part has: Z.",
    ]

    train, valid = (
        written(tmp_path, "a.csv", "text,label\na,x\nb,y\n"),
        written(tmp_path, "b.csv", "text,label\na,x\nc,z\n"),
    )
    findings = check(train, valid=valid)
    assert findings.facts["split"] == f"2 texts to learn from, 2 held out: {valid}"
    assert findings.doubts[:2] == [
        "Only the held-out part has z: no model can know it.",
        "1 of 2 held-out texts (50.0 %) are in the training part, too: figures on them flatter.",
    ]
    assert findings.baselines == {"majority": ({"accuracy": 0.5}, "x for all")}

    train, valid = written(tmp_path, "a.tsv", "a\tx\nb\ty\n"), written(tmp_path, "b.tsv", "A\tx\nc\tc\n")
    findings = check(train, "seq2seq", valid=valid)
    assert findings.facts["split"] == f"2 sources to learn from, 2 held out: {valid}"
    assert findings.numbers["leaked"] == 1
    assert {name: figures["exact match"] for name, (figures, _) in findings.baselines.items()} == {
        "copy": 0.5,
        "one target": 0.5,
    }

    header = "@classLabel true x y\n@data\n"
    train, valid = written(tmp_path, "a.ts", header + "1,2:x\n3:y\n"), written(tmp_path, "b.ts", header + "1,2:x\n")
    findings = check(train, valid=valid)
    assert findings.facts["split"] == f"2 sequences to learn from, 1 held out: {valid}"
    assert findings.numbers["leaked"] == 1
    wide = written(tmp_path, "c.ts", header + "1,2:1,2:x\n")
    with pytest.raises(DataError) as caught:
        check(train, valid=wide)
    assert str(caught.value) == f"check: {wide} has 2 channels, expected 1 as in {train}. Give files of one kind."


def test_series_have_no_file_held_out(tmp_path: Path):
    path = written(tmp_path, "x.csv", "ds,y\n2024-01-01,1\n")
    with pytest.raises(ConfigError) as caught:
        check(path, valid="y.csv")
    assert str(caught.value) == (
        "check: valid is y.csv, expected none: a long table of time series is split by time. Leave it out."
    )


def test_one_sequence_cannot_be_two_parts(tmp_path: Path):
    findings = check(written(tmp_path, "x.csv", "text,label\na,x\n"))
    assert findings.doubts[-2:] == [
        "There is one class only: nothing to learn.",
        "One of the parts has no sequence, expected some in both. Give more.",
    ]
    findings = check(written(tmp_path, "x.tsv", "a\tx\n"), "seq2seq")
    assert findings.doubts == ["One of the parts has no pair, expected some in both. Give more."]


def test_an_unknown_kind_is_answered_with_the_nearest(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        check(tmp_path / "x", "tager")
    assert str(caught.value) == (
        "check: unknown kind of model 'tager'. Did you mean 'tagger'? Kinds: language-model, tagger, classifier, "
        "target-classifier, word-sense, seq2seq, forecaster, autoencoder."
    )
