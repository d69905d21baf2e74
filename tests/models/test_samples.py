"""The samples that `carrousel new KIND --sample NAME` writes: they are what their SOURCE.md says, and can be learned."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from carrousel.models import KINDS
from carrousel.models.kinds import read_settings, write_starter
from carrousel.models.samples import sample_files, sample_names
from carrousel.models.tagger.sentences import File, read_sentences
from carrousel.train.run import Run
from carrousel.train.summary import Summary

SAMPLES = [(kind, sample) for kind in KINDS for sample in sample_names(kind)]


def test_these_are_all_samples_beside_the_first() -> None:
    assert SAMPLES == [
        ("language-model", "wikipedia"),
        ("tagger", "names"),
        ("classifier", "films"),
        ("classifier", "vowels"),
        ("forecaster", "rainfall"),
    ]


@pytest.mark.tiny
@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_settings_come_first_and_their_files_are_there(tmp_path: Path, kind: str, sample: str) -> None:
    written = write_starter(kind, tmp_path / "project", sample)
    assert written[0] == tmp_path / "project" / f"{kind}.yaml"
    assert {path.name for path in written} == set(sample_files(kind, sample))
    found, settings = read_settings(written[0])
    named = [Path(value) for name in found.path_names() if (value := getattr(settings.data, name))]
    assert found.data_files(settings)[0] in named
    assert set(named) <= set(written)


@pytest.mark.tiny
@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_the_source_page_has_the_hash_of_all_data_and_the_licence(kind: str, sample: str) -> None:
    files = sample_files(kind, sample)
    source = files["SOURCE.md"].decode()
    for name in set(files) - {"SOURCE.md", f"{kind}.yaml", "articles.tsv"}:
        assert name.startswith("LICENSE") or hashlib.sha256(files[name]).hexdigest() in source, name
    assert re.search("MIT licence|Creative Commons Attribution", source)


@pytest.mark.tiny
def test_each_article_of_wikipedia_has_its_title_and_a_revision_and_is_in_one_part() -> None:
    files = {name: content.decode() for name, content in sample_files("language-model", "wikipedia").items()}
    rows = [line.split("\t") for line in files["articles.tsv"].splitlines()]
    assert rows[0] == ["part", "revision", "title"]
    assert Counter(part for part, _, _ in rows[1:]) == {"articles": 84, "held_out": 9}
    assert all(re.fullmatch(r"\d{9}", revision) for _, revision, _ in rows[1:])
    for part in ("articles", "held_out"):
        text = files[f"{part}.txt"]
        articles = text.removesuffix("\n\n").split("\n\n")
        assert [article.split("\n")[0] for article in articles] == [title for name, _, title in rows if name == part]
        assert all(len(article.partition("\n")[2].encode()) >= 1_000 for article in articles)
        assert f"`{part}.txt` ({len(text.encode()):,} bytes" in files["SOURCE.md"]
        assert not re.search(r"\[\[|\]\]|\{\{|\}\}|<ref|\n==", text)


@pytest.mark.tiny
def test_the_names_are_as_many_as_their_source_says(tmp_path: Path) -> None:
    write_starter("tagger", tmp_path, "names")
    source = (tmp_path / "SOURCE.md").read_text()
    parts = [read_sentences(File(tmp_path / name))[0] for name in ("train.txt", "valid.txt")]
    assert [(len(part), part.num_words) for part in parts] == [(418, 13_275), (82, 2_245)]
    learned, held_out = (Counter(tag[2:] for tags in part.tags for tag in tags if tag[0] == "B") for part in parts)
    listed = {kind: (int(a), int(b)) for kind, a, b in re.findall(r"\| ([A-Z]{3}) \| .* \| (\d+) \| (\d+) \|", source)}
    assert listed == {kind: (learned[kind], held_out[kind]) for kind in learned}
    assert (learned.total(), held_out.total()) == (1_074, 208)
    assert not set(map(tuple, parts[0].words)) & set(map(tuple, parts[1].words))


@pytest.mark.tiny
def test_the_sentences_on_films_are_as_many_as_their_source_says(tmp_path: Path) -> None:
    write_starter("classifier", tmp_path, "films")
    rows = {
        name: [line.split("\t") for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("films.tsv", "held_out.tsv")
    }
    assert all(found[0] == ["label", "text"] and {len(row) for row in found} == {2} for found in rows.values())
    assert Counter(label for label, _ in rows["films.tsv"][1:]) == {"praise": 805, "blame": 795}
    assert Counter(label for label, _ in rows["held_out.tsv"][1:]) == {"praise": 181, "blame": 219}
    assert len({text for found in rows.values() for _, text in found[1:]}) == 2_000


def trained(kind: str, sample: str, folder: Path) -> Summary:
    """What the sample's own settings reach."""
    found, settings = read_settings(write_starter(kind, folder, sample)[0])
    run = Run.start(found, settings, folder / "run")
    for _ in run.train():
        pass
    return run.finish()


@pytest.mark.slow
@pytest.mark.usefixtures("annotations_unchecked")
def test_the_next_byte_of_articles_never_read_is_predicted_far_better_than_from_two_bytes(tmp_path: Path) -> None:
    summary = trained("language-model", "wikipedia", tmp_path)
    found = {name: baseline["figures"]["bits_per_byte"] for name, baseline in summary.baselines.items()}
    assert (
        summary.figures["bits_per_byte"] < 2.4 < found["trigram"] - 0.6
    )  # 2.342, beside 3.005 and 2.335 of the 5-gram


@pytest.mark.slow
@pytest.mark.usefixtures("annotations_unchecked")
def test_names_in_later_news_are_found_far_better_than_by_the_words_alone(tmp_path: Path) -> None:
    summary = trained("tagger", "names", tmp_path)
    assert summary.monitor == "f1"
    assert summary.baselines["word's tag"]["figures"]["f1"] < 0.32
    assert summary.figures["f1"] > 0.57  # .619 when it was made


@pytest.mark.slow
@pytest.mark.usefixtures("annotations_unchecked")
def test_probabilities_of_praise_and_blame_are_better_than_those_of_naive_bayes(tmp_path: Path) -> None:
    summary = trained("classifier", "films", tmp_path)
    found = {name: baseline["figures"]["log_loss"] for name, baseline in summary.baselines.items()}
    assert summary.figures["log_loss"] < 0.605 < found["naive Bayes"] < found["majority"]  # .589, beside .618
    assert summary.figures["accuracy"] > 0.66  # .695, beside .715 of naive Bayes
