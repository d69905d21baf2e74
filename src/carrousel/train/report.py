"""What a finished language-model run prints."""

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from carrousel.train.language_model_run import Summary
from carrousel.train.progress import clock

MEANINGS = {
    "uniform": "every character equally likely",
    "unigram": "how often a character occurs",
    "trigram": "two characters of context (Witten-Bell)",
    "5-gram": "four characters of context (Witten-Bell)",
    "xz": "xz -9 of the held-out text alone",
}


def report(summary: Summary, sample: str) -> RenderableType:
    """The held-out bits per character beside the baselines', and a sample."""
    table = Table(
        title=f"Bits per character of the held-out text: {summary.text}", title_justify="left", title_style="bold"
    )
    table.add_column("model")
    table.add_column("bits/char", justify="right")
    table.add_column("what it is", overflow="fold")
    model = f"{summary.parameters:,} parameters, trained for {clock(summary.seconds)}"
    rows = [(name, bits, MEANINGS[name], "") for name, bits in summary.baselines.items()]
    rows.append(("this model", summary.bits_per_character, model, "bold"))
    for name, bits, meaning, style in sorted(rows, key=lambda row: -row[1]):
        table.add_row(name, f"{bits:.3f}", meaning, style=style)
    return Group(table, Rule("a sample", align="left"), Text(sample), Rule())


def to_text(shown: RenderableType, width: int = 100) -> str:
    """The same without colours, for log.txt."""
    console = Console(width=width, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(shown)
    return capture.get()
