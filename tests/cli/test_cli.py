"""The command line itself: one line for an error, the exit codes, and output that any terminal or pipe can take."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from carrousel import cli
from carrousel.cells import CELLS
from carrousel.errors import ConfigError, DataError

UNFORESEEN = "This was not foreseen; run again with --debug to see where.\n"


@pytest.fixture
def failing_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Registers a subcommand `fail` that raises the error it is given."""

    def register(error: BaseException) -> None:
        def fail() -> None:
            raise error

        monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
        cli.app.command("fail")(fail)

    return register


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cels"], "unknown subcommand 'cels'. Did you mean 'cells'? All: carrousel --help"),
        (["qqqq"], "unknown subcommand 'qqqq'. All: carrousel --help"),
        (["cells", "--jsn"], "No such option: --jsn (Possible options: --json). See: carrousel cells --help"),
        (["--jsn"], "No such option: --jsn. See: carrousel --help"),
        (["cells", "lstm", "extra"], "Got unexpected extra argument(s) (extra). See: carrousel cells --help"),
        (["explain"], "Missing argument 'cell'. See: carrousel explain --help"),
        (["cells", "LSTM"], "unknown cell 'LSTM'. Did you mean 'lstm'? All cells: carrousel cells"),
        (["draw", "lstm", "-o", ""], "draw: --output is '.', expected a file. For example: -o lstm.svg"),
        (["explain", "lsmt"], "unknown cell 'lsmt'. Did you mean 'lstm'? All cells: carrousel cells"),
    ],
)
def test_wrong_input_is_answered_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.run(arguments) == 2
    assert capsys.readouterr() == ("", f"carrousel: {message}\n")


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (DataError("train: a.txt is empty."), 2, "carrousel: train: a.txt is empty.\n"),
        (RuntimeError("one\n  two"), 1, f"carrousel: RuntimeError: one two. {UNFORESEEN}"),
        (OSError(28, "No space left"), 1, f"carrousel: OSError: [Errno 28] No space left. {UNFORESEEN}"),
        (
            UnicodeEncodeError("ascii", "i = σ(x)", 4, 5, "ordinal not in range(128)"),
            2,
            r"carrousel: the output's encoding is ascii, which has no '\u03c3', expected UTF-8. "
            "Set the environment variable PYTHONIOENCODING=utf-8.\n",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_an_error_of_a_subcommand_becomes_an_exit_code_and_one_line(
    failing_with: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    message: str,
) -> None:
    failing_with(error)
    assert cli.run(["fail"]) == code
    assert capsys.readouterr() == ("", message)


@pytest.mark.tiny
@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
@pytest.mark.parametrize("error", [ConfigError("model.cell is wrong."), RuntimeError("unforeseen")])
def test_debug_shows_the_traceback_wherever_it_stands(
    failing_with: Callable[[BaseException], None],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: Exception,
) -> None:
    failing_with(error)
    monkeypatch.setattr(sys, "argv", ["carrousel", *arguments])
    with pytest.raises(type(error)) as caught:
        cli.main()
    assert caught.value is error


@pytest.mark.tiny
def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    shown = capsys.readouterr()
    assert cli.run(["--help"]) == 0
    assert capsys.readouterr() == shown
    assert (shown.err, shown.out.splitlines()[0]) == ("", "Usage: carrousel [OPTIONS] COMMAND [ARGS]...")


@pytest.mark.tiny
def test_the_help_lists_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["--help"])
    listed = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [subcommand.__name__ for subcommand in cli.SUBCOMMANDS]


@pytest.mark.tiny
def test_the_module_is_the_same_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cli.run(["--help"])
    module = subprocess.run([sys.executable, "-m", "carrousel", "--help"], capture_output=True, text=True, check=True)
    assert (module.stdout, module.stderr) == capsys.readouterr()


@pytest.mark.tiny
@pytest.mark.parametrize("prints", ["print('x')", "print('x', flush=True)"])
def test_a_reader_that_has_gone_is_not_complained_about(prints: str) -> None:
    program = f"from carrousel import cli\n@cli.app.command()\ndef say(): {prints}\nraise SystemExit(cli.run(['say']))"
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        run = subprocess.run([sys.executable, "-c", program], stdout=output, stderr=subprocess.PIPE, text=True)
    assert (run.returncode, run.stderr) == (1, "")


def test_a_table_is_plain_text_and_whole_in_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    assert cli.run(["cells"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()] == ["name", *CELLS]
    assert not {"\x1b", "…"} & set(out)
