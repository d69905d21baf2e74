"""curve.png: how the model learned, beside what models without a network need."""

import importlib.util
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

SHOWN = ("unigram", "trigram", "5-gram", "xz")


def draw_curve(metrics: Sequence[Mapping[str, Any]], baselines: Mapping[str, float], path: Path) -> str | None:
    """Draw bits per character over characters read, and say why not where Matplotlib is missing.

    Args:
        metrics: the lines of metrics.jsonl.
        baselines: bits per character by name; drawn as labelled lines.
        path: of the PNG file.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    from matplotlib.figure import Figure

    steps = [line for line in metrics if "loss" in line]
    seen_at = {line["update"]: line["characters"] / 1e6 for line in steps}
    held_out = [line for line in metrics if "held_out_bits_per_character" in line]
    end = max(seen_at.values())

    figure = Figure(figsize=(7, 4.5))
    axes = figure.add_axes((0.09, 0.12, 0.7, 0.84))
    smooth = _smooth([line["bits_per_character"] for line in steps], max(1, len(steps) // 100))
    axes.plot(list(seen_at.values()), smooth, color="#9ecae1", linewidth=1.2)
    x = [seen_at[line["update"]] for line in held_out]
    y = [line["held_out_bits_per_character"] for line in held_out]
    axes.plot(x, y, color="#08519c", marker="o", markersize=4, linewidth=1.5, clip_on=False)
    labels = [(smooth[-1], "training text", "#4292c6"), (y[-1], f"held-out text {y[-1]:.2f}", "#08519c")]
    for name in SHOWN:
        axes.axhline(baselines[name], color="#737373", linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
        labels.append((baselines[name], f"{name} {baselines[name]:.2f}", "#525252"))
    axes.set(
        xlim=(0, end),
        ylim=(min(smooth[-1], *y) - 0.15, max(max(baselines[name] for name in SHOWN), max(y)) + 0.15),
        xlabel="training characters read (millions)",
        ylabel="bits per character",
    )
    axes.spines[["top", "right"]].set_visible(False)
    low, high = axes.get_ylim()
    for (_, text, color), height in zip(
        labels, _spread([place for place, _, _ in labels], (high - low) / 22), strict=True
    ):
        axes.annotate(
            text, (end, height), (6, 0), textcoords="offset points", va="center", color=color, annotation_clip=False
        )
    figure.savefig(path, dpi=150)
    return None


def _smooth(values: Sequence[float], width: int) -> list[float]:
    """Running means over the last `width` values, or over those there are."""
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(len(values))]


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """The same places moved apart, so that none lies nearer to the next than `gap`, with their order and middle kept."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for _ in range(100):
        for low, high in pairwise(order):
            if (overlap := gap - (moved[high] - moved[low])) > 1e-9:
                moved[low] -= overlap / 2
                moved[high] += overlap / 2
    return moved
