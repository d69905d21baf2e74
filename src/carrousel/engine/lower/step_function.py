"""Steps of a stream of layers as a function of Python's that is machine code: nothing is converted on the way in.

A stream's block of arguments holds numbers and addresses: first HEADER, then RECORD once for each layer.
"""

import ctypes
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from carrousel.engine.lower.emitter import Emitter, literal
from carrousel.engine.lower.jit import address_of, compile_text, llvm, vector_bytes

HEADER = ("layers", "parity", "work", "inputs", "outputs", "x even", "x odd", "y even", "y odd")
"""What a block begins with: how many layers, which half of the state is read next, the multiplications of a step, the distances
between the rows of x and of y (a time step each) in elements, and where the loops look for x and y."""

RECORD = ("loop", "even", "odd", "rows even", "rows odd", "strides", "sizes", "offsets", "batch")
"""What it holds for each layer: the arguments of its loop, in two versions that differ in the half of the state they read."""


StepFunction = Callable[[int, int, int, int], bool]
"""(block, x, y, steps), addresses but for the last: takes the steps; False, and no step, where x is not finite."""

_MANY = 1_000_000
"""Multiplications in one call from which on other Python threads may run meanwhile."""

_PYTHON = ("PyLong_AsVoidPtr", "PyBool_FromLong", "PyEval_SaveThread", "PyEval_RestoreThread")
"""What the machine code calls of Python's stable interface."""

_CALL = f"""
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyBool_FromLong(i64)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
define ptr @step(ptr %self, ptr %arguments, i64 %count) {{
entry:
  %at.x = getelementptr ptr, ptr %arguments, i64 1
  %at.y = getelementptr ptr, ptr %arguments, i64 2
  %at.steps = getelementptr ptr, ptr %arguments, i64 3
  %object.block = load ptr, ptr %arguments, align 8
  %object.x = load ptr, ptr %at.x, align 8
  %object.y = load ptr, ptr %at.y, align 8
  %object.steps = load ptr, ptr %at.steps, align 8
  %block = call ptr @PyLong_AsVoidPtr(ptr %object.block)
  %x = call ptr @PyLong_AsVoidPtr(ptr %object.x)
  %y = call ptr @PyLong_AsVoidPtr(ptr %object.y)
  %number = call ptr @PyLong_AsVoidPtr(ptr %object.steps)
  %steps = ptrtoint ptr %number to i64
  %at.work = getelementptr i64, ptr %block, i64 {HEADER.index("work")}
  %work = load i64, ptr %at.work, align 8
  %all = mul i64 %work, %steps
  %is.much = icmp sgt i64 %all, {_MANY}
  br i1 %is.much, label %much, label %little
much:
  %thread = call ptr @PyEval_SaveThread()
  %is.taken.1 = call zeroext i1 @stream(ptr %block, ptr %x, ptr %y, i64 %steps)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %leave
little:
  %is.taken.2 = call zeroext i1 @stream(ptr %block, ptr %x, ptr %y, i64 %steps)
  br label %leave
leave:
  %is.taken = phi i1 [ %is.taken.1, %much ], [ %is.taken.2, %little ]
  %long = zext i1 %is.taken to i64
  %result = call ptr @PyBool_FromLong(i64 %long)
  ret ptr %result
}}
"""


class _Definition(ctypes.Structure):
    """Python's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_FASTCALL = 0x80
_definitions: list[_Definition] = []  # Python keeps their addresses


@cache
def step_function(element: str) -> StepFunction:
    """The function for one number format; it takes whole numbers and trusts them."""
    _make_python_known()
    width = vector_bytes() // (4 if element == "float" else 8)
    code = address_of(compile_text(_text(element, width) + _CALL, "step"))
    definition = _Definition(b"step", code, _FASTCALL, None)
    _definitions.append(definition)
    new: Any = ctypes.pythonapi.PyCFunction_NewEx
    new.argtypes, new.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p], ctypes.py_object
    return new(ctypes.byref(definition), None, None)


@lru_cache(maxsize=1)
def _make_python_known() -> None:
    for name in _PYTHON:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)


def _text(element: str, width: int) -> str:
    e = Emitter(element, width)

    def header(kind: str, field: str, offset: str | int = 0) -> str:
        return e.load(kind, e.at("%block", e.i64("add", HEADER.index(field), offset), "i64"))

    numbers = e.i64("mul", header("i64", "inputs"), "%steps")
    with e.when(_is_infinite(e, numbers)):
        e.do("br label %refused")
        e.lines.append(f"{e.name('never')[1:]}:")
    with e.loop(0, "%steps") as step:
        parity = header("i64", "parity")
        for name, field in (("x", "inputs"), ("y", "outputs")):
            row = e.at(f"%{name}", e.i64("mul", header("i64", field), step))
            e.store("ptr", row, header("ptr", f"{name} even", parity))
        with e.loop(0, header("i64", "layers")) as layer:
            _call_layer(e, layer, parity)
        e.store("i64", e.i64("xor", parity, 1), e.at("%block", str(HEADER.index("parity")), "i64"))
    body = "\n".join(["entry:", *e.entry, *e.lines, "  ret i1 1", "refused:", "  ret i1 0"])
    signature = "ptr %block, ptr %x, ptr %y, i64 %steps"
    declared = "\n".join([*e.declared.values(), "!0 = !{}"])
    return f"define zeroext i1 @stream({signature}) nounwind {{\n{body}\n}}\n{declared}\n"


def _is_infinite(e: Emitter, numbers: str) -> str:
    """Whether some element of x is NaN or infinite: a number less itself is zero, for all others it is NaN."""
    total = e.local(e.vector)
    e.do(f"store {e.vector} zeroinitializer, ptr {total}, align 64")
    with e.loop(0, numbers, e.width) as place:
        values = e.masked_load(e.at("%x", place), e.lanes_below(e.i64("sub", numbers, place)))
        before = e.value(f"load {e.vector}, ptr {total}, align 64")
        after = e.binary("fadd", before, e.binary("fsub", values, values))
        e.do(f"store {e.vector} {after}, ptr {total}, align 64")
    left = e.reduce("fadd", e.value(f"load {e.vector}, ptr {total}, align 64"))
    return e.value(f"fcmp uno {e.element} {left}, {literal(0.0, e.element)}")


def _call_layer(e: Emitter, layer: str, parity: str) -> None:
    record = e.i64("add", len(HEADER), e.i64("mul", layer, len(RECORD)))

    def field(kind: str, name: str, offset: str | int = 0) -> str:
        place = e.i64("add", e.i64("add", record, RECORD.index(name)), offset)
        return e.load(kind, e.at("%block", place, "i64"))

    loop, strides, sizes, offsets = (field("ptr", name) for name in ("loop", "strides", "sizes", "offsets"))
    pointers, rows, batch = field("ptr", "even", parity), field("i64", "rows even", parity), field("i64", "batch")
    e.do(
        f"call void {loop}(ptr {pointers}, ptr {strides}, ptr {sizes}, ptr {offsets}, "
        f"i64 1, i64 0, i64 {batch}, i64 {rows}, ptr null)"
    )
