"""`carrousel evaluate` with options: language models that adapt to what they read."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from carrousel.cli import main
from carrousel.data import CharVocabulary
from carrousel.models import AutoencoderNetwork, LanguageModel, LanguageModelNetwork
from carrousel.models.language_model import DynamicEvaluation, NeuralCache, mean_squares

pytestmark = pytest.mark.tiny

Command = Callable[..., tuple[int, str, str]]
TEXT = "the quick brown fox\njumps over a dog\n" * 3


@pytest.fixture
def carrousel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in a folder with two models and a text: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    LanguageModelNetwork(CharVocabulary.of(TEXT), "elman", 3, 4).save_pretrained(tmp_path / "language")
    AutoencoderNetwork([0.0], [1.0], window=7, cell="elman", hidden_size=4).save_pretrained(tmp_path / "series")
    (tmp_path / "text.txt").write_text(TEXT)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
        with pytest.raises(SystemExit) as caught:
            sys.exit(main())
        return caught.value.code or 0, *capsys.readouterr()  # type: ignore[return-value]

    return run


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (["adapt=dynamic"], DynamicEvaluation(0.1)),
        (["adapt=dynamic", "learning_rate=3e-1", "decay=0", "segment=5"], DynamicEvaluation(0.3, 0.0, 5)),
        (["adapt=cache"], NeuralCache()),
        (["adapt=cache", "window=9", "theta=1", "part=0.3"], NeuralCache(9, 1.0, 0.3)),
    ],
)
def test_a_language_model_adapts_as_it_does_in_python(
    carrousel: Command, options: list[str], how: DynamicEvaluation | NeuralCache
) -> None:
    plain, adapted = (
        json.loads(carrousel("evaluate", "language", "text.txt", *some, "--json")[1]) for some in ([], options)
    )
    assert adapted == LanguageModel.from_pretrained("language").evaluate_adapting("text.txt", how)
    assert adapted.keys() == plain.keys()
    assert adapted != plain


def test_squares_come_from_a_text(carrousel: Command) -> None:
    out = carrousel("evaluate", "language", "text.txt", "adapt=dynamic", "segment=4", "squares=text.txt", "--json")[1]
    model, how = LanguageModel.from_pretrained("language"), DynamicEvaluation(segment=4)
    network = model.network
    squares = mean_squares(network, network.vocabulary.encode(TEXT), 4)
    assert json.loads(out) == model.evaluate_adapting("text.txt", how, squares)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["adapt=gradient"], "evaluate: adapt is gradient, expected dynamic or cache. Choose one: adapt=dynamic learns from the "
         "text while it reads, adapt=cache remembers it."),
        (["decay=0.1"], "evaluate: 'decay' is given without adapt, expected dynamic or cache. Choose one: adapt=dynamic learns "
         "from the text while it reads, adapt=cache remembers it."),
        (["adapt=dynamic", "learn_rate=1"], "evaluate: adapt=dynamic: unknown option 'learn_rate', expected one of learning_rate, "
         "decay, segment, epsilon, squares. Did you mean 'learning_rate'? Leave it out."),
        (["adapt=cache", "segment=3"], "evaluate: adapt=cache: unknown option 'segment', expected one of window, theta, part. "
         "Leave it out."),
        (["adapt=dynamic", "decay=much"], "evaluate: adapt=dynamic: decay is much, expected a number. Mend it."),
        (["adapt=dynamic", "segment=2.5"], "evaluate: adapt=dynamic: segment is 2.5, expected a whole number. Mend it."),
        (["adapt=dynamic", "squares=true"], "evaluate: adapt=dynamic: squares is True, expected a text. Mend it."),
        (["adapt=cache", "part=2"], "NeuralCache: part is 2, expected 0 to 1. Choose one in that range."),
        (["adapt=dynamic", "decay"], "evaluate: 'decay' is no option, expected KEY=VALUE, such as adapt=dynamic. Mend it."),
    ],
)  # fmt: skip
def test_wrong_options_are_answered_in_one_line(carrousel: Command, options: list[str], message: str) -> None:
    assert carrousel("evaluate", "language", "text.txt", *options) == (2, "", f"carrousel: {message}\n")


def test_a_kind_that_knows_no_options_says_so(carrousel: Command) -> None:
    assert carrousel("evaluate", "series", "text.txt", "adapt=dynamic") == (
        2,
        "",
        "carrousel: evaluate: the option 'adapt' is given, expected none: the kind autoencoder is measured in one way. Leave it "
        "out.\n",
    )
