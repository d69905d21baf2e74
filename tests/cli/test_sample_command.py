"""`carrousel sample` on models of each unit."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from carrousel.cli import main
from carrousel.data import CharVocabulary
from carrousel.models.language_model import ByteVocabulary, LanguageModelNetwork, WordVocabulary

Command = Callable[..., tuple[int, str, str]]
TEXT = "the quick brown fox\njumps over a dog\n"


@pytest.fixture
def carrousel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line in a folder with three models: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for name, vocabulary in (
        ("char", CharVocabulary.of(TEXT)),
        ("word", WordVocabulary.of(TEXT)),
        ("byte", ByteVocabulary()),
    ):
        LanguageModelNetwork(vocabulary, "elman", 3, 4).save_pretrained(tmp_path / name)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
        with pytest.raises(SystemExit) as caught:
            sys.exit(main())
        return caught.value.code or 0, *capsys.readouterr()  # type: ignore[return-value]

    return run


def test_each_unit_goes_on_from_a_prompt(carrousel: Command) -> None:
    for name in ("char", "word", "byte"):
        code, out, err = carrousel("sample", name, "--prompt", "the", "--length", "5", "--seed", "1")
        assert (code, err) == (0, "")
        assert out.startswith("the " if name == "word" else "the")
    assert carrousel("sample", "word", "--prompt", "the cat", "--length", "3", "--seed", "1")[2] == (
        "sample: the model has never seen 'cat'; what it makes of these is chance.\n"
    )


def test_a_draw_among_one_is_the_likeliest(carrousel: Command) -> None:
    _, likeliest, _ = carrousel("sample", "char", "--prompt", "a", "--length", "9", "--temperature", "0")
    for limit in (["--top-k", "1"], ["--top-p", "0.001"]):
        assert (
            carrousel("sample", "char", "--prompt", "a", "--length", "9", "--temperature", "1", *limit)[1] == likeliest
        )


def test_a_beam_search_is_always_the_same(carrousel: Command) -> None:
    first = carrousel("sample", "char", "--prompt", "a", "--length", "9", "--beam", "3")
    assert first == carrousel("sample", "char", "--prompt", "a", "--length", "9", "--beam", "3")
    assert first[0] == 0


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beam", "3", "--top-k", "2"], "sample: --beam is given with --top-k, --top-p or --seed, expected it without them: a "
         "beam search draws nothing. Leave the others out."),
        (["--top-k", "0"], "sample: top_k is 0, expected at least 1. Choose one such as 40, or leave it out."),
        (["--top-p", "2"], "sample: top_p is 2.0, expected above 0 and at most 1. Choose one such as 0.9, or leave it out."),
        (["--beam", "0"], "beam_search: beam is 0, expected at least 1. Give a positive beam."),
    ],
)  # fmt: skip
def test_limits_that_make_no_sense_are_answered_in_one_line(
    carrousel: Command, arguments: list[str], message: str
) -> None:
    assert carrousel("sample", "char", *arguments) == (2, "", f"carrousel: {message}\n")
