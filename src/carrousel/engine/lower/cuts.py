"""How the units of a step are dealt out to several threads, and where these must wait for each other.

A phase that makes many elements is cut: each part makes a run of neighbouring ones. What a part reads of the elements that it made
itself is there already; before a phase that reads others' there is a barrier. Phases that only move or reduce a few elements are
done by every part, each for itself: the same numbers into the same memory.
"""

from collections.abc import Sequence

from carrousel.engine.graph import Graph, Shape
from carrousel.engine.lower.loop import Cut, Cuts
from carrousel.engine.lower.memory_map import MemoryMap
from carrousel.engine.lower.moves import runs_of
from carrousel.engine.lower.tiles import fused_axes
from carrousel.engine.passes.split_phases import REDUCTIONS, Phase, elements
from carrousel.engine.views import SHOWS, is_whole, view


def cut_units(memory: MemoryMap) -> Cuts | None:
    """The cuts and barriers of a loop; None where the parts of one state would be written in several ways."""
    phases = tuple(_cut(memory, phase) for phase in memory.phases)
    carries: dict[str, Cut] = {}
    handed_on: dict[str, str] = {}  # a state that becomes another as it is
    for buffer in [b for b in memory.buffers if b.kind == "carry"]:
        cuts = [phases[number] for number in _writers(memory, buffer.name)]
        first = cuts[0] if cuts else _along(memory.graph, buffer.axes)
        if first is None or any(not first.deals_as(other) for other in cuts):
            return None
        carries[buffer.name] = first
        source = view(memory.graph, memory.traffic.carry_writes[buffer.name]).source
        if not cuts and source in memory.traffic.carries:
            handed_on[buffer.name] = memory.traffic.carries[source]
    if any(not carries[before].deals_as(carries[after]) for after, before in handed_on.items()):
        return None
    return Cuts(phases, carries, *_barriers(memory, phases, carries))


def _along(graph: Graph, axes: Shape) -> Cut:
    size = elements(graph, axes)
    return Cut(axes, size, size, True)


def _cut(memory: MemoryMap, phase: Phase) -> Cut | None:
    graph = memory.graph
    if not phase.is_tiled:
        return _cut_of_move(memory, phase)
    if elements(graph, phase.axes) == 1 and not any(
        kind == "carry" for node in phase.nodes for kind, _, _ in memory.targets(node.name)
    ):
        return None
    loops = phase.loops if phase.has_products else fused_axes(graph, memory, phase) if phase.loops else ()
    if len(loops) > 1 and elements(graph, loops[:1]) > 1:
        return Cut(loops[:1], elements(graph, loops[:1]), elements(graph, phase.axes), False)
    return _along(graph, phase.axes)


def _cut_of_move(memory: MemoryMap, phase: Phase) -> Cut | None:
    """Along the outermost axis, where that stays what it is."""
    (node,), graph = phase.nodes, memory.graph
    if node.op not in REDUCTIONS and node.op not in SHOWS and node.op != "copy":
        return None
    runs = runs_of(graph, graph[node.args[0]].shape)
    size = elements(graph, (runs[0].size,))
    total = elements(graph, node.shape)
    if node.op in REDUCTIONS and runs[0].axis == node.settings["axis"]:
        return None
    return Cut((runs[0].size,), size, total, len(runs) == 1) if size > 1 else None


def _writers(memory: MemoryMap, state: str) -> list[int]:
    """The phases that write rows of a state."""
    found: list[int] = []
    for number, phase in enumerate(memory.phases):
        for node in phase.nodes:
            if any((kind, name) == ("carry", state) for kind, name, _ in memory.targets(node.name)):
                found.append(number)
    return found


def _barriers(memory: MemoryMap, phases: Sequence[Cut | None], carries: dict[str, Cut]) -> tuple[tuple[int, ...], int]:
    """Fewest barriers, each before a phase, so that what a phase reads of other parts was written, and is not yet overwritten.

    Rows of scratch and of states have two halves, used in turn. So only states can be overwritten too early: by a phase of the
    next step that comes without any barrier after one that reads.

    Returns:
        The numbers of the phases, and how many elements are read that others made.
    """
    crossing: set[str] = set()
    waits: list[tuple[int, int]] = []  # (a, b): a barrier before one of the phases a+1 .. b
    late: list[
        tuple[int, int]
    ] = []  # (b, w): a barrier after phase b and, in the next step, not after the beginning of w
    for reader, phase in enumerate(memory.phases):
        for source, is_own in _reads(memory, phase):
            state = memory.traffic.carries.get(source)
            cut = phases[reader]
            if state is not None:
                if not (is_own and carries[state].deals_as(cut)):
                    crossing.add(source)
                    waits.append((-1, reader))
                    late.append((reader, min(_writers(memory, state), default=len(phases))))
            elif source in memory.place:
                made = [memory.place[source], *_made_elsewhere(memory, source)]
                for writer in made:
                    by = phases[writer]
                    if writer < reader and by is not None and not (is_own and by.deals_as(cut)):
                        crossing.add(source)
                        waits.append((writer, reader))
    found: list[int] = []
    for writer, reader in sorted(waits, key=lambda wait: wait[1]):
        if not any(writer < place <= reader for place in found):
            found.append(reader)
    if any(not any(place > reader or place <= writer for place in found) for reader, writer in late):
        found.insert(0, 0)
    if not found and any(cut is None for cut in phases):
        found.append(0)
    return tuple(dict.fromkeys(found)), sum(elements(memory.graph, memory.graph[name].shape) for name in crossing)


def _made_elsewhere(memory: MemoryMap, source: str) -> list[int]:
    """The phases that write parts of a concatenation where they make them."""
    return [memory.place[piece] for piece, wholes in memory.pieces.items() if source in {name for name, _ in wholes}]


def _reads(memory: MemoryMap, phase: Phase) -> list[tuple[str, bool]]:
    """The values that a phase reads from memory, and whether each element is read only where it is its own."""
    graph = memory.graph
    found: list[tuple[str, bool]] = []

    def read(arg: str, *, is_own: bool) -> None:
        source = view(graph, arg).source
        if source in memory.inline:
            for inner in graph[source].args:
                read(inner, is_own=is_own)
        else:
            found.append((source, is_own and is_whole(graph, arg)))

    for node in phase.nodes:
        args = node.args[1::2] if node.op == "products" else node.args
        for arg in args:
            read(arg, is_own=phase.is_tiled and node.op != "products")
    return found
