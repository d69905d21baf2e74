import pytest
import typer

import carrousel.cli
from carrousel.cli.demo import demo

pytestmark = pytest.mark.tiny


def test_the_demo_is_two_commands_that_it_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        given.append(arguments)
        return 0

    monkeypatch.setattr(carrousel.cli, "run", run)
    demo()
    shown = [line for line in capsys.readouterr().out.splitlines() if line]
    assert shown == [f"$ carrousel {' '.join(arguments)}" for arguments in given]
    assert [arguments[:2] for arguments in given] == [["compare", "embedded-reber"], ["train", "shakespeare"]]


def test_the_demo_ends_where_a_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def run(arguments: list[str]) -> int:
        given.append(arguments)
        return 130

    monkeypatch.setattr(carrousel.cli, "run", run)
    with pytest.raises(typer.Exit) as caught:
        demo()
    assert (caught.value.exit_code, len(given)) == (130, 1)
