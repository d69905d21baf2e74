"""A checkpoint: one safetensors file, written whole or not at all, and no pickle.

Tensors are stored as safetensors stores them; everything around them (dicts, lists, numbers, strings) is JSON in the file's
metadata, in which `{"tensor": name}` marks where a tensor belongs and `{"dict": [[key, value], ...]}` keeps keys that are not
strings. Floats come back bit for bit.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from carrousel.errors import DataError
from carrousel.files import write_atomically

KEY = "carrousel.checkpoint"


def save(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts, lists and tuples of tensors, numbers, strings and None; tuples come back as tuples.

    Raises:
        DataError: the disk is full or the folder cannot be written; the checkpoint before this one is still there.
    """
    tensors: dict[str, Tensor] = {}
    tree = _encode(state, "", tensors)
    write_atomically(path, safetensors.torch.save(tensors, {KEY: json.dumps(tree)}))


def load(path: Path, where: str = "checkpoint") -> dict[str, Any]:
    """What `save` wrote.

    Raises:
        DataError: the file is missing, damaged, or no checkpoint.
    """
    try:
        with cast(Any, safetensors.safe_open(path, framework="pt")) as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tree = json.loads(metadata[KEY])
            return _decode(tree, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{where}: {path} is no checkpoint ({error}), expected one that `carrousel train` wrote. Start a new run."
        ) from None


def _encode(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        assert name not in tensors, name
        tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, Mapping):
        items = cast(Mapping[Any, Any], value).items()
        return {"dict": [[key, _encode(part, f"{name}/{key}".strip("/"), tensors)] for key, part in items]}
    if isinstance(value, (list, tuple)):
        parts = [_encode(part, f"{name}/{i}", tensors) for i, part in enumerate(cast(list[Any], value))]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    return value


def _decode(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    match tree:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": items}:
            return {key: _decode(part, tensors) for key, part in items}
        case {"tuple": parts}:
            return tuple(_decode(part, tensors) for part in parts)
        case list():
            return [_decode(part, tensors) for part in cast(list[Any], tree)]
        case _:
            return tree
