"""A step as the glyphs of a drawing: layers with weights, gates, sums, squashing functions, and what flows between them."""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import cast

from carrousel.analysis.lines import is_named
from carrousel.drawing.affine import PASSED, Terms
from carrousel.drawing.regions import condensed
from carrousel.engine.graph import TRUTH, Graph, Node
from carrousel.engine.passes.simplify import simplify

STATE, INPUT, LAYER, FUNCTION, OPERATION, JOIN = "state", "input", "layer", "function", "operation", "join"

SQUASHING = {
    "sigmoid": "σ", "tanh": "tanh", "relu": "relu", "softplus": "softplus", "exp": "exp", "log": "log", "sin": "sin",
    "cos": "cos", "log_sigmoid": "log σ",
}  # fmt: skip
FUNCTIONS = SQUASHING | {
    "sqrt": "√", "abs": "|·|", "sign": "sign", "neg": "−", "sum": "Σ", "max": "max", "norm": "norm",
    "softmax": "softmax", "permute": "ᵀ", "not": "¬",
}  # fmt: skip
OPERATIONS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "maximum": "max", "minimum": "min", "pow": "^", "matvec": "·",
    "where": "if", "concatenate": "‖", "less": "<", "less_equal": "≤", "equal": "=", "and": "∧", "or": "∨",
}  # fmt: skip


@dataclass(frozen=True)
class Glyph:
    """One thing to draw.

    Args:
        key: the node of the graph that it stands for; unique.
        kind: STATE and INPUT enter the step; a LAYER has weights; a FUNCTION has one argument and no weights; an OPERATION has
            several arguments; a JOIN puts vectors side by side for the layers that read them all.
        symbol: what is written in it: a function, a sign, or the first matrix of a layer that squashes nothing.
        label: the named value that it makes, or nothing.
        inputs: keys of what it reads.
        weights: names of the parameters in it.
        by_matrix: those of the inputs that a matrix multiplies.
    """

    key: str
    kind: str
    symbol: str
    label: str
    inputs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    by_matrix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """A step, ready to be laid out.

    Args:
        name: of the cell.
        glyphs: each after what it reads.
        exits: (label, key of the source): what leaves to the right, one a state field.
        output: (label, key of the source): what leaves at the top.
        carriers: (key of the state that enters, key of the source of what leaves): the lines that carry the state.
    """

    name: str
    glyphs: tuple[Glyph, ...]
    exits: tuple[tuple[str, str], ...]
    output: tuple[str, str]
    carriers: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, key: str) -> Glyph:
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> dict[str, Glyph]:
        return {glyph.key: glyph for glyph in self.glyphs}

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """Source -> the glyphs that read it, in order."""
        found: dict[str, list[str]] = {glyph.key: [] for glyph in self.glyphs}
        for glyph in self.glyphs:
            for source in dict.fromkeys(glyph.inputs):
                found[source].append(glyph.key)
        return found


def diagram(graph: Graph, carrousel: tuple[str, ...] = ()) -> Diagram:
    """The glyphs of a traced step.

    Args:
        graph: of one step.
        carrousel: state fields whose way through the step is shown as the carrousel.
    """
    builder = _Builder(condensed(simplify(graph)))
    exits: list[tuple[str, str]] = []
    output = ("y_t", "")
    for role, name in builder.graph.outputs:
        key = builder.source(name)
        if role == "output":
            output = (name if is_named(name) else "y_t", key)
        else:
            exits.append((f"{role.removeprefix('state.')}_t", key))
    drawn = tuple(builder.glyphs.values())
    found = Diagram(graph.name, drawn, tuple(exits), output)
    leaves = [glyph.key for glyph in drawn if glyph.kind == STATE]
    names = {label.removesuffix("_t"): key for label, key in exits}
    lines = [(leaf, names[leaf.removesuffix("_tm1")]) for leaf in leaves if leaf.removesuffix("_tm1") in carrousel]
    return _joined(replace(found, carriers=tuple(lines)))


@dataclass(eq=False)
class _Builder:
    graph: Graph
    glyphs: dict[str, Glyph] = field(default_factory=dict[str, Glyph])
    sources: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.terms = Terms(self.graph)
        for leaf in self.graph.nodes:
            if leaf.op in ("x", "state"):
                kind = INPUT if leaf.op == "x" else STATE
                self._add(Glyph(leaf.name, kind, "", leaf.name))

    def source(self, name: str) -> str:
        """The key of the glyph that makes a value; it is made when first asked for."""
        if name not in self.sources:
            self.sources[name] = self._build(self.graph[name])
        return self.sources[name]

    def _build(self, node: Node) -> str:
        if node.op in ("x", "state"):
            return node.name
        live = [arg for arg in node.args if arg in self.terms.moving]
        if not live:
            return self._add(Glyph(node.name, FUNCTION, "1" if node.op == "constant" else node.op, node.name))
        if node.op in PASSED:
            return self._passed(node, live[0])
        if node.op == "slice":
            start, stop = cast(int, node.settings["start"]), cast(int, node.settings["stop"])
            return self._glyph(node, FUNCTION, f"[{start}]" if stop - start == 1 else f"[{start}:{stop}]", live)
        if node.op in FUNCTIONS and len(live) == 1:
            return self._function(node, live[0])
        return self._layer(node, node.name, "", is_strict=True) or self._linear(node, live)

    def _passed(self, node: Node, argument: str) -> str:
        key = self.source(argument)
        glyph = self.glyphs[key]
        if is_named(node.name) and not glyph.label:
            self.glyphs[key] = replace(glyph, label=node.name)
        return key

    def _function(self, node: Node, argument: str) -> str:
        if self.terms.is_inner(argument):
            is_sign = node.op == "neg"
            is_layer = is_sign or node.op in SQUASHING
            layer = self._layer(node, argument, SQUASHING.get(node.op, ""), is_strict=is_sign) if is_layer else ""
            if layer:
                return layer
        return self._after(node, argument, "−{}" if node.op == "neg" else "", FUNCTIONS[node.op])

    def _layer(self, node: Node, affine: str, symbol: str, *, is_strict: bool) -> str:
        """An affine map and what squashes it, as one glyph; nothing where the value is not affine in vectors."""
        found = self.terms.affine(affine, is_strict=is_strict)
        if found is None:
            return ""
        vectors, weights, by_matrix = found
        keys = tuple(dict.fromkeys(self.source(vector) for vector in vectors))
        read = tuple(dict.fromkeys(self.source(vector) for vector in by_matrix))
        label = node.name if is_named(node.name) else ""
        return self._add(Glyph(node.name, LAYER, symbol or self.terms.matrix(weights), label, keys, weights, read))

    def _after(self, node: Node, argument: str, pattern: str, symbol: str) -> str:
        """A function of one value; where that is itself a squashing function nothing else reads, both in one glyph."""
        key = self.source(argument)
        inner = self.glyphs[key]
        is_squashing = inner.kind in (LAYER, FUNCTION) and any(s in inner.symbol for s in SQUASHING.values())
        if pattern and is_squashing and self.terms.is_inner(argument) and not inner.label:
            del self.glyphs[key]
            label = node.name if is_named(node.name) else ""
            return self._add(replace(inner, key=node.name, label=label, symbol=pattern.format(inner.symbol)))
        return self._glyph(node, FUNCTION, symbol, [argument])

    def _linear(self, node: Node, live: list[str]) -> str:
        """Sums, products and what is left."""
        if len(live) == 1 and node.op in (
            "add",
            "sub",
            "mul",
            "div",
            "maximum",
            "minimum",
            "less",
            "less_equal",
            "pow",
        ):
            return self._with_number(node, live[0])
        if node.op == "add":
            return self._sum(node)
        if node.op == "mul":
            return self._glyph_of(node, OPERATION, "×", tuple(self._factors(node.name)))
        return self._glyph(node, OPERATION, OPERATIONS.get(node.op, node.op), live)

    def _with_number(self, node: Node, value: str) -> str:
        """An operation with one value of the step and one number or parameter."""
        is_first = node.args[0] == value
        other = node.args[1] if is_first else node.args[0]
        if (
            node.op == "add"
            and not self.terms.number(other)
            and self.terms.is_inner(value)
            and self.graph[value].op == "add"
        ):
            return self._sum(node)
        number = self.terms.number(other) or self._of_parameters(other)
        patterns = (
            {"add": "{}+n", "sub": "{}−n", "mul": "n{}", "div": "{}/n"} if is_first else {"add": "n+{}", "mul": "n{}"}
        )
        pattern = patterns.get(node.op, "").replace("n", number) if self.terms.number(other) else ""
        sign = OPERATIONS[node.op] + (" " if OPERATIONS[node.op].isalpha() else "")
        symbol = f"{sign}{number}" if is_first or node.op in ("add", "mul") else f"{number}{sign}"
        return self._after(node, value, pattern, symbol)

    def _of_parameters(self, name: str) -> str:
        """A value made from parameters alone, as text: the parameter, or a function of it."""
        node = self.graph[name]
        while node.op in PASSED:
            node = self.graph[node.args[0]]
        if node.op in SQUASHING:
            return f"{SQUASHING[node.op]}({self._of_parameters(node.args[0])})"
        return (self.terms.parameters(node.name) or ["p"])[0]

    def _sum(self, node: Node) -> str:
        """A sum of several values: layers without a squashing function give one of its terms."""
        inputs: list[str] = []
        weighted: list[str] = []
        for term in self.terms.summands(node.name):
            if term not in self.terms.moving:
                continue
            if self.terms.is_weighted(term):
                weighted.append(term)
            else:
                inputs.append(self.source(term))
        if weighted:
            vectors = tuple(dict.fromkeys(self.source(self.terms.vector(term)) for term in weighted))
            weights = tuple(weight for term in weighted for weight in self.terms.weights(term))
            key = f"{node.name}*"
            self._add(Glyph(key, LAYER, self.terms.matrix(weights), "", vectors, weights, vectors))
            inputs.append(key)
        return self._glyph_of(node, OPERATION, "+", tuple(inputs))

    def _factors(self, name: str) -> list[str]:
        node = self.graph[name]
        found: list[str] = []
        for arg in node.args:
            bare = self.terms.bare(arg)
            if (
                self.terms.is_inner(bare)
                and self.graph[bare].op == "mul"
                and all(a in self.terms.moving for a in self.graph[bare].args)
            ):
                found += self._factors(bare)
            else:
                found.append(self.source(arg))
        return found

    def _glyph(self, node: Node, kind: str, symbol: str, inputs: list[str]) -> str:
        return self._glyph_of(node, kind, symbol, tuple(self.source(name) for name in inputs))

    def _glyph_of(
        self, node: Node, kind: str, symbol: str, keys: tuple[str, ...], weights: list[str] | tuple[str, ...] = ()
    ) -> str:
        label = node.name if is_named(node.name) and node.op not in TRUTH else ""
        return self._add(Glyph(node.name, kind, symbol, label, keys, tuple(weights)))

    def _add(self, glyph: Glyph) -> str:
        self.glyphs[glyph.key] = glyph
        return glyph.key


def _joined(found: Diagram) -> Diagram:
    """The diagram with a JOIN for each set of vectors whose matrices two or more layers read together."""
    while True:
        sets = Counter(frozenset(glyph.by_matrix) for glyph in found.glyphs if glyph.kind == LAYER)
        readers = {keys: sum(count for other, count in sets.items() if keys <= other) for keys in sets}
        shared = {keys: readers[keys] for keys in sets if _is_joinable(found, keys, readers[keys])}
        if not shared:
            return found
        best = max(shared, key=lambda keys: (shared[keys] * (len(keys) - 1), len(keys), sorted(keys)))
        found = _with_join(found, best)


def _is_joinable(found: Diagram, keys: frozenset[str], num_readers: int) -> bool:
    """Whether a JOIN helps: several vectors, read by several layers or all from outside, or one that the step makes."""
    are_outside = all(found[key].kind in (STATE, INPUT) for key in keys)
    return (len(keys) > 1 and (num_readers > 1 or are_outside)) or (
        len(keys) == 1 and num_readers > 1 and not are_outside and all(found[key].kind != JOIN for key in keys)
    )


def _with_join(found: Diagram, members: frozenset[str]) -> Diagram:
    ordered = tuple(glyph.key for glyph in found.glyphs if glyph.key in members)
    join = Glyph("+".join(ordered) + "→", JOIN, "", "", ordered)
    glyphs: list[Glyph] = []
    for glyph in found.glyphs:
        if glyph.kind == LAYER and members <= set(glyph.by_matrix):
            if join not in glyphs:
                glyphs.append(join)
            inputs = tuple(key for key in glyph.inputs if key not in members)
            by_matrix = tuple(key for key in glyph.by_matrix if key not in members)
            glyph = replace(glyph, inputs=(join.key, *inputs), by_matrix=(join.key, *by_matrix))
        glyphs.append(glyph)
    return replace(found, glyphs=tuple(glyphs))
