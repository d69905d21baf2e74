"""Sequence to sequence: the decoder in one call and step by step, every kind of attention, learning, saving, and bad input."""

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from carrousel.cells import find
from carrousel.data.batches import BatchesOf
from carrousel.errors import ConfigError, DataError
from carrousel.heads.attention import LocalWindow
from carrousel.heads.ctc import ctc_loss, prefix_beam
from carrousel.models.seq2seq import KIND, Seq2Seq, Seq2SeqNetwork
from carrousel.models.seq2seq.baselines import unit_for_unit
from carrousel.models.seq2seq.ctc import CtcNetwork
from carrousel.models.seq2seq.decoder import UnitDecoder
from carrousel.models.seq2seq.encoder_decoder import EncoderDecoder
from carrousel.models.seq2seq.figures import figures_of
from carrousel.models.seq2seq.kind import measure, new_network
from carrousel.models.seq2seq.network import PairBatch
from carrousel.models.seq2seq.residual import ResidualStack
from carrousel.models.seq2seq.settings import SamplingSettings, Seq2SeqSettings
from carrousel.models.seq2seq.units import Pairs, cut, join
from carrousel.train.loop import Plan, Training, train

WORDS = ["abc", "ca", "bbac", "d", "dacb", "cab", "ddb", "ba"]
REVERSED = [(word, word[::-1]) for word in WORDS]
ORDERS = [(word, " ".join(str(k + 1) for k in sorted(range(len(word)), key=lambda k: word[k]))) for word in WORDS]
KINDS: list[dict[str, Any]] = [
    {"attention": "none"},
    {"attention": "none", "bidirectional": False, "reverse_source": True, "bridge": "copy", "tied_embeddings": True},
    {"attention": "additive"},
    {"attention": "additive", "bridge": "none", "tied_embeddings": True},
    {"attention": "dot", "bidirectional": False},
    {"attention": "general", "reverse_source": True},
    {"attention": "concat", "tied_embeddings": True},
    {"attention": "general", "input_feeding": True, "num_layers": 2},
    {"attention": "general", "residual": True, "num_layers": 3},
    {"attention": "concat", "local_reach": 1, "input_feeding": True},
    {"attention": "general", "local_reach": 2},
    {"attention": "pointer"},
    {"attention": "pointer", "bridge": "copy", "reverse_source": True},
]


@pytest.fixture(autouse=True)
def _one_thread(_same_start: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """So small a network has no work for two."""
    torch.set_num_threads(1)


def name(model: dict[str, Any]) -> str:
    return " ".join(str(value) for value in model.values())


def settings_of(model: dict[str, Any], **others: Any) -> Seq2SeqSettings:
    sizes = {"hidden_size": 6, "embedding_size": 5}
    units = "positions" if model.get("attention") == "pointer" else "characters"
    data = {"target_units": units, **others.pop("data", {})}
    return Seq2SeqSettings.of({"model": {**sizes, **model}, "data": data, **others})


def new(model: dict[str, Any], **others: Any) -> tuple[EncoderDecoder, Pairs]:
    """A fresh network in double precision, and the pairs that it was made for."""
    network, pairs = new_of_any(model, **others)
    assert isinstance(network, EncoderDecoder)
    return network, pairs


def new_of_any(model: dict[str, Any], **others: Any) -> tuple[Seq2SeqNetwork, Pairs]:
    """As `new`, of ctc, too."""
    torch.manual_seed(1)
    settings = settings_of(model, **others)
    units = settings.data.source_units, settings.data.target_units
    pairs = Pairs.of(ORDERS if units[1] == "positions" else REVERSED, units, "test")
    return new_network(settings, pairs).double(), pairs


def one_by_one(network: EncoderDecoder, source: Sequence[str], target: Sequence[str]) -> Tensor:
    """Logits of one pair (T, C), the decoder called once a step."""
    batch = network.batch([source], [target])
    memory, state = network.encode(batch.source, batch.source_lengths)
    found: list[Tensor] = []
    for unit in batch.read:
        written = network.decoder(unit[None], memory, state)
        state = written.state
        found.append(written.logits[0, 0])
    return torch.stack(found)


@pytest.mark.parametrize("model", KINDS, ids=name)
def test_a_batch_is_each_pair_alone_step_by_step(model: dict[str, Any]) -> None:
    network, pairs = new(model)
    batch = network.batch(pairs.sources, pairs.targets)
    logits, weights = network.scores(batch)
    total, count = 0.0, 0
    for b, (source, target) in enumerate(zip(pairs.sources, pairs.targets, strict=True)):
        steps, classes = len(target) + 1, logits.shape[-1]
        alone = one_by_one(network, source, target)
        if model["attention"] == "pointer":  # a shorter source alone has fewer positions
            assert (logits[:, b, alone.shape[1] :] == -math.inf).all()
            classes = alone.shape[1]
        torch.testing.assert_close(logits[:steps, b, :classes], alone, rtol=0, atol=1e-12)
        total += nn.functional.cross_entropy(alone, batch.written[:steps, b], reduction="sum").item()
        count += steps
        if weights is not None:
            assert (weights[:steps, b, len(source) :] == 0).all()
            if "local_reach" in model:  # a part of the weights alone: Luong et al., equation 10
                assert (weights[:steps, b].sum(-1) < 1).all()
            elif model["attention"] != "pointer":
                torch.testing.assert_close(weights[:steps, b].sum(-1), torch.ones(steps).double())
    assert network(batch).item() == pytest.approx(total / count, abs=1e-12)


@pytest.mark.parametrize("model", KINDS, ids=name)
def test_what_is_written_depends_on_the_source_and_on_what_came_before_alone(model: dict[str, Any]) -> None:
    network, pairs = new(model)
    source, target = pairs.sources[4], pairs.targets[4]
    logits = one_by_one(network, source, target)
    other = one_by_one(network, source, (*target[:-1], target[0]))
    assert torch.equal(other[:-1], logits[:-1])
    assert not torch.equal(other[-1], logits[-1])
    assert not torch.equal(one_by_one(network, source[::-1], target)[0], logits[0])


@pytest.mark.parametrize("model", KINDS, ids=name)
def test_every_weight_learns(model: dict[str, Any]) -> None:
    network, pairs = new(model)
    network(network.batch(pairs.sources, pairs.targets)).backward()
    unused = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert unused == []


@pytest.mark.parametrize("model", KINDS, ids=name)
def test_translation_writes_the_likeliest_units_and_counts_their_probability(model: dict[str, Any]) -> None:
    network, pairs = new(model, decoding={"max_length": 6})
    for source, (best, *_) in zip(pairs.sources, network.translate(pairs.sources), strict=True):
        target, is_cut = best.units, len(best.units) == 6
        log_probs = one_by_one(network, source, target)
        if network.target.unknown is not None:
            log_probs[:, network.target.unknown + 1] = -math.inf
        log_probs = log_probs.log_softmax(-1)
        wanted = [*network.target_ids(target).tolist(), *([] if is_cut else [0])]
        assert log_probs.argmax(-1)[: len(wanted)].tolist() == wanted
        expected = sum(log_probs[k, unit].item() for k, unit in enumerate(wanted))
        assert best.log_prob == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("model", [KINDS[1], KINDS[2], KINDS[7], KINDS[9]], ids=name)
def test_a_beam_over_rows_side_by_side_is_each_row_alone(model: dict[str, Any]) -> None:
    network, pairs = new(model, decoding={"max_length": 5})
    together = network.translate(pairs.sources, beam=3, n_best=2)
    for source, found in zip(pairs.sources, together, strict=True):
        ((first, second),) = network.translate([source], beam=3, n_best=2)
        assert [one.units for one in found] == [first.units, second.units]
        assert [one.score for one in found] == pytest.approx([first.score, second.score], abs=1e-5)
        assert first.score >= second.score


def test_an_encoder_read_backwards_keeps_the_order_of_what_it_gives() -> None:
    forwards, pairs = new({"attention": "dot", "bidirectional": False})
    backwards, _ = new({"attention": "dot", "bidirectional": False, "reverse_source": True})
    backwards.load_state_dict(forwards.state_dict())
    batch = forwards.batch(pairs.sources, pairs.targets)
    turned = forwards.batch([source[::-1] for source in pairs.sources], pairs.targets)
    memory, state = backwards.encode(batch.source, batch.source_lengths)
    expected, last = forwards.encode(turned.source, turned.source_lengths)
    for b, length in enumerate(cast("list[int]", batch.source_lengths.tolist())):
        assert torch.equal(memory.values[:length, b], expected.values[:length, b].flip(0))
    assert all(torch.equal(one, other) for one, other in zip(state.recurrent, last.recurrent, strict=True))


def test_ctc_sums_over_all_ways_along_the_source_and_writes_the_best() -> None:
    network, pairs = new_of_any({"attention": "ctc", "repeats": 2})
    assert isinstance(network, CtcNetwork)
    batch = network.batch(pairs.sources, pairs.targets)
    nats = 0.0
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        log_probs, steps = network.scores(*network.source_ids([source]))
        ids = torch.from_numpy(network.target_ids(target))[:, None]
        nats += ctc_loss(log_probs, steps, ids, torch.tensor([len(target)])).item()
        ((best,),) = network.translate([source], beam=10)
        ((exact,),) = prefix_beam(network.forbid_unknown(log_probs), steps, beam=10)
        assert (network.target_ids(best.units).tolist(), best.log_prob) == (list(exact.units), exact.log_prob)
    assert network(batch).item() == pytest.approx(nats / int(batch.lengths.sum()), abs=1e-12)
    assert [len(found) for found in network.translate(pairs.sources, n_best=2)] == [2] * len(pairs)


def test_ctc_refuses_or_leaves_out_targets_longer_than_their_source() -> None:
    pairs = [*REVERSED, ("ab", "abbb")]
    settings = settings_of({"attention": "ctc", "repeats": 2}, train={"seed": 1})
    message = (
        f"train: pair {len(REVERSED)} has 4 steps for a target that needs 6, expected as many: ctc writes one unit a step, and a "
        "blank between equal ones. Raise model.repeats, or leave such pairs out: data.skip_bad=true"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        KIND.prepare(settings, data=pairs)
    prepared = KIND.prepare(
        settings_of({"attention": "ctc", "repeats": 2}, data={"skip_bad": True}, train={"seed": 1}), data=pairs
    )
    assert prepared.notes["skipped"] == "train: pairs left out, as too long for ctc: 1."


def test_a_residual_stack_adds_what_it_read_to_what_each_later_layer_gave() -> None:
    network, _ = new({"attention": "general", "residual": True, "num_layers": 3})
    stack = network.encoder.recurrent
    assert isinstance(stack, ResidualStack)
    x, lengths = torch.randn(4, 2, 5).double(), torch.tensor([4, 2])
    found, state = stack(x, lengths=lengths)
    y, first = stack.layers[0](x, lengths=lengths)
    last = first
    for layer in list(stack.layers)[1:]:
        after, last = layer(y, lengths=lengths)
        y = after + y
    torch.testing.assert_close(found, y, rtol=0, atol=0)
    assert torch.equal(state.c[:2], first.c)
    assert torch.equal(state.c[4:], last.c)


def test_a_learned_bridge_starts_as_the_mean_of_both_directions() -> None:
    learned, pairs = new({"attention": "none"})
    copied, _ = new({"attention": "none", "bridge": "copy"})
    copied.load_state_dict({name: w for name, w in learned.state_dict().items() if not name.startswith("bridge")})
    batch = learned.batch(pairs.sources, pairs.targets)
    torch.testing.assert_close(learned.scores(batch)[0], copied.scores(batch)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", ["gru", "mlstm_matrix", "lstm_projected"])
@pytest.mark.usefixtures("annotations_unchecked")
def test_any_cell_encodes_and_decodes(cell: str) -> None:
    sizes = {"lstm_projected": {"proj_size": 4}}.get(cell, {})
    network, pairs = new({"attention": "general", "cell": cell, "sizes": sizes})
    batch = network.batch(pairs.sources, pairs.targets)
    logits, _ = network.scores(batch)
    alone = one_by_one(network, pairs.sources[2], pairs.targets[2])
    torch.testing.assert_close(logits[: len(alone), 2], alone, rtol=0, atol=1e-11)
    network(batch).backward()
    network.translate(pairs.sources[:2], beam=2)


def test_with_a_reach_no_step_far_from_the_predicted_position_is_attended_to() -> None:
    whole, near = new({"attention": "general"})[0], new({"attention": "general", "local_reach": 1})[0]
    assert set(near.state_dict()) - set(whole.state_dict()) == {"decoder.window.W.weight", "decoder.window.v"}
    network, pairs = new({"attention": "general", "local_reach": 1})
    batch = network.batch(pairs.sources, pairs.targets)
    weights = network.scores(batch)[1]
    assert weights is not None
    is_valid = torch.arange(len(batch.read))[:, None] < batch.lengths
    assert int((weights > 0).sum(-1)[is_valid].max()) <= 3 < batch.source.shape[0]
    with torch.no_grad():
        cast(LocalWindow, cast(UnitDecoder, network.decoder).window).v.fill_(
            1e9
        )  # σ is 1 or 0: a row's last steps, or its first
    ends = cast(Tensor, network.scores(batch)[1]) > 0
    steps = torch.arange(len(batch.source))
    far_from_ends = (steps[None, :] > 1) & (steps[None, :] < batch.source_lengths[:, None] - 1)
    assert not (ends & far_from_ends)[is_valid].any()


def test_always_the_right_unit_is_teacher_forcing_and_never_is_reading_what_was_drawn() -> None:
    network, pairs = new({"attention": "general"})
    batch = network.batch(pairs.sources, pairs.targets)
    is_valid = torch.arange(len(batch.read))[:, None] < batch.lengths
    gold = network.scores(batch)[0]
    torch.testing.assert_close(network.scores(batch, 1 - 1e-12)[0][is_valid], gold[is_valid], rtol=0, atol=1e-12)
    output = cast(nn.Linear, cast(UnitDecoder, network.decoder).output)
    with torch.no_grad():
        output.weight.zero_()
        output.bias.fill_(-1e4)
        output.bias[2] = 0.0  # every draw is this unit
    read = torch.full_like(batch.read, 2)
    read[0] = batch.read[0]
    drawn, expected = network.scores(batch, 0.0)[1], network.scores(batch._replace(read=read))[1]
    assert drawn is not None
    assert expected is not None
    torch.testing.assert_close(drawn[is_valid], expected[is_valid], rtol=0, atol=1e-12)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("given", "batch", "share"),
    [
        ({}, 10**6, 1.0),
        ({"schedule": "linear", "k": 1.0, "c": 0.01, "least": 0.25}, 30, 0.7),
        ({"schedule": "linear", "k": 1.0, "c": 0.01, "least": 0.25}, 300, 0.25),
        ({"schedule": "linear", "k": 2.0, "c": 0.01}, 50, 1.0),
        ({"schedule": "exponential", "k": 0.99}, 100, 0.99**100),
        ({"schedule": "inverse-sigmoid", "k": 10.0}, 0, 10 / 11),
        ({"schedule": "inverse-sigmoid", "k": 10.0}, 40, 10 / (10 + math.exp(4))),
        ({"schedule": "inverse-sigmoid", "k": 1.0}, 10**6, 0.0),
    ],
)
def test_the_share_of_right_units_falls_as_the_paper_says(given: dict[str, Any], batch: int, share: float) -> None:
    assert SamplingSettings(**given).share(batch) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize("model", [{"attention": "general"}, {"attention": "pointer"}], ids=name)
@pytest.mark.usefixtures("annotations_unchecked")
def test_it_learns_what_a_unit_for_unit_answer_cannot(model: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    words = sorted({"".join(rng.choice(list("abcd"), rng.integers(2, 5))) for _ in range(250)})
    pairs: list[tuple[str, Any]] = [(word, word[::-1]) for word in words]
    units = {}
    if model["attention"] == "pointer":
        pairs, units = [(w, [str(k) for k in range(len(w), 0, -1)]) for w in words], {"target_units": "positions"}
    learning = {"updates": 100, "warmup_updates": 10, "learning_rate": 1e-2, "evaluate_every": 50}
    learned = Seq2Seq(hidden_size=24, embedding_size=12, **learning, **units, **model).fit(pairs)
    assert learned.figures["exact_match"] > 0.9
    wanted = {"general": ["cba", "dcba"], "pointer": ["3 2 1", "4 3 2 1"]}[model["attention"]]
    assert learned.predict(["abc", "abcd"]) == wanted
    (best, second), _ = learned.predict(["abc", list("abcd")], n_best=2)
    assert best == wanted[0] != second
    shown = learned.attention(["abc"])[0]
    assert (shown.source, shown.target, shown.weights.shape) == (
        ("a", "b", "c"),
        tuple(cut(wanted[0], cast(Seq2SeqNetwork, learned.network).units[1])),
        (4, 3),
    )
    if model["attention"] == "pointer":
        assert shown.weights.argmax(1)[:3].tolist() == [2, 1, 0]


def test_a_folder_brings_the_network_back(tmp_path: Path) -> None:
    network, pairs = new({"attention": "additive", "num_layers": 2}, decoding={"max_length": 4, "beam": 2})
    network.float().save_pretrained(tmp_path)
    again = Seq2Seq.from_pretrained(tmp_path).network
    assert isinstance(again, Seq2SeqNetwork)
    assert again.translate(pairs.sources) == network.translate(pairs.sources)
    assert again.decoding == network.decoding
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model": {**config["model"], "hidden_size": 0}}))
    with pytest.raises(
        DataError, match=rf"^from_pretrained: {re.escape(str(tmp_path))}/config.json describes no seq2seq \("
    ):
        Seq2SeqNetwork.from_pretrained(tmp_path)


def test_a_cell_of_ones_own_is_handed_back_on_loading(tmp_path: Path) -> None:
    own = dataclasses.replace(find("gru"), name="mine")
    network, pairs = new({"attention": "general", "cell": "gru"})
    network.float().save_pretrained(tmp_path)
    again = Seq2SeqNetwork.from_pretrained(tmp_path, cell=own)
    assert again.translate(pairs.sources) == network.translate(pairs.sources)


@pytest.mark.usefixtures("annotations_unchecked")
def test_training_goes_on_where_it_stopped_bit_for_bit() -> None:
    def run(updates: int, saved: Any = None) -> Training[Any]:
        torch.manual_seed(3)
        sampling = {"schedule": "linear", "k": 1.0, "c": 0.1}
        settings = settings_of({"attention": "general", "dropout": 0.3}, sampling=sampling, train={"batch_size": 3})
        prepared = KIND.prepare(settings, data=REVERSED)
        training = Training(prepared.network, torch.optim.Adam(prepared.network.parameters()), prepared.batches)
        if saved is not None:
            training.load_state_dict(saved)
        for _ in train(training, prepared.loss, prepared.evaluate, Plan(updates, lambda _: 1e-2)):
            pass
        return training

    straight, resumed = run(8), run(8, run(4).state_dict())
    weights = resumed.model.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in straight.model.state_dict().items())


def test_two_parts_of_a_batch_are_the_batch() -> None:
    settings = settings_of({}, train={"batch_size": 4})
    whole, first, second = (cast(BatchesOf[PairBatch], KIND.prepare(settings, data=REVERSED).batches) for _ in range(3))
    parts = first.shard(0, 2), second.shard(1, 2)
    for _ in range(4):
        batch, *halves = (batches.next() for batches in (whole, *parts))
        assert batch is not None
        assert {half.number for half in halves if half is not None} == {batch.number}
        assert sorted(batch.rows) == sorted(row for half in halves if half is not None for row in half.rows)
    assert first.shard(5, 6).next() is None


def test_all_pairs_of_a_source_stay_together_and_all_its_targets_are_right() -> None:
    pairs = Pairs.of([(f"{k % 20}", f"{k}") for k in range(60)], ("characters", "characters"), "test")
    train_part, held_out = pairs.hold_out(0, "test")
    assert not set(train_part.sources) & set(held_out.sources)
    assert (len(set(held_out.sources)), len(held_out), len(train_part)) == (2, 6, 54)
    network, pairs = new({})
    wrong = [*zip(pairs.sources, [("a", "a", "a", "a", "a")] * len(pairs), strict=True)]
    right = [
        (source, best.units) for source, (best, *_) in zip(pairs.sources, network.translate(pairs.sources), strict=True)
    ]
    both = Pairs.of([*wrong, *right], ("characters", "characters"), "test")
    assert measure(network, both) == {"character_error_rate": 0.0, "exact_match": 1.0}


@pytest.mark.tiny
def test_each_unit_has_its_own_figures() -> None:
    written, right = [("a", "b", "c", "d"), ("a", "x")], [[("a", "b", "c", "d")], [("a", "b")]]
    assert figures_of(written, right, "characters") == {"character_error_rate": 1 / 6, "exact_match": 0.5}
    assert figures_of(written, right, "positions") == {"position_error_rate": 1 / 6, "exact_match": 0.5}
    assert figures_of(written, right, "phonemes") == {
        "phoneme_error_rate": 1 / 6,
        "exact_match": 0.5,
        "word_error_rate": 0.5,
    }
    precisions = (5 / 6) * (3 / 4) * (2 / 2) * (1 / 1)
    assert figures_of(written, right, "words") == pytest.approx(
        {"word_error_rate": 1 / 6, "exact_match": 0.5, "bleu": precisions**0.25}, abs=1e-12
    )


def test_a_rare_word_is_read_as_unknown_and_never_written() -> None:
    data = {"source_units": "words", "target_units": "words", "min_count": 2}
    pairs = Pairs.of([("a b", "x y"), ("a c", "x z"), ("b a", "y x")], ("words", "words"), "test")
    network = new_network(settings_of({}, data=data, decoding={"max_length": 3}), pairs)
    assert network.target_ids(["x", "y", "z"]).tolist() == [2, 3, 1]
    assert isinstance(network, EncoderDecoder)
    output = cast(nn.Linear, cast(UnitDecoder, network.decoder).output)
    with torch.no_grad():
        output.weight.zero_()
        output.bias.copy_(torch.tensor([-9.0, 9.0, 0.0, 1.0]))  # the end, <unk>, x, y
    assert network.translate([("d", "a")], beam=1)[0][0].units == ("y", "y", "y")


@pytest.mark.tiny
def test_unit_for_unit_finds_what_stands_for_what() -> None:
    pairs = Pairs.of(
        [
            ("cat", "K A T"),
            ("taste", "T A S T"),
            ("ace", "A S"),
            ("tee", "T I"),
            ("at", "A T"),
            ("cat", "K A T"),
            ("tact", "T A K T"),
            ("sat", "S A T"),
        ],
        ("characters", "phonemes"),
        "test",
    )
    found = unit_for_unit(pairs)
    assert {unit: found[unit] for unit in "cats"} == {"c": "K", "a": "A", "t": "T", "s": "S"}


@pytest.mark.tiny
def test_texts_are_cut_and_joined_by_their_units() -> None:
    assert (cut("a b", "characters"), cut("  a  b ", "words")) == (("a", " ", "b"), ("a", "b"))
    assert (join("ab", "characters"), join(["K", "AE"], "phonemes")) == ("ab", "K AE")


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "there is no pair, expected at least 1. Give sources with their targets."),
        (["ab"], "pair 0 is 'ab', expected (source, target). Give pairs."),
        ([("a", "b"), ("", "b")], "pair 1 has an empty source, expected characters. Leave it out."),
        (
            [("a", "b")],
            "there is 1 source, expected at least 2 to hold one out. Give more, or held-out pairs: data.valid.",
        ),
    ],
)
def test_pairs_that_cannot_be_used_are_named(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape('train: ' + message)}$"):
        KIND.prepare(settings_of({}), data=given)


@pytest.mark.tiny
@pytest.mark.parametrize("position", ["0", "4", "b"])
def test_positions_outside_the_source_are_named(position: str) -> None:
    message = (
        f"train: pair 1 has the target {position!r}, expected a position in the source, 1 to 3. Correct it, or choose other "
        "data.target_units."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        KIND.prepare(settings_of({"attention": "pointer"}), data=[("ab", "2 1"), ("abc", f"1 {position}")])


@pytest.mark.tiny
def test_a_malformed_line_is_named_or_skipped(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("ab\tba\nbroken\nabc\tcba\nb\tb\n")
    message = (
        f"train: {path}, line 2 has 1 field, expected 2 as in the first line. Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        KIND.prepare(settings_of({}, data={"train": str(path)}))
    prepared = KIND.prepare(settings_of({}, data={"train": str(path), "skip_bad": True}))
    assert prepared.notes["skipped"] == (
        f"train: 1 malformed line was skipped: {path}, line 2 has 1 field, expected 2 as in the first line."
    )
    assert prepared.size == "2 pairs; 1 sources with 1 targets are held out"
    assert {line for _ in range(2) for line in prepared.ids(prepared.batches.next())} <= {
        f"{path}, line {k}" for k in (1, 3, 4)
    }


@pytest.mark.tiny
def test_settings_that_do_not_fit_are_refused_together() -> None:
    message = (
        "train: model: input_feeding is true with attention none, expected dot, general or concat; bridge is none with attention "
        "none, expected copy or linear: nothing else tells the decoder of the source. sampling: k is 1 with schedule exponential, "
        "expected less than 1, such as .9999. All settings: carrousel train --settings seq2seq"
    )
    given = {
        "model": {"attention": "none", "bridge": "none", "input_feeding": True},
        "sampling": {"schedule": "exponential"},
    }
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Seq2SeqSettings.of(given)


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"model": {"attention": "dot"}},
            "model: bidirectional is true with attention dot, expected attention general, as both halves have twice the units.",
        ),
        (
            {"model": {"attention": "additive", "local_reach": 3}},
            "model: local_reach is 3 with attention additive, expected null, or dot, general or concat.",
        ),
        (
            {"model": {"attention": "pointer", "tied_embeddings": True}, "data": {"target_units": "positions"}},
            "model: tied_embeddings is true with attention pointer, which embeds no target units, expected false.",
        ),
        (
            {"model": {"attention": "pointer"}},
            "model.attention is pointer with data.target_units characters, expected pointer exactly with positions.",
        ),
        (
            {"sampling": {"schedule": "inverse-sigmoid", "k": 0.5}},
            "sampling: k is 0.5 with schedule inverse-sigmoid, expected at least 1, such as 1000.",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Seq2SeqSettings.of(given)


@pytest.mark.tiny
def test_predict_reads_a_source_a_line_and_refuses_unknown_options(tmp_path: Path) -> None:
    network, _ = new({}, decoding={"max_length": 3})
    path = tmp_path / "words.txt"
    path.write_text("ab\tignored\ncd\n")
    lines = list(KIND.predict(network, path))
    assert [line.split("\t")[0] for line in lines] == ["ab", "cd"]
    assert lines == list(KIND.predict(network, ["ab", "cd"]))
    assert len(list(KIND.predict(network, path, n_best=2, beam=3))) == 4
    message = (
        "predict: unknown option 'best', expected one of beam, n_best, length_penalty, attention. Did you mean 'n_best'? Leave it "
        "out."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        list(KIND.predict(network, path, best=2))
    message = "predict: beam is abc, expected a whole number. Mend it."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        list(KIND.predict(network, path, beam="abc"))
    message = "predict: source 1 is an empty source, expected characters. Leave it out."
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        list(KIND.predict(network, ["ab", ""]))


@pytest.mark.tiny
def test_a_model_without_attention_has_no_maps(tmp_path: Path) -> None:
    new({"attention": "none"})[0].float().save_pretrained(tmp_path)
    message = (
        "Seq2Seq.attention: the model has attention none, expected one that looks at the source. Train with "
        "model.attention=general."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Seq2Seq.from_pretrained(tmp_path).attention(["ab"])
