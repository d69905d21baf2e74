"""The table of operations: one row an operation, with its shape rule and its meaning in torch.

Meaning is given on tensors that lead with a batch axis (of 1 for what all sequences share), so that one rule serves one
sequence and many. Axis numbers in attributes count the axes behind it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from carrousel.engine.graph import Attribute, Shape, axis_size

Settings = Mapping[str, Attribute]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Op:
    """One operation.

    Args:
        name: as printed in graphs.
        arity: number of arguments; -1 for any.
        shape: (argument shapes, settings, sizes) -> shape of the result.
        evaluate: (batch-led arguments, settings, sizes) -> batch-led result.
    """

    name: str
    arity: int
    shape: Callable[[Sequence[Shape], Settings, Sizes], Shape]
    evaluate: Callable[[Sequence[Tensor], Settings, Sizes], Tensor]


def broadcast_shape(shapes: Sequence[Shape], sizes: Sizes) -> Shape:
    """The shape that NumPy's broadcasting gives; ValueError when an axis neither agrees nor is 1."""
    rank = max(len(shape) for shape in shapes)
    padded = [("1",) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_broadcast_axis(axes, sizes) for axes in zip(*padded, strict=True))


def _broadcast_axis(axes: tuple[str, ...], sizes: Sizes) -> str:
    wide = [axis for axis in axes if axis_size(axis, sizes) != 1]
    if len({axis_size(axis, sizes) for axis in wide}) > 1:
        raise ValueError(f"axes {' and '.join(axes)} do not broadcast")
    return min(wide or axes, key=lambda axis: (axis.isdigit(), len(axis), axis))


def _aligned(arguments: Sequence[Tensor]) -> list[Tensor]:
    rank = max(argument.dim() for argument in arguments)
    return [a.reshape(a.shape[0], *(1,) * (rank - a.dim()), *a.shape[1:]) if a.dim() < rank else a for a in arguments]


def _elementwise(name: str, arity: int, function: Callable[..., Tensor]) -> Op:
    return Op(
        name,
        arity,
        lambda shapes, _settings, sizes: broadcast_shape(shapes, sizes),
        lambda arguments, _settings, _sizes: function(*_aligned(arguments)),
    )


def _softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), exact where torch's own form leaves the 1 out."""
    return torch.logaddexp(x, x.new_zeros(()))


def _turned(settings: Settings) -> bool:
    return bool(settings.get("transposed", 0))


def _matvec_shape(shapes: Sequence[Shape], settings: Settings, sizes: Sizes) -> Shape:
    matrix, vector = shapes
    if _turned(settings):
        matrix = (*matrix[:-2], *matrix[:-3:-1])
    if len(matrix) < 2 or len(vector) < 1 or axis_size(matrix[-1], sizes) != axis_size(vector[-1], sizes):
        raise ValueError(f"matrix ({' '.join(matrix)}) and vector ({' '.join(vector)}) do not multiply")
    return (*(broadcast_shape([matrix[:-2], vector[:-1]], sizes) if matrix[:-2] or vector[:-1] else ()), matrix[-2])


def _matvec(arguments: Sequence[Tensor], settings: Settings, _sizes: Sizes) -> Tensor:
    matrix, vector = arguments
    if _turned(settings):
        matrix = matrix.transpose(-2, -1)
    if matrix.shape[0] == 1 and matrix.dim() == 3:
        return torch.nn.functional.linear(vector, matrix[0])
    if (
        matrix.shape[0] == 1 and matrix.shape[1:2] == vector.shape[1:-1]
    ):  # one matrix a head: one product over the batch each
        return torch.bmm(vector.transpose(0, 1), matrix[0].transpose(1, 2)).transpose(0, 1)
    matrix, column = _aligned([matrix, vector.unsqueeze(-1)])
    return (matrix @ column).squeeze(-1)


def _products_shape(shapes: Sequence[Shape], settings: Settings, sizes: Sizes) -> Shape:
    turned = cast(tuple[int, ...], settings["transposed"])
    results = {
        _matvec_shape([matrix, vector], {"transposed": is_turned}, sizes)
        for matrix, vector, is_turned in zip(shapes[::2], shapes[1::2], turned, strict=True)
    }
    return broadcast_shape(list(results), sizes)


def _products(arguments: Sequence[Tensor], settings: Settings, sizes: Sizes) -> Tensor:
    turned = cast(tuple[int, ...], settings["transposed"])
    terms = [
        _matvec([matrix, vector], {"transposed": is_turned}, sizes)
        for matrix, vector, is_turned in zip(arguments[::2], arguments[1::2], turned, strict=True)
    ]
    return sum(terms[1:], terms[0])


def _axis(settings: Settings) -> int:
    return cast(int, settings["axis"])


def _reduced(shapes: Sequence[Shape], settings: Settings, _sizes: Sizes) -> Shape:
    axis = _axis(settings)
    return (*shapes[0][:axis], "1", *shapes[0][axis + 1 :])


def _reduction(name: str, function: Callable[[Tensor, int], Tensor]) -> Op:
    return Op(name, 1, _reduced, lambda arguments, settings, _sizes: function(arguments[0], _axis(settings) + 1))


def _target(settings: Settings, sizes: Sizes) -> list[int]:
    return [axis_size(axis, sizes) for axis in cast(Shape, settings["shape"])]


def _reshaped(shapes: Sequence[Shape], settings: Settings, sizes: Sizes) -> Shape:
    target = cast(Shape, settings["shape"])
    if axis_size("*".join(("1", *shapes[0])), sizes) != axis_size("*".join(("1", *target)), sizes):
        raise ValueError(f"({' '.join(shapes[0])}) cannot be read as ({' '.join(target)})")
    return target


def _permuted(shapes: Sequence[Shape], settings: Settings, _sizes: Sizes) -> Shape:
    return tuple(shapes[0][axis] for axis in cast(tuple[int, ...], settings["order"]))


def _sliced(shapes: Sequence[Shape], settings: Settings, _sizes: Sizes) -> Shape:
    axis, start, stop = (cast(int, settings[key]) for key in ("axis", "start", "stop"))
    return (*shapes[0][:axis], str(stop - start), *shapes[0][axis + 1 :])


def _slice(arguments: Sequence[Tensor], settings: Settings, _sizes: Sizes) -> Tensor:
    axis, start, stop = (cast(int, settings[key]) for key in ("axis", "start", "stop"))
    return arguments[0].narrow(axis + 1, start, stop - start)


def _padded(shapes: Sequence[Shape], settings: Settings, sizes: Sizes) -> Shape:
    axis, before, after = (cast(int, settings[key]) for key in ("axis", "before", "after"))
    size = before + axis_size(shapes[0][axis], sizes) + after
    return (*shapes[0][:axis], str(size), *shapes[0][axis + 1 :])


def _pad(arguments: Sequence[Tensor], settings: Settings, _sizes: Sizes) -> Tensor:
    axis, before, after = (cast(int, settings[key]) for key in ("axis", "before", "after"))
    (argument,) = arguments
    edges = [0, 0] * (argument.dim() - axis - 2) + [before, after]
    return torch.nn.functional.pad(argument, edges)


def _concatenated(shapes: Sequence[Shape], settings: Settings, sizes: Sizes) -> Shape:
    axis = _axis(settings)
    total = sum(axis_size(shape[axis], sizes) for shape in shapes)
    return (*shapes[0][:axis], str(total), *shapes[0][axis + 1 :])


def _concatenate(arguments: Sequence[Tensor], settings: Settings, _sizes: Sizes) -> Tensor:
    batches = {argument.shape[0] for argument in arguments}
    batch = 0 if 0 in batches else max(batches)
    return torch.cat([a.expand(batch, *a.shape[1:]) for a in arguments], dim=_axis(settings) + 1)


def _broadcast(arguments: Sequence[Tensor], settings: Settings, sizes: Sizes) -> Tensor:
    target = _target(settings, sizes)
    (argument,) = arguments
    filled = argument.reshape(argument.shape[0], *(1,) * (len(target) + 1 - argument.dim()), *argument.shape[1:])
    return filled.expand(argument.shape[0], *target)


OPS: Mapping[str, Op] = {
    op.name: op
    for op in (
        Op("matvec", 2, _matvec_shape, _matvec),
        Op("products", -1, _products_shape, _products),
        _elementwise("add", 2, torch.add),
        _elementwise("sub", 2, torch.sub),
        _elementwise("mul", 2, torch.mul),
        _elementwise("div", 2, torch.div),
        _elementwise("pow", 2, torch.pow),
        _elementwise("maximum", 2, torch.maximum),
        _elementwise("minimum", 2, torch.minimum),
        _elementwise("neg", 1, torch.neg),
        _elementwise("abs", 1, torch.abs),
        _elementwise("sign", 1, torch.sign),
        _elementwise("exp", 1, torch.exp),
        _elementwise("log", 1, torch.log),
        _elementwise("sqrt", 1, torch.sqrt),
        _elementwise("sin", 1, torch.sin),
        _elementwise("cos", 1, torch.cos),
        _elementwise("tanh", 1, torch.tanh),
        _elementwise("sigmoid", 1, torch.sigmoid),
        _elementwise("relu", 1, torch.relu),
        _elementwise("softplus", 1, _softplus),
        _elementwise("less", 2, torch.lt),
        _elementwise("less_equal", 2, torch.le),
        _elementwise("equal", 2, torch.eq),
        _elementwise("not", 1, torch.logical_not),
        _elementwise("and", 2, torch.logical_and),
        _elementwise("or", 2, torch.logical_or),
        _elementwise("where", 3, torch.where),
        _elementwise("stop_gradient", 1, torch.Tensor.detach),
        _reduction("sum", lambda x, axis: x.sum(axis, keepdim=True)),
        _reduction("max", lambda x, axis: x.amax(axis, keepdim=True)),
        Op("reshape", 1, _reshaped, lambda a, settings, sizes: a[0].reshape(a[0].shape[0], *_target(settings, sizes))),
        Op("copy", 1, lambda shapes, _s, _z: shapes[0], lambda a, _s, _z: a[0].clone()),
        Op("broadcast", 1, lambda _s, settings, _z: cast(Shape, settings["shape"]), _broadcast),
        Op(
            "permute",
            1,
            _permuted,
            lambda a, settings, _z: a[0].permute(0, *(i + 1 for i in cast(tuple[int, ...], settings["order"]))),
        ),
        Op("slice", 1, _sliced, _slice),
        Op("pad", 1, _padded, _pad),
        Op("concatenate", -1, _concatenated, _concatenate),
    )
}
"""Name -> operation.

`products` is the sum of matrix-vector products that passes make: matrix, vector, matrix, vector, ..., with a 1 in `transposed` for
each matrix that is used turned over. `matvec` turns its matrix over where its setting `transposed` is 1. `pad` puts zeros before
and after along one axis: the derivative of `slice`. `constant` is not here: it has no arguments, and its value is its only setting.
"""
