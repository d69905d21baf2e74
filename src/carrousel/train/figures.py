"""Names of figures as people read them."""

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
