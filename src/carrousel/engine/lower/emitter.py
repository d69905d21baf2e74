"""LLVM's text form, written line by line: values, loops, vectors."""

from collections.abc import Generator
from contextlib import contextmanager

import torch

ELEMENTS = {torch.float32: "float", torch.float64: "double"}
"""Number formats that loops are made for -> LLVM's names of them."""

_ARGUMENTS = (
    "ptr %pointers, ptr %strides, ptr %sizes, ptr %offsets, i64 %steps, i64 %first, i64 %last, i64 %rows, ptr %resets"
)
"""What every function that `team` calls in shares takes."""


class Emitter:
    """One function under construction.

    Args:
        element: "float" or "double".
        width: elements of a vector register.
    """

    def __init__(self, element: str, width: int) -> None:
        self.element, self.width = element, width
        self.bits = 32 if element == "float" else 64
        self.vector = f"<{width} x {element}>"
        self.ints = f"<{width} x i{self.bits}>"
        self.mask = f"<{width} x i1>"
        self.bytes = self.bits // 8
        self.lines: list[str] = []
        self.entry: list[str] = []
        self.declared: dict[str, str] = {}
        self._count = 0

    def function(self, symbol: str, further: tuple[str, ...] = ()) -> str:
        """The module with all that was written as one function; further arguments are "part" and "parts", or pointers."""
        body = "\n".join(["entry:", *self.entry, *self.lines, "  ret void"])
        rest = "\n".join([*self.declared.values(), "!0 = !{}"])
        arguments = ", ".join(
            [_ARGUMENTS, *(f"{'i64' if name.startswith('part') else 'ptr'} %{name}" for name in further)]
        )
        return f"define void @{symbol}({arguments}) nounwind {{\n{body}\n}}\n{rest}\n"

    def name(self, hint: str = "v") -> str:
        self._count += 1
        return f"%{hint}{self._count}"

    def value(self, text: str, hint: str = "v") -> str:
        """Append `name = text` and give the name."""
        name = self.name(hint)
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def local(self, kind: str, count: str = "1") -> str:
        """A place on the stack."""
        name = self.name("local")
        self.entry.append(f"  {name} = alloca {kind}, i64 {count}, align 64")
        return name

    def load(self, kind: str, pointer: str) -> str:
        return self.value(f"load {kind}, ptr {pointer}, align {8 if kind in ('i64', 'ptr') else self.bytes}")

    def argument(self, kind: str, array: str, index: str) -> str:
        """An element of an array of arguments, which no store changes."""
        return self.value(f"load {kind}, ptr {self.at(array, index, kind)}, align 8, !invariant.load !0")

    def store(self, kind: str, value: str, pointer: str) -> None:
        self.do(f"store {kind} {value}, ptr {pointer}, align {8 if kind in ('i64', 'ptr') else self.bytes}")

    def load_whole(self, place: str) -> str:
        """A vector from a place of its own."""
        return self.value(f"load {self.vector}, ptr {place}, align 64")

    def store_whole(self, vector: str, place: str) -> None:
        """A vector to a place of its own."""
        self.do(f"store {self.vector} {vector}, ptr {place}, align 64")

    def prefetch(self, pointer: str) -> None:
        """Ask for the line at an address, which need not be anybody's."""
        self.declared["llvm.prefetch.p0"] = "declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"
        self.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 3, i32 1)")

    def at(self, pointer: str, index: str, kind: str | None = None) -> str:
        """The address of an element of an array."""
        return self.value(f"getelementptr {kind or self.element}, ptr {pointer}, i64 {index}", "p")

    def i64(self, operation: str, a: str | int, b: str | int) -> str:
        return self.value(f"{operation} i64 {a}, {b}", "i")

    def minimum(self, a: str | int, b: str | int) -> str:
        is_less = self.value(f"icmp slt i64 {a}, {b}")
        return self.value(f"select i1 {is_less}, i64 {a}, i64 {b}", "i")

    @contextmanager
    def loop(self, start: str | int, stop: str | int, step: str | int = 1) -> Generator[str]:
        """A counted loop; gives the counter."""
        counter = self.local("i64")
        head, body, leave = (self.name(hint) for hint in ("head", "body", "leave"))
        self.store("i64", str(start), counter)
        self.do(f"br label {head}")
        self.lines.append(f"{head[1:]}:")
        index = self.load("i64", counter)
        self.do(f"br i1 {self.value(f'icmp slt i64 {index}, {stop}')}, label {body}, label {leave}")
        self.lines.append(f"{body[1:]}:")
        yield index
        self.store("i64", self.i64("add nuw nsw", index, step), counter)
        self.do(f"br label {head}")
        self.lines.append(f"{leave[1:]}:")

    @contextmanager
    def when(self, condition: str) -> Generator[None]:
        """Run the body only where the i1 is true."""
        body, leave = self.name("then"), self.name("join")
        self.do(f"br i1 {condition}, label {body}, label {leave}")
        self.lines.append(f"{body[1:]}:")
        yield
        self.do(f"br label {leave}")
        self.lines.append(f"{leave[1:]}:")

    def intrinsic(self, name: str, result: str, arguments: list[tuple[str, str]]) -> str:
        """Call an LLVM intrinsic, declaring it on first use."""
        self.declared[name] = f"declare {result} @{name}({', '.join(kind for kind, _ in arguments)})"
        text = ", ".join(f"{kind} {value}" for kind, value in arguments)
        if result == "void":
            self.do(f"call void @{name}({text})")
            return ""
        return self.value(f"call {result} @{name}({text})")

    @property
    def suffix(self) -> str:
        return f"v{self.width}f{self.bits}"

    def number(self, value: float) -> str:
        """A vector with every element the constant."""
        return f"splat ({self.element} {literal(value, self.element)})"

    def splat(self, scalar: str) -> str:
        """A vector with every element the scalar."""
        first = self.value(f"insertelement {self.vector} poison, {self.element} {scalar}, i64 0")
        return self.value(
            f"shufflevector {self.vector} {first}, {self.vector} poison, <{self.width} x i32> zeroinitializer"
        )

    def splat_truth(self, condition: str) -> str:
        """A mask with every lane the condition."""
        first = self.value(f"insertelement {self.mask} poison, i1 {condition}, i64 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        return self.value(f"shufflevector {self.mask} {first}, {self.mask} poison, {zeros}")

    def binary(self, operation: str, a: str, b: str) -> str:
        return self.value(f"{operation} {self.vector} {a}, {b}")

    def fma(self, a: str, b: str, c: str) -> str:
        return self.intrinsic(f"llvm.fma.{self.suffix}", self.vector, [(self.vector, x) for x in (a, b, c)])

    def compare(self, condition: str, a: str, b: str) -> str:
        return self.value(f"fcmp {condition} {self.vector} {a}, {b}")

    def select(self, condition: str, a: str, b: str) -> str:
        return self.value(f"select {self.mask} {condition}, {self.vector} {a}, {self.vector} {b}")

    def lanes_below(self, remaining: str) -> str:
        """Which elements of a vector lie before the end, `remaining` elements away."""
        ids = ", ".join(f"i32 {k}" for k in range(self.width))
        kind = f"<{self.width} x i32>"
        limit = self.value(f"trunc i64 {self.minimum(remaining, self.width)} to i32")
        first = self.value(f"insertelement {kind} poison, i32 {limit}, i64 0")
        last = self.value(f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer")
        return self.value(f"icmp slt {kind} <{ids}>, {last}")

    def masked_load(self, pointer: str, mask: str) -> str:
        arguments = [("ptr", pointer), ("i32", str(self.bytes)), (self.mask, mask), (self.vector, "zeroinitializer")]
        return self.intrinsic(f"llvm.masked.load.{self.suffix}.p0", self.vector, arguments)

    def gather(self, pointer: str, step: str, mask: str) -> str:
        """Elements that lie `step` apart."""
        arguments = [(f"<{self.width} x ptr>", self._apart(pointer, step)), ("i32", str(self.bytes)), (self.mask, mask)]
        name = f"llvm.masked.gather.{self.suffix}.v{self.width}p0"
        return self.intrinsic(name, self.vector, [*arguments, (self.vector, "zeroinitializer")])

    def scatter(self, value: str, pointer: str, step: str, mask: str) -> None:
        """Store elements `step` apart."""
        arguments = [(f"<{self.width} x ptr>", self._apart(pointer, step)), ("i32", str(self.bytes)), (self.mask, mask)]
        name = f"llvm.masked.scatter.{self.suffix}.v{self.width}p0"
        self.intrinsic(name, "void", [(self.vector, value), *arguments])

    def _apart(self, pointer: str, step: str) -> str:
        """A vector of addresses."""
        kind = f"<{self.width} x i64>"
        ids = ", ".join(f"i64 {k}" for k in range(self.width))
        first = self.value(f"insertelement {kind} poison, i64 {step}, i64 0")
        steps = self.value(f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer")
        distances = self.value(f"mul {kind} {steps}, <{ids}>")
        return self.value(f"getelementptr {self.element}, ptr {pointer}, {kind} {distances}", "p")

    def reduce(self, operation: str, vector: str) -> str:
        """All elements of a vector as one number; "fadd" adds them pairwise, "fmaximum" hands NaN on."""
        if operation == "fadd":
            name = f"llvm.vector.reduce.fadd.{self.suffix}"
            self.declared[name] = f"declare {self.element} @{name}({self.element}, {self.vector})"
            zero = literal(0.0, self.element)
            return self.value(f"call reassoc {self.element} @{name}({self.element} {zero}, {self.vector} {vector})")
        return self.intrinsic(f"llvm.vector.reduce.{operation}.{self.suffix}", self.element, [(self.vector, vector)])

    def masked_store(self, value: str, pointer: str, mask: str) -> None:
        arguments = [(self.vector, value), ("ptr", pointer), ("i32", str(self.bytes)), (self.mask, mask)]
        self.intrinsic(f"llvm.masked.store.{self.suffix}.p0", "void", arguments)


def literal(value: float, element: str) -> str:
    """A constant as LLVM writes it: the bits of a double, rounded to the element's precision first."""
    from struct import pack, unpack

    exact = value if element == "double" else unpack("<f", pack("<f", value))[0]
    return f"0x{unpack('<Q', pack('<d', exact))[0]:016X}"
