#!/usr/bin/env python
"""Write docs/cells: one page and one drawing a cell, and the list of them, all from the cells' own files.

scripts/build_docs.py           write what has changed, remove pages of cells that are gone
scripts/build_docs.py --check   write nothing; exit code 1 when a page is not current
"""

import sys
from pathlib import Path

from carrousel.analysis.card_page import card_page, list_page
from carrousel.analysis.cards import Card
from carrousel.cells import CELLS
from carrousel.drawing import draw

FOLDER = Path(__file__).parent.parent / "docs" / "cells"


def main() -> int:
    cards = [Card(cell) for cell in CELLS.values()]
    pages = {"README.md": list_page(cards)}
    for card in cards:
        pages[f"{card.cell.name}.md"] = card_page(card)
        pages[f"{card.cell.name}.svg"] = draw(card.small_graph)
    FOLDER.mkdir(parents=True, exist_ok=True)
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    stale = sorted(name for name in pages | on_disk if pages.get(name) != on_disk.get(name))
    if "--check" in sys.argv[1:]:
        print("\n".join(f"not current: docs/cells/{name}" for name in stale) or "all pages are current")
        return 1 if stale else 0
    for name in stale:
        if name in pages:
            (FOLDER / name).write_text(pages[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    print(f"{len(cards)} cells, {len(stale)} files written or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
