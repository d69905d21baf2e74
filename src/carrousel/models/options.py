"""Options of `predict` and `evaluate` as the command line gives them: of known names, and of the right type."""

from collections.abc import Mapping, Sequence
from typing import Any

from carrousel.errors import ConfigError, nearest

NUMBER, WHOLE, TEXT, SWITCH = "a number", "a whole number", "a text", "true or false"
"""What a value can be."""
_TYPES: Mapping[str, tuple[type, ...]] = {NUMBER: (int, float), WHOLE: (int,), TEXT: (str,), SWITCH: (bool,)}


def check_options(
    options: Mapping[str, Any], known: Mapping[str, str], where: str, further: Sequence[str] = ()
) -> None:
    """Refuse what is not known, and values of another type.

    Args:
        options: name -> value.
        known: name -> what its value is.
        where: what to name in front of an error.
        further: names of options that are known, too, but checked elsewhere.

    Raises:
        ConfigError: an unknown option, or a value of another type.

    >>> check_options({"beam": 5}, {"beam": WHOLE}, "predict")
    """
    for name, value in options.items():
        if name not in known:
            names = [*further, *known]
            expected = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
            raise ConfigError(
                f"{where}: unknown option {name!r}, expected {expected}.{nearest(name, names)} Leave it out."
            )
        if not isinstance(value, _TYPES[known[name]]) or (isinstance(value, bool) and known[name] != SWITCH):
            raise ConfigError(f"{where}: {name} is {value}, expected {known[name]}. Mend it.")
