"""The tagger: what it reads, learns, says and keeps, on sentences made up here and on the sample that ships."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference.conlleval import conlleval

from carrousel.data.tokens import Tokens
from carrousel.data.vectors import read_vectors
from carrousel.data.vocabulary import CharVocabulary
from carrousel.errors import ConfigError, DataError
from carrousel.layers.draw import Draw
from carrousel.models.tagger import KIND, Tagger, TaggerNetwork
from carrousel.models.tagger.characters import LETTERS
from carrousel.models.tagger.figures import baselines, figures_of, worst
from carrousel.models.tagger.sentences import Sentences, tagged_sentences
from carrousel.models.tagger.settings import TaggerSettings
from carrousel.models.tagger.words import Batch, WordInput, vocabulary_of
from carrousel.models.transfer import transfer
from carrousel.train.loop import Step
from carrousel.train.run import Run

NOUNS, VERBS, PLACES = ("cat", "dog", "bird", "fish"), ("sees", "likes", "hears"), ("Rome", "Oslo", "Lima")
SMALL = {
    "hidden_size": 12,
    "word_size": 12,
    "spelling_size": 8,
    "character_size": 6,
    "dropout": 0.1,
    "learning_rate": 0.02,
}


def grammar(num_sentences: int) -> list[list[tuple[str, str]]]:
    """Sentences whose tags follow from rules: "in New Rome" is a place of two words."""
    draw, made = np.random.default_rng(1), list[list[tuple[str, str]]]()
    for _ in range(num_sentences):
        noun, other, verb, place = (str(draw.choice(words)) for words in (NOUNS, NOUNS, VERBS, PLACES))
        sentence = [("the", "O"), (noun, "O"), (verb, "O"), ("the", "O"), (other, "O"), ("in", "O")]
        sentence += [("New", "B-LOC"), (place, "I-LOC")] if draw.random() < 0.5 else [(place, "B-LOC")]
        made.append(sentence)
    return made


def new_network(head: str = "crf", characters: str = "lstm", **settings: Any) -> TaggerNetwork:
    torch.manual_seed(0)
    words, letters, _ = vocabulary_of([[word for word, _ in row] for row in grammar(20)], 1, False, False)
    read = WordInput(words, letters, 5, characters=characters, letter_size=3, spelling_size=4)
    labels = Tokens(("O", "B-LOC", "I-LOC"))
    torch.set_num_threads(1)
    sizes: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "residual": False, "dropout": 0.0}
    sizes |= {"forget_bias": None, "sizes": {}}
    return TaggerNetwork(read, labels, head=head, **{**sizes, **settings}).eval()


def tagger_network(tagger: Tagger) -> TaggerNetwork:
    assert isinstance(tagger.network, TaggerNetwork)
    return tagger.network


SENTENCES = [["the", "cat"], [], ["New", "Rome", "likes", "birds"], ["Oslo"], ["in", "Atlantis", "the"]]


@pytest.mark.parametrize("characters", ["none", "lstm", "cnn"])
@pytest.mark.parametrize("head", ["crf", "crf-pairs", "softmax"])
def test_sentences_are_tagged_as_if_each_were_alone(head: str, characters: str) -> None:
    network = new_network(head, characters, scheme="bio" if head == "crf" else None)
    together, marginals = network.predict(SENTENCES), network.marginals(SENTENCES)
    for k, sentence in enumerate(SENTENCES):
        assert together[k] == network.predict([sentence])[0]
        assert len(together[k]) == len(sentence)
        np.testing.assert_allclose(marginals[k], network.marginals([sentence])[0], atol=1e-6)
        np.testing.assert_allclose(marginals[k].sum(1), np.ones(len(sentence)), atol=1e-6)


@pytest.mark.parametrize("head", ["crf", "crf-pairs", "softmax"])
def test_the_loss_is_that_of_the_probability_of_the_right_tags(head: str) -> None:
    network = new_network(head).double()
    sentences = [row for row in SENTENCES if row]
    gold = [network.labels.encode(["O"] * len(row)) for row in sentences]
    batch = network.read.encode(sentences, gold).batch(np.arange(len(sentences)))
    losses = [network.loss(batch, Draw(0), per=per).item() for per in ("token", "sentence")]
    nats = 0.0
    for row in sentences:
        if head == "softmax":
            nats -= float(np.log(network.marginals([row])[0][:, 0]).sum())
        else:
            ranked = network.n_best([row], 3 ** len(row))[0]
            assert sum(share for _, share in ranked) == pytest.approx(1, abs=1e-9)
            nats -= math.log(next(share for tags, share in ranked if set(tags) == {"O"}))
    assert losses == pytest.approx([nats / sum(map(len, sentences)), nats / len(sentences)], abs=1e-9)


def test_n_best_are_ranked_legal_and_begin_with_the_prediction() -> None:
    network = new_network(scheme="bio")
    (ranked,) = network.n_best([["New", "Rome"]], 20)
    assert ranked[0][0] == network.predict([["New", "Rome"]])[0]
    assert [share for _, share in ranked] == sorted((share for _, share in ranked), reverse=True)
    assert sorted(tags for tags, _ in ranked) == sorted(
        [a, b] for a in ("O", "B-LOC") for b in ("O", "B-LOC", "I-LOC") if (a, b) != ("O", "I-LOC")
    )


@pytest.mark.parametrize("name", list(LETTERS))
def test_letters_are_read_word_by_word(name: str) -> None:
    reader = LETTERS[name](7, 3, 6).double()
    letters = torch.tensor([[1, 4, 6], [2, 5, 0], [3, 0, 0]])
    together = reader(letters, torch.tensor([3, 2, 1]))
    for word, length in enumerate((3, 2, 1)):
        alone = reader(letters[:length, word : word + 1], torch.tensor([length]))
        torch.testing.assert_close(together[word], alone[0])


def test_words_are_looked_up_as_the_settings_say() -> None:
    words, letters = Tokens.of(["the", "Rome", "route00"]), CharVocabulary.of("thero")
    read = WordInput(words, letters, 2, characters="none", zero_digits=True)
    encoded = read.encode([["the", "The", "Rome", "rome", "route66"]])
    assert words.decode(encoded.tokens.values[:, 0]) == ["the", "the", "Rome", "<unk>", "route00"]
    lower = WordInput(Tokens.of(["rome"]), letters, 2, characters="none", lowercase=True)
    assert lower.encode([["ROME", "Rom"]]).tokens.values[:, 0].tolist() == [1, 0]


def test_a_word_that_occurs_twice_in_a_batch_is_spelled_once() -> None:
    network = new_network()
    batch = network.read.encode([["the", "cat"], ["the"]]).batch(np.arange(2))
    assert batch.letters.shape == (3, 2)
    assert batch.forms.tolist() == [[0, 0], [1, 0]]


def test_vectors_start_words_and_stay_for_words_outside_the_training_sentences(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("the 1 2\natlantis 3 4\nzoo 5 6\nyak 7 8\ncat 9 10\n")
    made = prepared(f"data.vectors={tmp_path}/v.txt", "data.max_vectors=2", "model.word_size=null")
    assert made.notes["words_with_vectors"] == 2 / 13
    network = made.network
    assert network.read.other_words == ("atlantis", "zoo")
    assert network.read.others.tolist() == [[3, 4], [5, 6]]
    assert network.read.size == 2
    batch = network.read.encode([["Atlantis", "zoo", "yak"]]).batch(np.zeros(1, np.int64))
    x = network.read(batch)[:, 0]
    assert x[:2].tolist() == [[3, 4], [5, 6]]
    torch.testing.assert_close(x[2], network.read.embedding.weight[0])
    fresh = WordInput(Tokens.of(["the", "Cat"]), CharVocabulary.of("x"), 2, characters="none")
    assert fresh.take_vectors(read_vectors(tmp_path / "v.txt")) == 2
    assert fresh.embedding.weight[1:].tolist() == [[9, 10], [1, 2]]


def test_a_wrong_size_for_vectors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("the 1 2\n")
    with pytest.raises(ConfigError) as caught:
        Tagger(word_size=3, vectors=str(path)).fit(grammar(4))
    assert str(caught.value) == (
        f"Tagger: model.word_size is 3, expected 2, as many as the vectors in {path} have. Leave it null."
    )


@pytest.fixture(scope="module")
def learned() -> Tagger:
    torch.set_num_threads(1)
    return Tagger(**SMALL, epochs=6, scheme="iobes").fit(grammar(160))


def test_it_learns_rules_from_python_objects(learned: Tagger) -> None:
    assert learned.figures["f1"] == 1
    words = ["the", "dog", "hears", "the", "fish", "in", "New", "Lima"]
    assert learned.predict([words, []]) == [["O"] * 6 + ["B-LOC", "I-LOC"], []]  # written as the data is, BIO
    assert learned.predict_spans([words])[0] == [(6, 8, "LOC")]
    assert set(learned.labels) == {"O", "B-LOC", "E-LOC", "S-LOC"}
    assert learned.marginals([words])[0].shape == (8, 4)
    assert learned.n_best([words], 2)[0][0][0] == learned.predict([words])[0]


def test_a_saved_tagger_says_the_same(learned: Tagger, tmp_path: Path) -> None:
    learned.save_pretrained(tmp_path)
    again = Tagger.from_pretrained(tmp_path)
    sentences = [[word for word, _ in row] for row in grammar(5)]
    assert again.predict(sentences) == learned.predict(sentences)
    np.testing.assert_array_equal(again.marginals(sentences)[0], learned.marginals(sentences)[0])


def test_figures_are_those_of_conlleval(learned: Tagger) -> None:
    data = grammar(30)
    data[0][-1] = ("Atlantis", "B-ORG")  # a tag that training did not have is wrong, and no error
    figures = learned.evaluate(data)
    predicted = learned.predict([[word for word, _ in row] for row in data])
    both = [list(zip([tag for _, tag in row], tags, strict=True)) for row, tags in zip(data, predicted, strict=True)]
    right, there, said, right_tags, tags = conlleval(both)
    precision, recall = right.total() / said.total(), right.total() / there.total()
    assert figures["accuracy"] == right_tags / tags
    assert figures["precision"] == precision
    assert figures["recall"] == recall
    assert figures["f1"] == pytest.approx(2 * precision * recall / (precision + recall), abs=1e-12)
    assert set(figures) == {"accuracy", "precision", "recall", "f1", "f1[LOC]", "f1[ORG]"}


def test_a_file_is_measured_as_the_same_sentences_are(learned: Tagger, tmp_path: Path) -> None:
    data = grammar(30)
    path = tmp_path / "held_out.txt"
    path.write_text("".join("".join(f"{word}\t{tag}\n" for word, tag in row) + "\n" for row in data))
    assert learned.evaluate(path) == learned.evaluate(data)
    assert learned.evaluate(path)["accuracy"] > 0.9


def test_prediction_lines_from_a_column_file_and_from_text(learned: Tagger, tmp_path: Path) -> None:
    columns, text, network = tmp_path / "a.tsv", tmp_path / "a.txt", tagger_network(learned)
    columns.write_text("in\tx\nOslo\tx\n\nthe\tx\n")
    text.write_text("in Oslo\n\nthe\n")
    expected = ["in\tO", "Oslo\tB-LOC", "", "the\tO", ""]
    assert list(KIND.predict(network, columns)) == expected
    assert list(KIND.predict(network, text, input="text")) == expected
    assert list(KIND.predict(network, [["in", "Oslo"], ["the"]])) == expected
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"form": "text"}, "predict: unknown option 'form', expected one of input, n_best, marginals. Leave it out."),
        ({"n_best": 0}, "predict: n_best is 0, expected at least 1. Leave it out for the best alone."),
        ({"n_best": 1.5}, "predict: n_best is 1.5, expected a whole number. Mend it."),
        ({"marginals": "yes"}, "predict: marginals is yes, expected true or false. Mend it."),
        ({"input": "txt"}, "predict: input is txt, expected one of columns, text. Choose one: input=columns"),
    ]
    for options, message in wrong:
        with pytest.raises(ConfigError) as caught:
            list(KIND.predict(network, text, **options))
        assert str(caught.value) == message


def test_prediction_lines_with_the_best_sequences_and_probabilities_of_tags(learned: Tagger) -> None:
    network, sentence = tagger_network(learned), ["in", "Oslo"]
    ((first, p), (second, q)) = network.n_best([sentence], 2)[0]
    lines = list(KIND.predict(network, [sentence, []], n_best=2))
    assert lines == [f"# {p:.4g}\t{q:.4g}", *map("\t".join, zip(sentence, first, second, strict=True)), "", "# 1", ""]
    *words, end = KIND.predict(network, [sentence], marginals=True)
    assert end == ""
    for line, word, tag, each in zip(words, sentence, first, network.marginals([sentence])[0], strict=True):
        given, said, shares = line.split("\t")
        assert (given, said) == (word, tag)
        found = {name: float(value) for name, value in (share.split("=") for share in shares.split(" "))}
        assert list(found.values()) == sorted(found.values(), reverse=True)
        expected = {name: round(value, 3) for name, value in zip(learned.labels, each.tolist(), strict=True)}
        assert found == {name: pytest.approx(value, abs=1e-9) for name, value in expected.items() if value >= 0.001}


def test_a_softmax_ranks_no_sequences() -> None:
    with pytest.raises(ConfigError) as caught:
        list(KIND.predict(new_network(head="softmax"), [["in"]], n_best=3))
    assert str(caught.value) == (
        "predict: n_best is 3, expected 1: the head softmax does not rank sequences of tags. Leave it out, or train with "
        "model.head=crf."
    )


CONLL_2003 = """-DOCSTART- -X- -X- O

U.N. NNP I-NP I-ORG
official NN I-NP O
Ekeus NNP I-NP I-PER

Rolf NNP I-NP I-PER
Ekeus NNP I-NP I-PER
Baghdad NNP I-NP I-LOC

Baghdad NNP I-NP I-LOC
"""
CONLLU = """# text = vou-me
1-2\tvou-me\t_\t_\t_\t_\t_\t_\t_\t_
1\tvou\tir\tVERB\tV1\t_\t_\t_\t_\t_
2\tme\teu\tPRON\tP1\t_\t_\t_\t_\t_

1\tvou\tir\tVERB\tV1\t_\t_\t_\t_\t_
"""


def test_conll_2003_and_conllu_files_are_read_by_their_columns(tmp_path: Path) -> None:
    columns, treebank = tmp_path / "eng.train", tmp_path / "pt.conllu"
    columns.write_text(CONLL_2003)
    treebank.write_text(CONLLU)
    small = ["model.hidden_size=4", "model.characters=none", "train.threads=1"]

    def network_for(*overrides: str) -> TaggerNetwork:
        made = KIND.prepare(TaggerSettings.of({}, [*small, *overrides]))
        assert isinstance(made.network, TaggerNetwork)
        return made.network.eval()

    names = network_for(f"data.train={columns}", f"data.valid={columns}", "data.scheme=iobes")
    assert (names.scheme, names.written) == ("iobes", "iob1")
    assert sorted(names.labels.strings) == ["B-PER", "E-PER", "O", "S-LOC", "S-ORG", "S-PER"]
    assert [line.split("\t")[0] for line in KIND.predict(names, columns)][:4] == ["U.N.", "official", "Ekeus", ""]
    assert set(KIND.evaluate(names, columns)) >= {"accuracy", "f1", "f1[LOC]", "f1[ORG]", "f1[PER]"}
    parts = network_for(f"data.train={treebank}", f"data.valid={treebank}")
    assert parts.labels.strings == ("VERB", "PRON")
    finer = network_for(f"data.train={treebank}", f"data.valid={treebank}", "data.tag_column=XPOS")
    assert finer.labels.strings == ("V1", "P1")
    assert set(KIND.evaluate(finer, treebank)) == {"accuracy"}
    with pytest.raises(DataError) as caught:
        KIND.evaluate(parts, columns)
    assert str(caught.value) == (
        f"evaluate: {columns} has the tag 'I-ORG' and no tag that was learned, expected some of PRON, VERB. Check that it is the "
        "right file."
    )
    assert [line.split("\t")[0] for line in KIND.predict(finer, treebank)] == ["vou", "me", "", "vou", ""]


def test_any_cell_deep_residual_and_with_a_tanh_layer() -> None:
    torch.set_num_threads(1)
    settings = {**SMALL, "cell": "gru", "num_layers": 2, "residual": True, "tanh_size": 7, "head": "crf-pairs"}
    tagger = Tagger(**settings, characters="cnn", loss_per="sentence", epochs=1).fit(grammar(20))
    assert len(tagger.predict([["the", "cat"]])[0]) == 2


def test_in_one_direction_a_tag_depends_on_the_words_up_to_its_own(tmp_path: Path) -> None:
    known, other = ["the", "cat", "likes", "birds"], ["the", "cat", "in", "Oslo"]
    for is_both in (False, True):
        network = new_network("softmax", bidirectional=is_both)
        first, second = network.marginals([known, other])
        assert np.array_equal(first[:2], second[:2]) == (not is_both)
        assert not np.allclose(first[2:], second[2:])
        network.save_pretrained(tmp_path / str(is_both))
        again = TaggerNetwork.from_pretrained(tmp_path / str(is_both))
        assert np.array_equal(again.marginals([known])[0], first)
    config = new_network().config()
    del config["bidirectional"]  # which taggers did not say when all of them read both ways
    assert TaggerNetwork.of_config(config).encoder.directions == 2


def prepared(*overrides: str, data: Any = None) -> Any:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    settings = TaggerSettings.of({"model": {"hidden_size": 4, "word_size": 4, "characters": "none"}}, overrides)
    return KIND.prepare(settings, data=grammar(20) if data is None else data)


@pytest.mark.parametrize(
    ("tags", "wanted", "scheme", "written"),
    [
        ("O B-x I-x", "keep", "bio", None),
        ("O I-x B-x", "keep", "iob1", None),
        ("B-x E-x S-x", "keep", "iobes", None),
        ("O I-x I-x", "iobes", "iobes", "iob1"),
        ("O B-x I-x", "iobes", "iobes", "bio"),
        ("O I-x B-y I-x", "keep", None, None),  # breaks every scheme: nothing is constrained
        ("O I-x B-y I-x", "bio", "bio", "bio"),  # read as conlleval reads it, then written well
        ("DET NOUN", "keep", None, None),
    ],
)
def test_the_scheme_of_the_tags_is_found(tags: str, wanted: str, scheme: str | None, written: str | None) -> None:
    sentence = [("w", tag) for tag in tags.split()]
    network = prepared(f"data.scheme={wanted}", data=[sentence] * 4).network
    assert (network.scheme, network.written) == (scheme, written)


def test_a_scheme_for_tags_without_spans_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        prepared("data.scheme=iobes", data=[[("w", "DET")]] * 4)
    assert str(caught.value) == (
        "train: data.scheme is iobes, expected keep, since the tags of the data are no B-, I-, E-, S- and O. Check "
        "data.tag_column, or leave data.scheme out."
    )


def test_words_that_occur_once_are_read_as_unknown_at_the_rate_set() -> None:
    data = [[(f"w{k}", "X"), ("the", "Y")] for k in range(400)]
    hidden: list[torch.Tensor] = []
    for rate in (0.0, 0.3, 1.0):
        made = prepared(f"model.unknown_rate={rate}", "train.batch_size=400", data=data)
        network, batch = made.network, made.batches.next()

        def note(batch: Batch, draw: Draw, is_hidden: torch.Tensor, per: str) -> torch.Tensor:
            hidden.append(is_hidden)
            return batch.words.sum().float()

        network.loss = note
        made.loss(network, batch, None)
    none, some, every = hidden
    assert none is None
    assert every[0].all()
    assert not some[1].any()
    assert not every[1].any()  # "the" is no rare word
    assert 0.2 < some[0].float().mean() < 0.4


def test_a_batch_cut_into_parts_has_the_loss_and_the_gradient_of_the_whole() -> None:
    made = prepared("model.dropout=0.5", "train.batch_size=6")
    network, halves = made.network.train(), [made.batches.shard(rank, 2) for rank in (0, 1)]
    nobody = made.batches.shard(7, 8).next()
    assert nobody is None

    def gradient(parts: list[Batch | None]) -> list[torch.Tensor]:
        network.zero_grad()
        losses = [made.loss(network, part, None) for part in parts if torch.manual_seed(3)]
        seen = sum(loss.num_seen for loss in losses)
        sum(loss.loss * (loss.num_seen / seen) for loss in losses).backward()  # pyright: ignore[reportAttributeAccessIssue]
        return [parameter.grad.clone() for parameter in network.parameters()]

    whole, cut = gradient([made.batches.next()]), gradient([*(half.next() for half in halves), nobody])
    for a, b in zip(whole, cut, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_a_run_that_was_stopped_ends_with_the_numbers_of_one_that_was_not(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    model = {"hidden_size": 4, "word_size": 4, "characters": "cnn"}
    settings = TaggerSettings.of({"model": model, "train": {"updates": 7, "batch_size": 6, "threads": 1}})
    whole = Run.start(KIND, settings, tmp_path / "whole", data=grammar(20))
    assert sum(1 for event in whole.train() if isinstance(event, Step)) == 7
    stopped = Run.start(KIND, settings, tmp_path / "stopped", data=grammar(20))
    for _ in stopped.train(should_stop=lambda: stopped.training.update == 4):
        pass
    resumed = Run.resume(tmp_path / "stopped", lambda name: KIND, data=grammar(20))
    assert sum(1 for event in resumed.train() if isinstance(event, Step)) == 3
    for a, b in zip(whole.training.model.parameters(), resumed.training.model.parameters(), strict=True):
        assert torch.equal(a, b)


def other_network(head: str, labels: tuple[str, ...], size: int = 5) -> TaggerNetwork:
    """With other words, letters and tags than `new_network`."""
    words, letters, _ = vocabulary_of([["zoo", "cat", "the", "Rome", "New", "Yale"]], 1, False, False)
    read = WordInput(words, letters, size, letter_size=3, spelling_size=4)
    sizes: dict[str, Any] = {"hidden_size": 4, "num_layers": 1, "residual": False, "dropout": 0.0}
    return TaggerNetwork(read, Tokens(labels), head=head, **sizes, forget_bias=None, sizes={}).eval()


@pytest.mark.parametrize("head", ["crf", "crf-pairs", "softmax"])
def test_a_tagger_goes_on_from_another_with_other_words_and_tags(tmp_path: Path, head: str) -> None:
    source, target = new_network(head), other_network(head, ("I-LOC", "O", "B-ORG", "B-LOC"))
    source.save_pretrained(tmp_path)
    found = target.start_from(tmp_path, "train", lambda folder, where: source)
    assert found == ["all layers", "5 of 7 words", "3 of 4 tags (new: 2 words, 1 tag)"]  # <unk>, cat, the, Rome, New
    places = [1, 3, 0]
    sentence = [["the", "cat", "New", "Rome"]]
    with torch.no_grad():
        (theirs, their_pairs), (ours, our_pairs) = (
            net(net.read.encode(sentence).batch(np.zeros(1, np.int64)), Draw(0)) for net in (source, target)
        )
    torch.testing.assert_close(ours[:, :, places], theirs)
    if their_pairs is not None and our_pairs is not None:
        torch.testing.assert_close(our_pairs[:, :, places][:, :, :, places], their_pairs)
    if source.crf is not None and target.crf is not None:
        assert torch.equal(target.crf.transitions[places][:, places], source.crf.transitions)
        assert torch.equal(target.crf.stop[places], source.crf.stop)


def test_a_tagger_that_does_not_fit_is_no_start(tmp_path: Path) -> None:
    source = new_network()
    source.save_pretrained(tmp_path)
    for target, message in (
        (
            other_network("crf", ("O",), size=6),
            "train: read.embedding.weight has shape (14, 5) in the tagger to start from, expected (7, 6). Set the section model "
            "as it was there.",
        ),
        (
            other_network("crf", ("NOUN", "VERB")),
            "train: the tagger to start from has the tags O, B-LOC, I-LOC, expected some of NOUN, VERB. Check data.tag_column and "
            "data.scheme, or start anew.",
        ),
        (
            other_network("crf-pairs", ("O",)),
            "train: pairs.weight is not there in the tagger to start from, expected (1, 8). Set the section model as it was there.",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            target.start_from(tmp_path, "train", lambda folder, where: source)
        assert str(caught.value) == message


def test_it_can_start_from_what_another_kind_reads_with() -> None:
    source, target = new_network(), new_network(head="softmax", characters="none")
    torch.nn.init.normal_(source.read.embedding.weight)
    size, letters = source.read.embedding.embedding_dim, source.read.size - source.read.embedding.embedding_dim
    assert letters > 0
    assert transfer(source.reading(), target.reading()) == [
        "embeddings of 14 of 14 tokens",
        f"recurrent layer 1 (lstm) in both directions, {size} of its {size} inputs",
    ]
    assert torch.equal(target.read.embedding.weight, source.read.embedding.weight)
    assert transfer(source.reading(), new_network().reading())[1] == "recurrent layer 1 (lstm) in both directions"


def test_figures_and_baselines_by_hand() -> None:
    train = Sentences([["a", "b"], ["a", "c"]], [["D", "N"], ["D", "N"]], ["1", "2"], "here")
    valid = Sentences([["a", "x", "a"]], [["D", "N", "V"]], ["3"], "here")
    found = baselines(train, valid, has_spans=False)
    assert {name: figures for name, (figures, _) in found.items()} == {
        "word's tag": {"accuracy": 1 / 3},
        "one tag": {"accuracy": 1 / 3},
    }
    assert found["one tag"][1] == "D for every word, the most frequent tag"
    assert figures_of([["O", "B-x"]], [["O", "O"]], has_spans=True) == {
        "f1": 0, "precision": 0, "recall": 0, "accuracy": 0.5,
    }  # fmt: skip
    (shown,) = worst(valid, [["D", "N", "N"]])
    assert (shown.given, shown.expected, shown.predicted, shown.loss) == ("a x a", "a/V", "a/N", 1.0)


def test_the_held_out_tenth_is_drawn_by_the_seed() -> None:
    first, same, other = (prepared(f"train.seed={seed}", data=grammar(40)) for seed in (0, 0, 1))
    assert first.fingerprint == same.fingerprint != other.fingerprint
    assert first.size == same.size
    assert first.size.endswith("4 sentences are held out")
    assert all(place.startswith("sentence ") for place in first.ids(first.batches.next()))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            [["The", "cat"]],
            "train: sentence 0 is ['The', 'cat'], expected a list of (word, tag), such as [('The', 'DET'), ('cat', 'NOUN')]. "
            "Correct it, or leave it out.",
        ),
        (
            [[("a", "b")], []],
            "train: sentence 1 is [], expected a list of (word, tag), such as [('The', 'DET'), ('cat', 'NOUN')]. Correct it, or "
            "leave it out.",
        ),
        ([], "train: there are no sentences, expected a list of them. Give some."),
        (
            [[("a", "b")]],
            "train: Python objects has 1 sentence, expected at least 2, one to learn from and one to measure on. Give more.",
        ),
    ],
)
def test_objects_that_are_no_tagged_sentences_are_named(data: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        prepared(data=data)
    assert str(caught.value) == message


def test_other_errors_say_what_was_given_and_expected(learned: Tagger, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        learned.predict(["The cat"])
    assert str(caught.value) == (
        "Tagger.predict: sentence 0 is 'The cat', expected a list of words, such as ['The', 'cat']. Split it."
    )
    with pytest.raises(ConfigError) as caught:
        KIND.prepare(TaggerSettings())
    assert str(caught.value) == "train: data.train is null, expected the path of a file. Set it: data.train=FILE"
    path = tmp_path / "bad.tsv"
    path.write_text("a\tX\nb\n\nc\tY\nd\tX\n\ne\tY\n\n")
    with pytest.raises(DataError) as caught:
        Tagger().fit(path)
    assert str(caught.value) == (
        f"Tagger: {path}, line 2 has 1 column, expected 2 as in the first line. Correct the line, or skip what is malformed: "
        "data.skip_bad=true when training, skip_bad=True in Python."
    )
    made = KIND.prepare(TaggerSettings.of({"data": {"train": str(path), "skip_bad": True}}))
    assert made.notes["skipped"] == (
        f"train: 1 malformed line was skipped: {path}, line 2 has 1 column, expected 2 as in the first line."
    )
    assert made.ids(made.batches.next()) in ([f"{path}, line 4"], [f"{path}, line 7"])


def test_the_starter_is_real_and_trains(tmp_path: Path) -> None:
    for name, content in KIND.starter().items():
        (tmp_path / name).write_bytes(content)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "LICENSE-DANTE",
        "SOURCE.md",
        "tagger.yaml",
        "train.conllu",
        "valid.conllu",
    ]
    settings = TaggerSettings.from_yaml(
        (tmp_path / "tagger.yaml").read_text(), ["model.hidden_size=8", "model.spelling_size=8", "model.dropout=0.1"]
    )
    made = KIND.prepare(KIND.absolute(settings, tmp_path))
    assert made.size == "720 sentences, 11,031 words; 120 sentences are held out"
    figures = {name: round(found["accuracy"], 4) for name, (found, _) in made.baselines().items()}
    assert figures == {"word's tag": 0.834, "one tag": 0.2332}
    optimiser = torch.optim.Adam(made.network.parameters(), lr=0.03)
    losses: list[float] = []
    torch.set_num_threads(1)
    for _ in range(20):
        loss = made.loss(made.network, made.batches.next(), None).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
    assert json.dumps(made.gates(made.network.eval()))


def test_tagged_sentences_have_places() -> None:
    assert tagged_sentences([[("a", "X")], [("b", "Y")]], "here").places == ["sentence 0", "sentence 1"]
