"""A card as a page of the documentation, and the list of all pages."""

from collections.abc import Sequence

from carrousel.analysis.bibtex import bibtex
from carrousel.analysis.card_text import citation, facts, parameter_rows
from carrousel.analysis.cards import Card


def card_page(card: Card) -> str:
    """One cell in Markdown; its drawing lies beside the page as NAME.svg."""
    cell = card.cell
    names = f"Also called {', '.join(f'`{alias}`' for alias in cell.aliases)}." if cell.aliases else ""
    sections = [
        f"# {cell.name}",
        f"{card.title} {names}".strip(),
        f"![One time step of {cell.name}]({cell.name}.svg)",
        "\n".join(["```text", *card.equation_lines, "```"]) if card.equation_lines else "",
        f"**Source.** {_linked(citation(cell.source), cell.source.identifier)}",
        f"**Differs.** {cell.differs}",
        "## Parameters",
        "\n".join(_table([[_code(row[0]), row[1], row[2], row[3]] for row in parameter_rows(card)])),
        "## What its graph tells",
        "\n".join(f"- **{name}:** {text}" for name, text in facts(card).items()),
        "## To cite it",
        "\n".join(["```bibtex", bibtex(cell.source), "```"]),
        "*Made from the cell's own file by `scripts/build_docs.py`.*",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def list_page(cards: Sequence[Card]) -> str:
    """All cells in one table, in the order of publication."""
    head = ["cell", "year", "state", "parameters", "phases", "scan", "title"]
    rows = [head]
    for card in cards:
        row = card.summary()
        link = f"[{row['name']}]({row['name']}.md)"
        counts = [f"{row['parameters']:,}", str(row["phases"]), row["scan"]]
        rows.append([link, str(row["year"]), " ".join(row["state"]), *counts, row["title"]])
    words = (
        f"{len(cards)} cells. Parameters are counted for 128 inputs and 128 units; phases are the products on the state that wait "
        "for each other inside a time step; scan names the kind of scan that runs all time steps at once, where there is one."
    )
    note = "*Made from the cells' own files by `scripts/build_docs.py`.*"
    return "\n\n".join(["# Cells", words, "\n".join(_table(rows)), note]) + "\n"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]]


def _code(name: str) -> str:
    return name if name == "parameter" else f"`{name}`"


def _linked(text: str, identifier: str) -> str:
    scheme, _, value = identifier.partition(":")
    places = {"doi": f"https://doi.org/{value}", "arXiv": f"https://arxiv.org/abs/{value}"}
    return text.replace(identifier, f"[{identifier}]({places[scheme]})") if scheme in places else text
