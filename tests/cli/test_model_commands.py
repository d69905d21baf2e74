"""`carrousel new`, `train`, `evaluate` and `predict` for every kind of model, as a newcomer uses them."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from carrousel.cli import main
from carrousel.models import KINDS, find_kind
from carrousel.models.samples import sample_names

Command = Callable[..., tuple[int, str, str]]

FEW = ["model.hidden_size=4", "train.updates=2", "train.evaluate_every=2", "train.threads=1"]
KINDS_NAMED = f"Kinds: {', '.join(KINDS)}."
SAMPLES = [(kind, sample) for kind in KINDS for sample in ("", *sample_names(kind))]


@pytest.fixture
def carrousel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
        with pytest.raises(SystemExit) as caught:
            sys.exit(main())
        return caught.value.code or 0, *capsys.readouterr()  # type: ignore[return-value]

    return run


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_a_project_is_begun_trained_measured_and_used(
    carrousel: Command, tmp_path: Path, kind: str, sample: str
) -> None:
    code, out, err = carrousel("new", kind, "project", *(["--sample", sample] if sample else []))
    assert (code, err) == (0, "")
    others = " or ".join(name for name in sample_names(kind) if name != sample)
    last = [f"Other data: carrousel new {kind} DIR --sample {others}"] if others else []
    assert out.splitlines()[-1 - len(last) :] == [f"To train: carrousel train project/{kind}.yaml", *last]
    settings = yaml.safe_load((tmp_path / "project" / f"{kind}.yaml").read_text())
    assert settings["kind"] == kind

    code, out, err = carrousel("train", f"project/{kind}.yaml", *FEW, "--run", "run")
    assert (code, err) == (0, "")
    assert out.startswith(f"Training {'an' if kind[0] in 'aeiou' else 'a'} {kind} (")
    use = "sample run" if kind == "language-model" else "predict run FILE"
    assert f"Run folder: run. To use the model: carrousel {use}\n" in out
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["kind"], summary["updates"]) == (kind, 2)
    units = {"autoencoder": "squared error", "forecaster": "squared error" if sample else "pinball loss"}
    unit = units.get(kind, "nats")
    assert summary["loss_unit"] == unit
    assert re.search(r"loss \d+\.\d{3} nats" if unit == "nats" else rf"{unit} \d+\.\d{{3}}", out)
    assert f"<h3>Training loss <small>{unit}</small></h3>" in (tmp_path / "run" / "report.html").read_text()
    assert summary["baselines"]
    assert all(summary["monitor"] in found["figures"] for found in summary["baselines"].values())
    assert (tmp_path / "run" / "report.html").read_text().startswith("<!")
    assert json.loads((tmp_path / "run" / "examples.json").read_text()) or (tmp_path / "run" / "sample.txt").read_text()

    data = settings["data"]
    named = [data[name] for name in ("valid", "train", "text") if name in data]
    file = next(f"project/{name}" for name in named if (tmp_path / "project" / str(name)).exists())
    static = [f"static=project/{data['static']}"] if data.get("static") else []
    code, out, err = carrousel("evaluate", "run", file, "--json", *static)
    assert (code, err) == (0, "")
    assert summary["monitor"] in json.loads(out)
    if kind == "language-model":  # which goes on with every line
        (tmp_path / "few.txt").write_text("Now is\nthe winter\n")
        file = "few.txt"
    if sample == "rainfall":  # which needs the rain of the days that it simulates
        file = "coming.csv"
        rows = [line.split(",") for line in (tmp_path / "project" / "rainfall.csv").read_text().splitlines()]
        coming = [[*row[:-1], "" if row[1].isdigit() and int(row[1]) >= 2_850 else row[-1]] for row in rows]
        (tmp_path / file).write_text("".join(",".join(row) + "\n" for row in coming))
    code, out, err = carrousel("predict", "run", file, *static)
    assert (code, err) == (0, "")
    assert out.count("\n") > 1


@pytest.mark.tiny
@pytest.mark.parametrize("kind", list(KINDS))
def test_settings_and_their_schema_can_be_listed(carrousel: Command, kind: str) -> None:
    code, out, _ = carrousel("train", "--settings", kind)
    assert code == 0
    assert out.startswith(f"kind: {kind}\n")
    assert find_kind(kind).Settings.from_yaml(out) == find_kind(kind).Settings()
    code, out, _ = carrousel("train", "--schema", kind)
    assert code == 0
    assert json.loads(out)["properties"]["kind"] == {"const": kind}


BAD_INPUT = [
    (["new", "taggr"], f"new: unknown kind of model 'taggr'. Did you mean 'tagger'? {KINDS_NAMED}"),
    (["new", "tagger", "--sample", "name"], "new: unknown sample 'name' of tagger. Did you mean 'names'? Its samples: names."),
    (["new", "autoencoder", "--sample", "wind"], "new: unknown sample 'wind' of autoencoder. Its samples: none but the first, "
     "which needs no name."),
    (["new", "tagger", "mine"], "new: mine/tagger.yaml already exists, expected a folder without it. Name another folder."),
    (["new", "tagger", "mine/tagger.yaml/x"], "new: mine/tagger.yaml/x cannot be made (Not a directory), expected a folder to "
     "write to. Name another."),
    (["train", "nowhere.yaml"], "train: nowhere.yaml does not exist, expected a settings file. carrousel new KIND writes one."),
    (["train", "kindless.yaml"], "train: kindless.yaml does not say which kind of model it is about, expected a line such as "
     f"'kind: tagger'. {KINDS_NAMED}"),
    (["train", "escaping.yaml"], "train: escaping.yaml: data.train is ../secret.conllu, which lies outside ., expected a path "
     "inside the settings file's folder. Move the file there, or name it on the command line: data.train=../secret.conllu"),
    (["train", "absolute.yaml"], "train: absolute.yaml: data.train is /etc/passwd, which lies outside ., expected a path inside "
     "the settings file's folder. Move the file there, or name it on the command line: data.train=/etc/passwd"),
    (["train", "wrong.yaml"], "train: wrong.yaml: train.updates is 0, expected at least 1. unknown setting 'modle'. Did you mean "
     "'model'? All settings: carrousel train --settings tagger"),
    (["evaluate", "nowhere", "x"], "evaluate: nowhere does not exist, expected the folder of a trained model (config.json and "
     "model.safetensors). Check the path; `carrousel train` makes one."),
    (["predict", "nowhere", "x", "beam=3"], "predict: nowhere does not exist, expected the folder of a trained model (config.json "
     "and model.safetensors). Check the path; `carrousel train` makes one."),
]  # fmt: skip


@pytest.mark.tiny
@pytest.mark.parametrize(("arguments", "message"), BAD_INPUT)
def test_bad_input_is_answered_in_one_line_and_leaves_nothing(
    carrousel: Command, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "tagger.yaml").write_text("")
    (tmp_path / "kindless.yaml").write_text("train: {}\n")
    (tmp_path / "escaping.yaml").write_text("kind: tagger\ndata: {train: ../secret.conllu}\n")
    (tmp_path / "absolute.yaml").write_text("kind: tagger\ndata: {train: /etc/passwd}\n")
    (tmp_path / "wrong.yaml").write_text("kind: tagger\nmodle: {}\ntrain: {updates: 0}\n")
    before = sorted(os.walk(tmp_path))
    assert carrousel(*arguments) == (2, "", f"carrousel: {message}\n")
    assert sorted(os.walk(tmp_path)) == before


@pytest.mark.tiny
def test_a_link_does_not_lead_out_of_the_folder_either(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.conllu").write_text("")
    (tmp_path / "inside" / "link").symlink_to(tmp_path)
    (tmp_path / "inside" / "a.yaml").write_text("kind: tagger\ndata: {train: link/secret.conllu}\n")
    code, _, err = carrousel("train", "inside/a.yaml")
    assert code == 2
    assert "data.train is link/secret.conllu, which lies outside inside, expected a path inside" in err


def test_malformed_lines_end_a_run_unless_they_are_skipped(carrousel: Command, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("ab\tBA\nbad\n" + "abc\tCBA\nb\tB\n" * 10)
    (tmp_path / "mine.yaml").write_text("kind: seq2seq\ndata: {train: pairs.tsv}\n")
    fault = "pairs.tsv, line 2 has 1 field, expected 2 as in the first line."
    remedy = "or skip what is malformed: data.skip_bad=true when training, skip_bad=True in Python."
    code, out, err = carrousel("train", "mine.yaml", *FEW, "--run", "run")
    assert (code, out, err) == (2, "", f"carrousel: train: {fault} Correct the line, {remedy}\n")
    assert carrousel("train", "mine.yaml", *FEW, "--run", "run", "--skip-bad")[::2] == (0, "")
    assert yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]["skip_bad"] is True
    skipped = json.loads((tmp_path / "run" / "summary.json").read_text())["notes"]["skipped"]
    assert skipped == f"train: 1 malformed line was skipped: {fault}"

    code, out, err = carrousel("data", "check", "pairs.tsv", "--stop-at-bad")
    assert (code, out, err) == (2, "", f"carrousel: check: {fault} Correct the line, {remedy}\n")
    for given in ([], ["--skip-bad"]):
        code, out, err = carrousel("data", "check", "pairs.tsv", *given)
        assert (code, err) == (0, "")
        assert f"1 malformed line was skipped: {fault}" in out


def test_the_data_of_a_settings_file_is_looked_at_as_the_file_says(carrousel: Command) -> None:
    assert carrousel("new", "classifier", "p")[0] == 0
    code, out, err = carrousel("data", "check", "p/classifier.yaml", "data.min_count=2")
    assert (code, err, out.splitlines()[0]) == (
        0, "", "p/languages.tsv: a table of texts and labels, for the kind classifier",
    )  # fmt: skip
    assert "naive Bayes" in out
    code, out, err = carrousel("data", "check", "p/classifier.yaml", "--kind", "tagger")
    assert (code, out, err) == (
        2, "", "carrousel: check: p/classifier.yaml is given with --kind or --valid, expected it alone: a settings file says what "
        "its data is for and what is held out. Leave them out, or give the file of data.\n",
    )  # fmt: skip
    code, out, err = carrousel("data", "check", "p/languages.tsv", "data.min_count=2")
    assert (code, out, err) == (
        2, "", "carrousel: check: 'data.min_count=2' is given with p/languages.tsv, which is no settings file (.yaml), expected a "
        "file of data alone. Leave it out.\n",
    )  # fmt: skip
