"""The sample that `carrousel new seq2seq` writes: what its SOURCE.md says, its baseline, and what a model makes of it."""

import hashlib
from pathlib import Path

import pytest
import torch

from carrousel.models.seq2seq import KIND
from carrousel.models.seq2seq.kind import baselines
from carrousel.models.seq2seq.reading import pairs_of
from carrousel.train.run import Run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The starter's files."""
    for name, content in KIND.starter().items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_sample_is_what_its_source_says(project: Path) -> None:
    source = (project / "SOURCE.md").read_text()
    content = (project / "pronunciations.tsv").read_bytes()
    pairs, report = pairs_of(project / "pronunciations.tsv", ("characters", "phonemes"), "test")
    assert report == ""
    assert hashlib.sha256(content).hexdigest() in source
    assert f"{len(content):,} bytes" in source
    assert f"{len(pairs):,} pronunciations of {len(pairs.references):,} English words" in source
    assert len({phoneme for target in pairs.targets for phoneme in target}) == 39
    assert "Redistribution and use in source and binary forms" in (project / "LICENSE-CMUDICT").read_text()


def test_letters_one_by_one_are_wrong_in_half_the_phonemes_of_held_out_words(project: Path) -> None:
    pairs, _ = pairs_of(project / "pronunciations.tsv", ("characters", "phonemes"), "test")
    ((figures, _),) = baselines(*pairs.hold_out(0, "test"), ("characters", "phonemes")).values()
    assert figures["phoneme_error_rate"] == pytest.approx(0.490, abs=0.001)
    assert figures["word_error_rate"] == pytest.approx(0.974, abs=0.001)


@pytest.mark.slow
@pytest.mark.usefixtures("annotations_unchecked")
def test_the_starter_learns_to_pronounce_words_it_never_saw(project: Path) -> None:
    torch.set_num_threads(1)
    given = KIND.Settings.from_yaml((project / "seq2seq.yaml").read_text(), ["train.epochs=6"])
    run = Run.start(KIND, KIND.absolute(given, project), project / "run")
    for _ in run.train():
        pass
    assert run.finish().figures["phoneme_error_rate"] < 0.25  # 0.19 when this was written; the baseline has 0.49
