"""The kind `language-model`: units, batches, the ways to end and to regularise, files of any size, what `carrousel new` writes."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from carrousel.data import CharVocabulary, NGram, Streams, kept
from carrousel.errors import ConfigError, DataError
from carrousel.heads.sampled import NoiseContrastive, SampledSoftmax
from carrousel.heads.softmax import AdaptiveSoftmax
from carrousel.layers.draw import Draw
from carrousel.layers.noise import dropped
from carrousel.models.kinds import find_kind, read_settings, write_starter
from carrousel.models.language_model import (
    KIND,
    ByteVocabulary,
    DynamicEvaluation,
    LanguageModel,
    LanguageModelNetwork,
    NeuralCache,
    Output,
    Regularisation,
    WordVocabulary,
)
from carrousel.models.language_model.batches import RandomWindows, TextBatches, window_loss
from carrousel.models.language_model.generation import Choice
from carrousel.models.language_model.regularisation import drop_words
from carrousel.models.language_model.vocabularies import line_end_of, vocabulary_of
from carrousel.train.kind import Prepared
from carrousel.train.run import Run

LINES = ["the quick brown fox jumps over the lazy dog", "again the fox jumps", "a lazy dog sleeps, again"] * 12
QUICK: dict[str, Any] = {
    "hidden_size": 6, "embedding_size": 4, "updates": 6, "batch_size": 2, "tbptt": 8, "evaluate_every": 3,
    "warmup_updates": 0, "threads": 1, "sample": {"length": 5},
}  # fmt: skip


def test_each_unit_is_trained_measured_saved_and_read_back(tmp_path: Path) -> None:
    for unit, figure in (("char", "bits_per_character"), ("word", "perplexity"), ("byte", "bits_per_byte")):
        model = LanguageModel(unit=unit, **QUICK).fit(LINES)
        model.save_pretrained(tmp_path / unit)
        back = LanguageModel.from_pretrained(tmp_path / unit)
        assert back.evaluate(LINES) == model.evaluate(LINES)
        assert next(iter(back.evaluate(LINES))) == figure
        assert back.sample("the", 4, 1.0, numbered(1)) == model.sample("the", 4, 1.0, numbered(1))


def network_in(prepared: Prepared) -> LanguageModelNetwork:
    return cast(LanguageModelNetwork, prepared.network)


def numbered(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.tiny
def test_words_are_what_stands_between_blanks_and_line_ends() -> None:
    words = WordVocabulary.of("b a a\nb a c\n", min_count=2)
    assert words.tokens.strings == ("<unk>", "<eos>", "a", "b")
    assert words.encode("a  c\n\nb").tolist() == [2, 0, 1, 1, 3]
    assert words.decode(np.array([2, 0, 1, 1, 3])) == "a <unk>\n\nb"
    assert words.unknown_in("c a c d") == {"c": 2, "d": 1}
    assert line_end_of(words) == 1
    assert vocabulary_of(json.loads(json.dumps(words.to_dict()))) == words


@pytest.mark.tiny
def test_bytes_are_all_known_and_any_can_be_decoded() -> None:
    vocabulary = ByteVocabulary()
    assert vocabulary.decode(vocabulary.encode("é\n")) == "é\n"
    assert vocabulary.encode("é\n").tolist() == [0xC3, 0xA9, 10]
    assert vocabulary.decode(np.array([0xC3])) == "\ufffd"
    assert (len(vocabulary), line_end_of(vocabulary)) == (256, 10)
    assert vocabulary_of(vocabulary.to_dict()) == vocabulary


def test_subwords_come_from_a_tokenizer_file(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, show_progress=False, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    model = LanguageModel(unit="subword", tokenizer=str(tmp_path / "tokenizer.json"), **QUICK).fit(LINES)
    ids = model.network.vocabulary.encode("\n".join(LINES) + "\n")
    assert len(ids) < len("\n".join(LINES)) / 2
    num_characters = len(model.network.vocabulary.decode(ids[1:]))
    found = model.evaluate(LINES)["bits_per_character"]
    assert found == pytest.approx(model.network.nats(ids) / math.log(2) / num_characters)
    model.save_pretrained(tmp_path / "model")
    assert LanguageModel.from_pretrained(tmp_path / "model").evaluate(LINES) == {"bits_per_character": found}


@pytest.mark.tiny
def test_a_perplexity_counts_line_ends_and_unknown_words_as_words() -> None:
    torch.manual_seed(0)
    network = LanguageModelNetwork(WordVocabulary.of("a b\nb a\n"), "elman", 3, 4).double()
    ids = torch.tensor([2, 3, 1, 0, 2, 1])  # a b <eos> <unk> a <eos>
    logits, _ = network(ids[:-1, None])
    nats = -logits[:, 0].log_softmax(-1)[torch.arange(5), ids[1:]].mean().item()
    found = KIND.evaluate(network, ["a b", "what a"])
    assert found == {"perplexity": pytest.approx(math.exp(nats)), "unknown_words": pytest.approx(1 / 6)}


def test_words_are_compared_with_ngrams_of_the_same_words() -> None:
    settings = KIND.Settings.of({"data": {"unit": "word", "min_count": 3}, "train": {"batch_size": 2, "tbptt": 8}})
    prepared = KIND.prepare(settings, data=[*LINES, *["some unknown words here"] * 8])
    vocabulary = network_in(prepared).vocabulary
    baselines = prepared.baselines()
    assert list(baselines) == ["uniform", "unigram", "bigram", "trigram"]
    assert baselines["uniform"] == ({"perplexity": pytest.approx(len(vocabulary))}, "every word equally likely")
    assert baselines["bigram"][1] == "one word of context (Witten-Bell)"
    assert "of them unknown" in prepared.size
    assert prepared.notes["unknown_part"] > 0.3
    assert (prepared.monitor, prepared.unit, prepared.loss_in_monitor) == ("perplexity", "words", None)
    text = "\n".join(LINES) + "\n"
    ids = WordVocabulary.of(text).encode(text)
    assert NGram.fit(ids, 3, 99).bits_per_symbol(ids) < NGram.fit(ids, 2, 99).bits_per_symbol(ids)


def windows_of(ids: np.ndarray, epoch: int, windows: RandomWindows | Streams) -> list[tuple[np.ndarray, np.ndarray]]:
    return [windows.window(epoch * len(windows) + k)[:2] for k in range(len(windows))]


@pytest.mark.tiny
def test_random_windows_give_every_symbol_once_an_epoch_in_order() -> None:
    ids = np.arange(1_003)
    windows = RandomWindows(ids, batch_size=3, window=20, seed=1)
    cuts: list[list[int]] = []
    for epoch in (0, 1, 5):
        x, y = (np.concatenate(part) for part in zip(*windows_of(ids, epoch, windows), strict=True))
        np.testing.assert_array_equal(x, np.arange(1_002).reshape(3, 334).T)
        np.testing.assert_array_equal(y, x + 1)
        cuts.append([len(x) for x, _ in windows_of(ids, epoch, windows)])
    assert sorted(cuts[0]) == sorted(cuts[1]) == sorted(cuts[2])
    assert cuts[0] != cuts[1] != cuts[2]
    assert [windows.window(k).is_start for k in (0, 1, len(windows))] == [True, False, True]
    assert sorted(cuts[0])[1] >= 5
    assert 10 < np.mean(cuts[0]) < 30


@pytest.mark.tiny
def test_the_learning_rate_follows_the_length_of_a_random_window() -> None:
    batches = TextBatches(RandomWindows(np.arange(200) % 7, 2, 10, seed=0), usual=10)
    torch.manual_seed(0)
    network = LanguageModelNetwork(CharVocabulary.of("abcdefg"), "elman", 3, 4)
    for _ in range(5):
        batch = batches.next()
        assert batch is not None
        loss = window_loss(network, batch, None)
        assert loss.rate_factor == len(batch.x) / 10
        assert loss.num_seen == batch.x.size
    assert TextBatches(Streams(np.arange(200), 2, 10)).next().rate_factor == 1.0  # pyright: ignore[reportOptionalMemberAccess]


@pytest.mark.tiny
@pytest.mark.parametrize("world", [2, 3, 5])
def test_processes_share_the_streams_of_a_batch_and_keep_their_place(world: int) -> None:
    whole = TextBatches(Streams(np.arange(203), batch_size=4, window=5, seed=3))
    parts = [whole.shard(rank, world) for rank in range(world)]
    assert all(len(part) == len(whole) for part in parts)
    for _ in range(12):
        batch, shared = whole.next(), [part.next() for part in parts]
        assert batch is not None
        for rank, part in enumerate(shared):
            if part is None:
                assert rank >= 4
            else:
                np.testing.assert_array_equal(part.x, batch.x[:, rank::world])
                np.testing.assert_array_equal(part.y, batch.y[:, rank::world])
    assert {part.state_dict()["position"] for part in parts} == {12}
    later = TextBatches(Streams(np.arange(203), batch_size=4, window=5, seed=3))
    later.load_state_dict(parts[-1].state_dict())
    np.testing.assert_array_equal(later.next().x, whole.next().x)  # pyright: ignore[reportOptionalMemberAccess]


def test_lines_that_are_texts_of_their_own_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    network = LanguageModelNetwork(CharVocabulary.of("abc\n"), "lstm", 3, 4, resets_at_lines=True).double().eval()

    def logits(text: str) -> Tensor:
        ids = torch.from_numpy(network.vocabulary.encode(text).astype(np.int64))
        return network(ids[:, None])[0][:, 0]

    torch.testing.assert_close(logits("abc\nab")[3:], logits("\nab"), rtol=0, atol=1e-15)
    assert not torch.allclose(logits("abcab")[3:], logits("ab"))
    alone = [network.nats(network.vocabulary.encode("\n" + line), num_streams=1) for line in ("abc\n", "ba\n")]
    together = network.nats(network.vocabulary.encode("\nabc\nba\n"), num_streams=1)
    assert together == pytest.approx(sum(alone), abs=1e-12)
    assert LanguageModelNetwork.of_config(network.config()).line_end == network.line_end


@pytest.mark.parametrize("unit", ["char", "word", "byte"])
def test_a_text_kept_in_files_is_the_text_kept_in_memory(
    unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.txt").write_text("\n".join(LINES * 20) + "\n")
    given: dict[str, Any] = {
        "data": {"text": str(tmp_path / "text.txt"), "unit": unit},
        "train": {"batch_size": 3, "tbptt": 9},
    }
    in_memory = KIND.prepare(KIND.Settings.of(given))
    if unit != "byte":
        with monkeypatch.context() as patch:
            patch.setattr(kept, "LARGE", 1)
            patch.setattr("tempfile.tempdir", str(tmp_path))
            temporary = KIND.prepare(KIND.Settings.of(given))
            assert (temporary.store, temporary.fingerprint) == ("Kept in temporary files.", in_memory.fingerprint)
            network: Any = in_memory.network
            in_temporary_files = KIND.evaluate(network, tmp_path / "text.txt")
            assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
        assert in_temporary_files == KIND.evaluate(network, tmp_path / "text.txt")
        assert in_temporary_files == KIND.evaluate(network, LINES * 20)
    given["data"]["store"] = str(tmp_path / "store")
    in_files = KIND.prepare(KIND.Settings.of(given))
    assert in_files.fingerprint == in_memory.fingerprint
    again = KIND.prepare(KIND.Settings.of(given))
    assert again.fingerprint == in_memory.fingerprint
    if unit != "byte":  # bytes are mapped where they are
        assert in_files.store == f"Kept in {tmp_path / 'store'}, written."
        assert again.store == f"Kept in {tmp_path / 'store'}, found there unchanged."
        (tmp_path / "text.txt").write_text("\n".join(LINES * 21) + "\n")
        assert KIND.prepare(KIND.Settings.of(given)).store == f"Kept in {tmp_path / 'store'}, written."
    ids: np.ndarray = in_files.batches.windows.ids  # type: ignore[attr-defined]
    assert isinstance(ids.base if unit == "byte" else ids, np.memmap)
    for _ in range(3):
        np.testing.assert_array_equal(in_files.batches.next().x, in_memory.batches.next().x)


LARGER_THAN_MEMORY = """
import resource, sys
import torch
from carrousel.models.language_model import KIND

def allowed():
    status = open("/proc/self/status").read()
    return int(status.partition("VmData:")[2].split()[0]) * 1024

def learn(text, unit, store):
    settings = KIND.Settings.of({
        "data": {"text": text, "unit": unit, "store": store}, "model": {"hidden_size": 8, "embedding_size": 4},
        "train": {"batch_size": 4, "tbptt": 16},
    })
    prepared, carried = KIND.prepare(settings), None
    for _ in range(4):
        loss = prepared.loss(prepared.network, prepared.batches.next(), carried)
        loss.loss.backward()
    return len(prepared.batches)

torch.set_num_threads(1)
small, large, unit, store = sys.argv[1:]
learn(small, unit, None)
resource.setrlimit(resource.RLIMIT_DATA, (allowed() + 100 * 2**20,) * 2)
print(learn(large, unit, store))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the limit on memory is Linux's")
@pytest.mark.parametrize("unit", ["char", "word", "byte"])
def test_a_text_larger_than_memory_trains(unit: str, tmp_path: Path) -> None:
    """A file of 250 MB with 100 MB to spare; without a store, the same is too much."""
    line = "the quick brown fox jumps over the lazy dog and goes on its way\n"
    (tmp_path / "small.txt").write_text(line * 100)
    with (tmp_path / "large.txt").open("w") as file:
        for _ in range(1_000):
            file.write(line * (250_000 // len(line)))

    def run(store: str | None) -> subprocess.CompletedProcess[str]:
        code = (
            LARGER_THAN_MEMORY
            if store
            else LARGER_THAN_MEMORY.replace("learn(large, unit, store)", "learn(large, unit, None)")
        )
        arguments = [str(tmp_path / "small.txt"), str(tmp_path / "large.txt"), unit, str(store)]
        return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)

    found = run(str(tmp_path / "store"))
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > (3_000_000 if unit != "word" else 500_000)
    if unit != "byte":  # bytes are mapped in any case
        assert "MemoryError" in run(None).stderr


def test_a_held_out_text_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ab" * 400)
    (tmp_path / "b.txt").write_text("abc" * 50)
    given = {
        "data": {"text": str(tmp_path / "a.txt"), "valid": str(tmp_path / "b.txt")},
        "train": {"batch_size": 2, "tbptt": 8},
    }
    prepared = KIND.prepare(KIND.Settings.of(given))
    assert prepared.size == "800 characters; 150 are held out"
    assert network_in(prepared).vocabulary.to_dict()["characters"] == "ab"
    assert prepared.notes["unknown_part"] == pytest.approx(1 / 3)


@pytest.mark.tiny
def test_malformed_bytes_end_the_reading_or_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(b"good line\n" * 40 + b"b\xff d\n" + b"good line\n" * 60)
    given: dict[str, Any] = {
        "data": {"text": str(path), "store": str(tmp_path / "s")},
        "train": {"batch_size": 2, "tbptt": 8},
    }
    with pytest.raises(DataError) as caught:
        KIND.prepare(KIND.Settings.of(given))
    assert str(caught.value) == (
        f"train: {path}, line 41 is not UTF-8 (byte 401 of the file is 0xff), expected UTF-8 text. Correct the line, or skip what "
        "is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    given["data"]["skip_bad"] = True
    expected = (
        f"train: 1 malformed line was skipped: {path}, line 41 is not UTF-8 (byte 401 of the file is 0xff), expected UTF-8 "
        "text."
    )
    for _ in range(2):  # also where what was written is found again
        assert KIND.prepare(KIND.Settings.of(given)).notes["skipped"] == expected


@pytest.mark.tiny
def test_objects_that_are_no_lines_are_refused() -> None:
    network = LanguageModelNetwork(CharVocabulary.of("ab"), "elman", 2, 2)
    with pytest.raises(ConfigError) as caught:
        KIND.evaluate(network, [b"ab"])
    assert str(caught.value) == (
        "evaluate: data is a list, expected a path, or a list of lines of text. Split a text into its lines: text.splitlines()"
    )


@pytest.mark.tiny
def test_a_tokenizer_and_its_unit_go_together() -> None:
    with pytest.raises(ConfigError) as caught:
        KIND.Settings.of({"data": {"unit": "subword"}})
    assert str(caught.value) == (
        "train: data: tokenizer is null with unit subword, expected a file with unit subword, and null with others. All settings: "
        "carrousel train --settings language-model"
    )


# Outputs


@pytest.mark.parametrize(
    ("output", "head"), [("adaptive", AdaptiveSoftmax), ("sampled", SampledSoftmax), ("nce", NoiseContrastive)]
)
def test_every_output_trains_and_is_measured_exactly(output: str, head: type, tmp_path: Path) -> None:
    quick = QUICK | {"embedding_size": 16, "hidden_size": 16}
    model = LanguageModel(unit="word", output=output, samples=8, **quick).fit(LINES)
    network = model.network
    assert isinstance(network.output, head)
    log_probs = network.output.log_probs(torch.randn(3, 16))
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3))
    model.save_pretrained(tmp_path)
    assert LanguageModel.from_pretrained(tmp_path).evaluate(LINES) == model.evaluate(LINES)
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), reload(tmp_path).values(), strict=True))


def reload(folder: Path) -> dict[str, Tensor]:
    return LanguageModelNetwork.from_pretrained(folder).state_dict()


@pytest.mark.tiny
def test_a_tied_output_has_the_embeddings_rows(tmp_path: Path) -> None:
    network = LanguageModelNetwork(CharVocabulary.of("abc"), "elman", 3, 5, output=Output(tied=True))
    names = [name for name, _ in network.named_parameters() if name.startswith("output")]
    assert names == ["output.bias", "output.projection.weight"]
    network.save_pretrained(tmp_path)
    back = LanguageModelNetwork.from_pretrained(tmp_path)
    with torch.no_grad():
        back.embedding.weight.zero_()
    assert (back(torch.zeros(2, 1, dtype=torch.long))[0] == 0).all()


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("symbols", "hidden_size", "cutoffs"),
    [("a", 64, (1,)), ("ab", 64, (1, 2)), ("abcdefgh", 15, (1,)), ("abcdefgh", 16, (1, 4))],
)
def test_an_adaptive_softmax_has_as_many_clusters_as_there_is_room_for(
    symbols: str, hidden_size: int, cutoffs: tuple[int, ...]
) -> None:
    network = LanguageModelNetwork(CharVocabulary.of(symbols), hidden_size=hidden_size, output=Output("adaptive"))
    assert isinstance(network.output, AdaptiveSoftmax)
    assert network.output.cutoffs == cutoffs
    total = network.output.log_probs(torch.randn(3, hidden_size)).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones(3))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (Output("adaptive", cutoffs=(2, 9)), "language model: model.cutoffs is [2, 9], expected ascending numbers from 1 to 3 for "
         "4 symbols. Leave it empty for a tenth and half of them, or set model.output=softmax."),
        (Output("adaptive", cutoffs=(1, 2)), "language model: model.divisor is 4 with 2 cutoffs, so that the last cluster would "
         "read 8 / 4^2 features, expected at least 1. Lower model.divisor, or give fewer model.cutoffs."),
        (Output("adaptive", divisor=9), "language model: model.divisor is 9 with 1 cutoff, so that the last cluster would read "
         "8 / 9^1 features, expected at least 1. Lower model.divisor, or give fewer model.cutoffs."),
    ],
)  # fmt: skip
def test_clusters_that_cannot_be_are_refused_by_the_names_of_settings(output: Output, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LanguageModelNetwork(CharVocabulary.of("abc"), hidden_size=8, output=output)
    assert str(caught.value) == message


def test_the_divisor_is_a_setting_that_is_saved(tmp_path: Path) -> None:
    output = Output("adaptive", cutoffs=(1, 2), divisor=2.0)
    LanguageModelNetwork(CharVocabulary.of("abc"), hidden_size=8, output=output).save_pretrained(tmp_path)
    again = LanguageModelNetwork.from_pretrained(tmp_path)
    assert again.output_settings == output
    shapes = [tuple(again.output.get_parameter(f"clusters.tail.{k}.0.weight").shape) for k in range(2)]
    assert shapes == [(4, 8), (2, 8)]
    assert KIND.Settings.of({}, ["model.divisor=1.5"]).model.divisor == 1.5


def test_an_adaptive_softmax_cannot_be_tied() -> None:
    with pytest.raises(ConfigError) as caught:
        LanguageModelNetwork(CharVocabulary.of("abc"), output=Output("adaptive", tied=True))
    assert str(caught.value) == (
        "language model: model.tied is true with model.output adaptive, expected false: its clusters have weights of their own. "
        "Set model.tied=false, or model.output=softmax."
    )


# Regularisation


@pytest.mark.tiny
def test_a_locked_mask_is_the_same_at_every_step_and_keeps_the_mean() -> None:
    found = dropped(torch.ones(7, 50, 40), 0.25, Draw(0), "locked", is_per_sequence=True)
    assert (found == found[:1]).all()
    assert found.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert found.mean().item() == pytest.approx(1, abs=0.05)


@pytest.mark.tiny
def test_a_dropped_word_is_zero_wherever_it_occurs() -> None:
    embedding, ids = torch.nn.Embedding(200, 3), torch.randint(200, (30, 20))
    x, full = drop_words(embedding, ids, 0.5, Draw(0)), embedding(ids)
    for word in cast(list[int], ids.unique().tolist()):
        found, expected = x[ids == word], full[ids == word]
        assert (found == 0).all() or torch.allclose(found, 2 * expected)
    assert 0.35 < (x == 0).float().mean() < 0.65


def test_the_terms_of_awd_are_added_while_training_and_nothing_is_dropped_in_evaluation() -> None:
    everything = Regularisation(0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.1, {"c": 0.5, "h": 0.05}, ar=2.0, tar=1.0)
    torch.manual_seed(0)
    network = LanguageModelNetwork(CharVocabulary.of("abc"), "lstm", 5, 6, num_layers=2, regularisation=everything)
    x = torch.randint(4, (9, 3))
    torch.manual_seed(5)
    found, _ = network.loss(x, x)
    torch.manual_seed(5)
    features = network.features(x)
    cost = network.output.loss(features.dropped.flatten(0, 1), x.flatten())
    by_hand = cost + 2 * (features.dropped**2).mean() + ((features.raw[1:] - features.raw[:-1]) ** 2).mean()
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert not torch.equal(features.dropped, features.raw)
    network.eval()
    features = network.features(x)
    assert torch.equal(features.dropped, features.raw)
    assert torch.equal(features.raw, network.features(x).raw)
    assert LanguageModelNetwork.of_config(json.loads(json.dumps(network.config()))).regularisation == everything


# Writing


@pytest.mark.tiny
def test_draws_are_limited_to_the_likeliest() -> None:
    p = torch.tensor([0.1, 0.4, 0.2, 0.3])
    for choice, left in (
        (Choice(), [0, 1, 2, 3]),
        (Choice(top_k=2), [1, 3]),
        (Choice(top_k=9), [0, 1, 2, 3]),
        (Choice(top_p=0.4), [1]),
        (Choice(top_p=0.41), [1, 3]),
        (Choice(top_p=1.0), [0, 1, 2, 3]),
        (Choice(top_k=3, top_p=0.75), [1, 3]),
        (Choice(temperature=0.5, top_p=0.5), [1]),
    ):
        expected = torch.zeros(4)
        expected[left] = (p ** (1 / choice.temperature))[left]
        torch.testing.assert_close(choice.probabilities(p.log()), expected / expected.sum())


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"top_k": 0}, "sample: top_k is 0, expected at least 1. Choose one such as 40, or leave it out."),
        (
            {"top_p": 0.0},
            "sample: top_p is 0.0, expected above 0 and at most 1. Choose one such as 0.9, or leave it out.",
        ),
        (
            {"top_p": 1.5},
            "sample: top_p is 1.5, expected above 0 and at most 1. Choose one such as 0.9, or leave it out.",
        ),
    ],
)
def test_limits_out_of_range_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Choice(**given)
    assert str(caught.value) == message


def test_a_wide_beam_finds_the_likeliest_of_all_continuations() -> None:
    torch.manual_seed(3)
    network = LanguageModelNetwork(CharVocabulary.of("abc\n"), "elman", 3, 4).double().eval()
    torch.nn.init.uniform_(network.get_parameter("output.weight"), -3, 3)
    torch.nn.init.constant_(network.get_parameter("output.bias")[:1], -1.0)  # ends are not too likely
    best, best_text = -math.inf, ""
    for length in range(1, 5):
        for letters in itertools.product("abc", repeat=length - 1):
            ids = network.vocabulary.encode("ca" + "".join(letters) + "\n").astype(np.int64)
            logits, _ = network(torch.from_numpy(ids[:-1])[:, None])
            logits = logits[:, 0, :4].log_softmax(-1)  # without the unknown symbol, which is never written
            score = logits[torch.arange(1, len(ids) - 1), torch.from_numpy(ids[2:])].sum().item()
            best, best_text = max((best, best_text), (score, "".join(letters)))
    assert network.beam("ca", length=4, beam=300) == best_text


@pytest.mark.tiny
def test_a_beam_stops_at_a_known_symbol() -> None:
    network = LanguageModelNetwork(CharVocabulary.of("abc"), "elman", 2, 2)
    with pytest.raises(ConfigError) as caught:
        network.beam("a")
    assert str(caught.value) == (
        "beam: stop is '\\n', expected one symbol that the model knows. Choose one that occurs in its training text."
    )


def test_a_model_can_adapt_to_what_it_is_measured_on(tmp_path: Path) -> None:
    model = LanguageModel(unit="word", **QUICK).fit(LINES)
    (tmp_path / "lines.txt").write_text("\n".join(LINES) + "\n")
    for how in (DynamicEvaluation(learning_rate=0.5), NeuralCache(part=0.5)):
        found = model.evaluate_adapting(LINES, how)
        assert found == model.evaluate_adapting(str(tmp_path / "lines.txt"), how)
        assert found["perplexity"] < model.evaluate(LINES)["perplexity"]
    assert model.evaluate_adapting(LINES) == model.evaluate_adapting(LINES, DynamicEvaluation(learning_rate=0.1))


def test_prediction_goes_on_with_every_line(tmp_path: Path) -> None:
    network = LanguageModelNetwork(WordVocabulary.of("a b\nc a\n"), "elman", 2, 2)
    (tmp_path / "lines.txt").write_text("a b\nc\n")
    for data in (str(tmp_path / "lines.txt"), ["a b", "c"]):
        first, second = KIND.predict(network, data, length=2, temperature=0.0)
        assert first.startswith("a b ")
        assert second.startswith("c ")
    assert next(KIND.predict(network, ["a"], beam=2, length=1)).startswith("a")
    first = list(KIND.predict(network, ["a"], length=9, seed=3))
    assert (
        first
        == list(KIND.predict(network, ["a"], length=9, seed=3))
        != list(KIND.predict(network, ["a"], length=9, seed=4))
    )
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"lenth": 5}, "predict: unknown option 'lenth', expected one of length, temperature, top_k, top_p, seed. Did you mean "
         "'length'? Leave it out."),
        ({"beam": 2, "top_k": 3}, "predict: unknown option 'top_k', expected one of length, beam, stop. Did you mean 'stop'? "
         "Leave it out."),
        ({"length": "long"}, "predict: length is long, expected a whole number. Mend it."),
    ]  # fmt: skip
    for options, message in wrong:
        with pytest.raises(ConfigError) as caught:
            list(KIND.predict(network, ["a"], **options))
        assert str(caught.value) == message


# What a user begins with


@pytest.mark.tiny
def test_a_project_begins_with_settings_that_are_read_and_a_play(tmp_path: Path) -> None:
    written = write_starter("language-model", tmp_path)
    assert [path.name for path in written] == ["language-model.yaml", "awd.yaml", "melis.yaml", "richard_iii.txt"]
    _, settings = read_settings(written[0])
    assert settings.data.text == str(tmp_path / "richard_iii.txt")
    assert len((tmp_path / "richard_iii.txt").read_text()) == 174_274


@pytest.mark.parametrize(("name", "cell"), [("awd.yaml", "lstm"), ("melis.yaml", "odyssey_cifg")])
def test_the_published_settings_train(name: str, cell: str, tmp_path: Path) -> None:
    write_starter("language-model", tmp_path)
    small = ["model.hidden_size=8", "model.embedding_size=6", "train.epochs=null", "train.updates=2", "train.threads=1"]
    kind, settings = read_settings(tmp_path / name, small)
    run = Run.start(kind, settings, tmp_path / "run")
    for _ in run.train():
        pass
    assert network_in(run.prepared).cell.name == cell
    assert math.isfinite(run.finish().figures["perplexity"])


@pytest.mark.parametrize("output", ["sampled", "nce"])
def test_a_run_that_was_stopped_ends_as_one_never_stopped(output: str, tmp_path: Path) -> None:
    """With everything that is drawn: windows, masks, noise."""
    (tmp_path / "text.txt").write_text("\n".join(LINES) + "\n")
    train = {
        "updates": 12,
        "batch_size": 3,
        "tbptt": 8,
        "random_tbptt": True,
        "evaluate_every": 4,
        "threads": 1,
        "warmup_updates": 0,
    }
    settings = KIND.Settings.of({
        "data": {"text": str(tmp_path / "text.txt"), "unit": "word"},
        "model": {"hidden_size": 6, "embedding_size": 5, "output": output, "tied": True, "samples": 4, "dropout": 0.1},
        "regularisation": {"word_dropout": 0.1, "output_dropout": 0.2, "weight_drop": 0.3, "ar": 1.0, "tar": 1.0},
        "train": {**train, "optimiser": "nt-asgd", "learning_rate": 1.0, "stall": 1, "zero_state": 0.2},
        "sample": {"length": 3},
    })  # fmt: skip
    whole = Run.start(KIND, settings, tmp_path / "whole")
    for _ in whole.train():
        pass
    stopped = Run.start(KIND, settings, tmp_path / "again")
    for _ in stopped.train(lambda: stopped.training.update == 5):
        pass
    resumed = Run.resume(tmp_path / "again", find_kind)
    for _ in resumed.train():
        pass
    assert resumed.finish().figures == whole.finish().figures
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        tmp_path / "whole" / "model.safetensors"
    ).read_bytes()


@pytest.mark.slow
def test_the_first_settings_beat_five_grams_on_the_play(tmp_path: Path) -> None:
    written = write_starter("language-model", tmp_path)
    kind, settings = read_settings(written[0])
    run = Run.start(kind, settings, tmp_path / "run")
    for _ in run.train():
        pass
    summary = run.finish()
    assert summary.figures["bits_per_character"] < summary.baselines["5-gram"]["figures"]["bits_per_character"] - 0.05


def test_examples_are_what_the_model_least_expected(tmp_path: Path) -> None:
    settings = KIND.Settings.of(
        {"train": {"batch_size": 2, "tbptt": 8}, "model": {"hidden_size": 6, "embedding_size": 3}}
    )
    prepared = KIND.prepare(settings, data=LINES)
    examples = prepared.examples(prepared.network)
    losses = [example.loss for example in examples]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == 20
    assert all(len(example.expected) == 1 and len(example.given) <= 61 for example in examples)
    gates = prepared.gates(prepared.network)
    assert gates is not None
    assert "f_t" in gates["layers"][0]["values"]
