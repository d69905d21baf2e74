"""curve.png: how the model learned, beside what models without a network need."""

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carrousel.train.charts import spread
from carrousel.train.figures import label, shown
from carrousel.train.summary import Summary


def draw_curve(
    metrics: Sequence[Mapping[str, Any]], summary: Summary, loss_in_monitor: float | None, path: Path
) -> str | None:
    """Draw the monitored figure over what was learned from, and say why not where Matplotlib is missing.

    Args:
        metrics: the lines of metrics.jsonl.
        summary: of the run; its baselines are drawn as labelled lines.
        loss_in_monitor: what makes the training loss the monitored figure; None leaves the training curve out.
        path: of the PNG file.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return f"{path} was not drawn: Matplotlib is not installed. pip install 'carrousel[plot]'"
    from matplotlib.figure import Figure

    name, steps = summary.monitor, [line for line in metrics if "loss" in line]
    seen_at = {line["update"]: line["seen"] for line in steps}
    held_out = [line for line in metrics if "figures" in line]
    end = max(seen_at.values())
    scale, word = (1e6, "millions of ") if end >= 2e6 else (1e3, "thousands of ") if end >= 2e4 else (1, "")

    figure = Figure(figsize=(7, 4.5))
    axes = figure.add_axes((0.1, 0.12, 0.66, 0.84))
    labels: list[tuple[float, str, str]] = []
    heights: list[float] = []
    if loss_in_monitor is not None:
        smooth = _smooth([line["loss"] * loss_in_monitor for line in steps], max(1, len(steps) // 100))
        axes.plot([seen / scale for seen in seen_at.values()], smooth, color="#9ecae1", linewidth=1.2)
        labels.append((smooth[-1], "training data", "#4292c6"))
        heights.append(smooth[-1])
    x = [seen_at[line["update"]] / scale for line in held_out]
    y = [line["figures"][name] for line in held_out]
    axes.plot(x, y, color="#08519c", marker="o", markersize=4, linewidth=1.5, clip_on=False)
    labels.append((y[-1], f"held-out data {shown(y[-1])}", "#08519c"))
    heights += y
    for baseline, found in _nearest(summary, heights):
        axes.axhline(found, color="#737373", linestyle=(0, (4, 3)), linewidth=0.8, zorder=0)
        labels.append((found, f"{baseline} {shown(found)}", "#525252"))
        heights.append(found)
    room = 0.05 * (max(heights) - min(heights)) or 0.05
    axes.set(
        xlim=(0, end / scale),
        ylim=(min(heights) - room, max(heights) + room),
        xlabel=f"{word}{summary.unit} learned from",
        ylabel=label(name).replace("/char", " per character"),
    )
    axes.spines[["top", "right"]].set_visible(False)
    low, high = axes.get_ylim()
    for (_, text, color), height in zip(
        labels, spread([place for place, _, _ in labels], (high - low) / 22), strict=True
    ):
        place = (end / scale, height)
        axes.annotate(text, place, (6, 0), textcoords="offset points", va="center", color=color, annotation_clip=False)
    figure.savefig(path, dpi=150)
    return None


def _nearest(summary: Summary, heights: Sequence[float]) -> list[tuple[str, float]]:
    """The baselines that have the monitored figure, but those so far off that nothing else would be seen."""
    found = [(name, baseline["figures"].get(summary.monitor)) for name, baseline in summary.baselines.items()]
    low, high = min(heights), max(heights)
    reach = 3 * max(high - low, abs(heights[-1]) / 2)
    return [(name, value) for name, value in found if value is not None and low - reach <= value <= high + reach]


def _smooth(values: Sequence[float], width: int) -> list[float]:
    """Running means over the last `width` values, or over those there are."""
    return [sum(values[max(0, i + 1 - width) : i + 1]) / min(i + 1, width) for i in range(len(values))]
