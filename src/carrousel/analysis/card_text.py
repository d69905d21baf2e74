"""A card as plain text, for a terminal."""

from collections.abc import Sequence
from textwrap import wrap

from carrousel.analysis.cards import Card
from carrousel.cell import Source

WIDTH = 100


def card_text(card: Card) -> str:
    """Equations, source, departures, parameters and what the graph tells, one paragraph each."""
    cell = card.cell
    paragraphs = [
        f"{cell.name}{also_called(cell.aliases)}\n{card.title}",
        "\n".join(f"    {line}".rstrip() for line in card.equation_lines),
        "\n".join(wrapped(["Source: " + citation(cell.source), "Differs: " + cell.differs])),
        "\n".join(table(parameter_rows(card))),
        "\n".join(wrapped([f"{name}: {text}" for name, text in facts(card).items()])),
    ]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def also_called(aliases: Sequence[str]) -> str:
    """The other names in brackets, with a space before them."""
    return f" (also called {', '.join(aliases)})" if aliases else ""


def citation(source: Source) -> str:
    """Authors, title, venue, year and identifier in one line."""
    names = list(source.authors)
    authors = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    year = "" if str(source.year) in source.venue else f", {source.year}"
    identifier = f", {source.identifier}" if source.identifier else ""
    return f'{authors}, "{source.title}", {source.venue}{year}{identifier}.'


def parameter_rows(card: Card) -> list[tuple[str, str, str, str]]:
    """The table of parameters, a head first: name, axes, shape and how it starts."""
    rows = [("parameter", "axes", "shape", "starts as")]
    for row in card.parameters:
        shape = "×".join(str(size) for size in row.shape) or "1"
        fixed = ", never trained" if row.is_fixed and "fixed" not in row.initialiser else ""
        rows.append((row.name, row.axes, shape, row.initialiser + fixed))
    return rows


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows with their columns under each other."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def wrapped(lines: Sequence[str]) -> list[str]:
    """Lines no longer than a terminal is wide; what goes on is indented."""
    return [part for line in lines for part in wrap(line, WIDTH, subsequent_indent="  ", break_long_words=False)]


def facts(card: Card) -> dict[str, str]:
    """What the graph tells, by name."""
    state = ", ".join(f"{name} ({' '.join(axes)})" for name, axes in card.cell.state_axes.items())
    sizes = ", ".join(f"{letter}={size}" for letter, size in card.sizes.items())
    found = {
        "State": state,
        "Parameters": f"{card.num_parameters:,} ({sizes})",
        "Work": f"{card.work.total:,} floating-point operations a time step of one sequence, {card.work.products:,} of them in "
        "products",
        "Phases": _phases(card.num_phases),
        "Complexity": complexity_text(card),
        "Carrousel": carrousel_text(card),
        "Typing": typing_text(card),
        "Scan": scan_text(card),
    }
    options = [
        f"{o.keyword} ({letter}, {card.sizes[letter]} here): {o.meaning}" for letter, o in card.cell.options.items()
    ]
    return found | ({"Options": "; ".join(options)} if options else {})


def _phases(count: int) -> str:
    if count == 0:
        return "no matrix meets the state"
    return (
        "one, all products on the state at once" if count == 1 else f"{count} products on the state wait for each other"
    )


def complexity_text(card: Card) -> str:
    """The three measures in a line."""
    found = card.complexity
    depths = f"recurrent depth {found.recurrent_depth}, feedforward depth {found.feedforward_depth}"
    if found.skip_coefficient is None:
        return f"{depths}, no recurrent skip coefficient, since time is passed by carries alone"
    return f"{depths}, recurrent skip coefficient {found.skip_coefficient}"


def carrousel_text(card: Card) -> str:
    """Which state fields carry themselves."""
    fields = card.complexity.carrousel
    if not fields:
        return "none, every way through time passes a squashing function"
    return f"{', '.join(fields)}, which {'comes' if len(fields) == 1 else 'come'} back without a squashing function"


def typing_text(card: Card) -> str:
    """Whether the cell mixes types, and where."""
    found = card.mixing
    if found is None:
        return "strongly typed: no unit of the state comes back as another"
    return f"mixes the units of {found.field}, first in {card.equation(found.line)}"


def scan_text(card: Card) -> str:
    """Whether time can be run as a scan, and why not."""
    by_kind: dict[str, list[str]] = {}
    for scan in card.scans:
        if scan.kind:
            by_kind.setdefault(scan.kind, []).extend(scan.fields)
    parts = [f"{kind} in {', '.join(fields)}" for kind, fields in by_kind.items()]
    blocked = [
        f"not in {', '.join(s.fields)}, because of {card.equation(s.obstacle)}" for s in card.scans if not s.kind
    ]
    return "; ".join(parts + blocked)
