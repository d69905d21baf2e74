"""`carrousel bench`: how long the compiled loops take beside torch.nn and other peers, on this machine."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

CASES = (
    "Texts between commas: cases with one of them in their name, mode or size, such as 'gru train,h512'; all, or none."
)
CELLS = "Names between commas: further cells, in training at B32 H128 T100; all, or none."
PEERS = "Names between commas; all: those that are installed, torch.compile (minutes a case) left out."


def bench(
    cases: Annotated[str, typer.Option(help=CASES)] = "all",
    cells: Annotated[str, typer.Option(help=CELLS)] = "all",
    peers: Annotated[str, typer.Option(help=PEERS)] = "all",
    threads: Annotated[int, typer.Option(min=1, help="Threads of every contender.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each contender, in turn.")] = 15,
    first_calls: Annotated[bool, typer.Option(help="Measure first calls, in two new processes a case.")] = True,
    json: Annotated[Path | None, typer.Option(help="Write the rows to this file, too.", show_default=False)] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Measure nothing: print this file of --json as Markdown.", show_default=False)
    ] = None,
) -> None:
    """Time Carrousel and its peers in turn, check both against float64, and say which bars are met."""
    os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if threads > 1 else 'false'}")
    import torch
    from rich.console import Console

    from carrousel.bench import report
    from carrousel.bench.cases import chosen_cases, chosen_cells
    from carrousel.bench.peers import chosen_peers
    from carrousel.bench.row import Row, read_rows, write_rows
    from carrousel.bench.run import Failure
    from carrousel.bench.run import bench as measured

    if markdown is not None:
        read = read_rows(markdown)
        print(
            report.markdown(read),
            report.markdown_of_cells(read),
            sep="\n\n" if any(r.case == r.cell for r in read) else "",
        )
        return
    torch.set_num_threads(threads)
    chosen, missing = chosen_peers(peers)
    jobs = [*chosen_cases(cases), *chosen_cells(cells)]
    for message in missing:
        print(message, file=sys.stderr)
    rows: list[Row] = []
    failures: list[str] = []
    try:
        for row in measured(jobs, chosen, rounds, has_first_calls=first_calls):
            print(row if isinstance(row, Failure) else report.line(row), file=sys.stderr, flush=True)
            if isinstance(row, Failure):
                failures.append(f"{row}.")
                continue
            rows.append(row)
            if json is not None:
                write_rows(json, rows)
    finally:
        if rows:
            table = report.table(rows)
            whole = Console(width=1_000).measure(table).maximum  # a narrow terminal wraps a row; nothing is cut from it
            Console(highlight=False, width=whole).print(table)
    wrong = [*report.disagreements(rows), *failures]
    print("\n".join([*report.findings(rows), *wrong]))
    if wrong:
        raise typer.Exit(1)
