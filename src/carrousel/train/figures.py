"""Names of figures as people read them, and tables of them as plain text."""

from collections.abc import Mapping
from math import isnan

THIS_MODEL = "this model"
"""What the model that was trained is called beside those without a network."""
_SHORT = {"character": "char", "perplexity": "ppl"}


def label(name: str) -> str:
    """A figure's name in a table.

    >>> label("bits_per_character"), label("macro_f1")
    ('bits/char', 'macro f1')
    """
    text = name.replace("_per_", "/").replace("_", " ")
    for long, short in _SHORT.items():
        text = text.replace(long, short)
    return text


def shown(value: float) -> str:
    """A figure with three places after the point, or four digits where it is large or tiny.

    >>> shown(0.97342), shown(2.279), shown(1234.5), shown(0.00012), shown(-1.70623e42)
    ('0.973', '2.279', '1,234', '0.00012', '-1.706e+42')
    """
    if value and not 1e-3 <= abs(value) < 1e3:
        return f"{value:,.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"
    return f"{value:.3f}"


def figures_table(parts: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """For each part a row a model and a column a figure, its name in the corner; the columns of all parts stand in line.

    >>> print(figures_table({"all": {"model": {"mase": 0.5, "mae": 1234.0}, "drift": {"mase": 1.25}}}))
    all     mase    mae
    model  0.500  1,234
    drift   1.25
    """
    names = list(dict.fromkeys(name for found in parts.values() for values in found.values() for name in values))
    blocks = [
        [[part, *map(label, names)]]
        + [[model, *(_three_digits(values.get(name)) for name in names)] for model, values in found.items()]
        for part, found in parts.items()
    ]
    widths = [max(len(row[k]) for block in blocks for row in block) for k in range(len(names) + 1)]

    def line(row: list[str]) -> str:
        return "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()

    return "\n\n".join("\n".join(map(line, block)) for block in blocks)


def _three_digits(value: float | None) -> str:
    if value is None or isnan(value):
        return ""
    return f"{value:#.3g}".rstrip(".") if abs(value) < 1000 else f"{value:,.0f}"
