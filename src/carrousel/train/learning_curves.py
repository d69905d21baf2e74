"""learning_curves.png: how much each cell has learned after how many strings."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from carrousel.train.compare import CRITERION, Comparison, Run
from carrousel.train.compare_findings import memoryless, share

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
GREY = "#666666"
FEW_POINTS = 5


def draw_learning_curves(comparison: Comparison, runs: Sequence[Run], path: Path) -> str | None:
    """Draw the share of strings wholly right over the strings seen, and say why not where Matplotlib is missing.

    Lines are medians over the seeds, bands reach from one quartile to the other.

    Args:
        runs: all of the comparison.
        path: of the PNG file.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5))
    axes: Any = figure.add_axes((0.09, 0.12, 0.68, 0.8))
    for number, contender in enumerate(comparison.contenders):
        curves = [[point.strings_right for point in run.curve] for run in runs if run.cell == contender.label]
        low, median, high = np.quantile(curves, (0.25, 0.5, 0.75), axis=0)
        look = {"color": COLOURS[number % len(COLOURS)], "clip_on": False}
        label = f"{contender.label}  {share(float(median[-1]))}"
        marker = "o" if len(comparison.marks) < FEW_POINTS else ""
        axes.fill_between(comparison.marks, low, high, alpha=0.18, linewidth=0, **look)
        axes.plot(comparison.marks, median, linewidth=1.8, marker=marker, label=label, zorder=3, **look)
    _draw_references(axes, memoryless(comparison).strings_right)
    _label(axes, comparison)
    figure.savefig(path, dpi=150, bbox_inches="tight")
    return None


def _draw_references(axes: Any, without_memory: float) -> None:
    for height, name in (
        (without_memory, f"no memory {share(without_memory)}"),
        (CRITERION, f"learned {share(CRITERION)}"),
    ):
        axes.axhline(height, color=GREY, linestyle=(0, (4, 3)), linewidth=0.8, zorder=1)
        axes.annotate(
            name, (0, height), (4, -3), xycoords=("axes fraction", "data"), textcoords="offset points", va="top",
            color=GREY, fontsize=9,
        )  # fmt: skip


def _label(axes: Any, comparison: Comparison) -> None:
    first, last = comparison.marks[0], comparison.marks[-1]
    axes.set_xscale("log")
    ticks = [mark for mark in (1000 * 2**k for k in range(last.bit_length())) if first <= mark <= last]
    if not ticks or last >= 1.4 * ticks[-1]:
        ticks.append(last)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.minorticks_off()
    axes.set(
        xlim=(first, last) if first < last else (last / 2, last),
        ylim=(0, 1),
        xlabel="training strings seen",
        ylabel="test strings wholly right",
    )
    length = f", strings of {comparison.min_length} symbols or more" if comparison.min_length else ""
    title = (
        f"{comparison.task}{length}: median and quartiles of {comparison.seeds} seeds, {comparison.hidden_size} units"
    )
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(handles)), key=lambda i: -handles[i].get_ydata()[-1])
    axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        frameon=False,
    )
