"""The checker of types at run time: an int passes for a float, as PEP 484 says and pyright holds."""

from typing import Any, Self, cast

from beartype import BeartypeConf, beartype

_CHECK: Any = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(function: Any) -> Any:
    """A function whose annotations are held at every call; `Self`, which says nothing outside of its class, is left to pyright."""
    annotations = cast(dict[str, Any], getattr(function, "__annotations__", {}))
    for name, kind in annotations.items():
        if kind is Self:
            annotations[name] = Any
    return _CHECK(function)
