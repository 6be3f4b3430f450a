"""How much noise each layer bears, beside its share of the multiplications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.report._caption import caption
from dse.report._draw import canvas, room
from dse.report._run import RunData
from dse.report._text import drawn
from dse.types import Floats

_MOST_LINEAR = 20.0  # largest ratio of two values that a linear axis shows
_MOST_NUMBERS = 16  # bars with their values above


@dataclass(frozen=True)
class RobustnessInfo:
    """What the figure of the robustness profile shows."""

    layers: tuple[str, ...]  # (L,)
    sigma: Floats  # (L,) relative to the layer's output std
    share: Floats  # (L,) of the multiplications in approximable layers, percent
    caption: str


def robustness_info(run: RunData) -> RobustnessInfo:
    """Compute the figure of the robustness profile."""
    total = run.op_counts.sum()
    share = 100 * run.op_counts / total if total > 0 else np.zeros(len(run.op_counts))
    return RobustnessInfo(run.layers, run.sigma, share, caption(run))


def draw_robustness(info: RobustnessInfo) -> Figure:
    """Draw the robustness profile."""
    n = len(info.layers)
    layers = [drawn(name) for name in info.layers]
    figure = canvas(
        min(max(5.5, 0.2 * n + 1.5), 16), 4.2 + room(layers), "How much noise each layer bears", info.caption
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    position = np.arange(n)
    _bars(upper, info.sigma, "#0072B2", "noise sigma\n(1 = std of the output)")
    _bars(lower, info.share, "#999999", "share of searched\nmultiplications (%)")
    lower.set_xticks(position, layers, rotation=90 if n > 12 else 45)
    if n <= 12:
        for label in lower.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    lower.tick_params("x", labelsize=7 if n <= 30 else 6, length=2)
    lower.set_xlabel("layer, in forward order")
    lower.set_xlim(-0.7, n - 0.3)
    return figure


def _bars(axes: Axes, values: Floats, colour: str, label: str) -> None:
    """Draw a bar for each layer, on a logarithmic axis where a linear one would hide the small ones."""
    axes.grid(axis="y", color="#eeeeee")
    positive = values[values > 0]
    log = positive.size > 0 and float(positive.max()) > _MOST_LINEAR * float(positive.min())
    bars = axes.bar(np.arange(len(values)), values, color=colour, log=log)
    if log:
        axes.set_ylim(0.5 * float(positive.min()), 2.0 * float(positive.max()))
    if len(values) <= _MOST_NUMBERS:
        axes.bar_label(bars, [f"{value:.2g}" for value in values], fontsize=7, padding=1)
    axes.set_ylabel(f"{label}\n(log scale)" if log else label)
