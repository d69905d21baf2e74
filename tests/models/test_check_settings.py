"""`carrousel data check SETTINGS.yaml`: the data of a run before it is made, read as its kind will read it."""

from pathlib import Path

import pytest

from carrousel.errors import ConfigError
from carrousel.models.check import check_settings
from carrousel.models.kinds import KINDS, write_starter

REVIEWS = "body\tmark\n" + "".join(f"{'good' if k % 2 else 'bad'} soup {k}\t{k % 2}\n" for k in range(40))


def settings(folder: Path, content: str = REVIEWS, *lines: str) -> Path:
    (folder / "reviews.tsv").write_text(content)
    path = folder / "c.yaml"
    path.write_text("\n".join(["kind: classifier", "data:", "  train: reviews.tsv", "  text: body", *lines]))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_samples_have_their_kinds_own_split_and_baselines(kind: str, tmp_path: Path) -> None:
    found = check_settings(write_starter(kind, tmp_path)[0])
    assert found.kind == kind
    assert "held out" in found.facts["split"]
    assert found.baselines
    assert not [name for figures, _ in found.baselines.values() for name in figures if "_" in name]


def test_a_table_is_read_with_the_columns_that_the_settings_name(tmp_path: Path) -> None:
    path = settings(tmp_path, REVIEWS, "  label: mark")
    lines = check_settings(path).lines()
    assert lines[0] == f"{tmp_path}/reviews.tsv: a table of texts and labels, for the kind classifier"
    assert "  columns        text 'body', label 'mark'" in lines
    assert "  split          40 sequences; 4 are held out" in lines
    assert [line.split()[0] for line in lines[-2:]] == ["majority", "naive"]
    other = check_settings(path, ["data.text=mark", "data.label=body"])
    assert other.facts["columns"] == "text 'mark', label 'body'"


@pytest.mark.tiny
def test_what_would_stop_training_is_told_and_the_rest_looked_at(tmp_path: Path) -> None:
    path = settings(tmp_path, REVIEWS + "no label\n", "  label: mark")
    found = check_settings(path)
    assert found.doubts[0] == (
        f"With these settings training would stop: check: {tmp_path}/reviews.tsv, line 42 has 1 field, expected 2 as in the "
        "header. Correct the line, or skip what is malformed: data.skip_bad=true when training, skip_bad=True in Python."
    )
    assert found.facts["texts"].startswith("40; ")


@pytest.mark.tiny
def test_settings_without_data_have_nothing_to_look_at(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("kind: tagger")
    with pytest.raises(ConfigError) as caught:
        check_settings(path)
    assert str(caught.value) == f"check: {path}: the settings name no file of data, expected one. Set data.train."
    path.write_text("kind: language-model\ndata: {text: shakespeare}")
    with pytest.raises(ConfigError) as caught:
        check_settings(path)
    assert str(caught.value) == f"check: {path}: the settings name no file of data, expected one. Set data.train."
