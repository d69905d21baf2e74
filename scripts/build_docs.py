#!/usr/bin/env python
"""Write docs/cells, one page and one drawing a cell and the list of them, and docs/settings, one page a kind of model.

scripts/build_docs.py           write what has changed, remove pages of cells that are gone
scripts/build_docs.py --check   write nothing; exit code 1 when a page is not current
"""

import sys
from pathlib import Path

from carrousel.analysis.card_page import card_page, list_page
from carrousel.analysis.cards import Card
from carrousel.cells import CELLS
from carrousel.drawing import draw
from carrousel.models import KINDS, find_kind

DOCS = Path(__file__).parent.parent / "docs"


def cell_pages() -> dict[str, str]:
    """Name -> content of the files of docs/cells."""
    cards = [Card(cell) for cell in CELLS.values()]
    pages = {"README.md": list_page(cards)}
    for card in cards:
        pages[f"{card.cell.name}.md"] = card_page(card)
        pages[f"{card.cell.name}.svg"] = draw(card.small_graph)
    return pages


def settings_pages() -> dict[str, str]:
    """Name -> content of the files of docs/settings."""
    made = "*Made from the settings' own classes by `scripts/build_docs.py`.*"
    lines = ["# Kinds of model", "", "Every setting of each, with its start value.", ""]
    pages: dict[str, str] = {}
    for name in KINDS:
        kind = find_kind(name)
        lines.append(f"- [{name}]({name}.md): {kind.about}")
        text = f"`carrousel new {name}` begins a project with the settings that matter; these are all."
        settings = f"```yaml\n{kind.Settings().to_yaml()}```"
        pages[f"{name}.md"] = "\n\n".join([f"# {name}: {kind.about}", text, settings, made]) + "\n"
    pages["README.md"] = "\n".join([*lines, "", made]) + "\n"
    return pages


def main() -> int:
    stale: list[str] = []
    for folder, pages in ((DOCS / "cells", cell_pages()), (DOCS / "settings", settings_pages())):
        folder.mkdir(parents=True, exist_ok=True)
        on_disk = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
        changed = sorted(name for name in pages | on_disk if pages.get(name) != on_disk.get(name))
        stale += [f"docs/{folder.name}/{name}" for name in changed]
        if "--check" in sys.argv[1:]:
            continue
        for name in changed:
            if name in pages:
                (folder / name).write_text(pages[name], encoding="utf-8")
            else:
                (folder / name).unlink()
    if "--check" in sys.argv[1:]:
        print("\n".join(f"not current: {name}" for name in stale) or "all pages are current")
        return 1 if stale else 0
    print(f"{len(CELLS)} cells, {len(KINDS)} kinds, {len(stale)} files written or removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
