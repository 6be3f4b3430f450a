"""Final indicators of several methods: every series as a point, their quartiles as a box."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.report._draw import Look, canvas, looks, room
from dse.report._text import drawn, method_label
from dse.types import Floats

_JITTER = 0.22  # of a method's row, to either side


@dataclass(frozen=True)
class Strip:
    """One indicator."""

    label: str  # with its unit
    larger_is_better: bool
    values: tuple[Floats, ...]  # by method, (n,) each; empty where a method has none


@dataclass(frozen=True)
class StripInfo:
    """What the figure of the indicators shows."""

    methods: tuple[str, ...]
    strips: tuple[Strip, ...]
    title: str
    caption: str


def draw_strips(info: StripInfo) -> Figure:
    """Draw the indicators, methods in the same order in each."""
    labels = [drawn(method_label(m), 24) for m in info.methods]
    columns = 2
    rows = math.ceil(len(info.strips) / columns)
    height = 0.26 * len(labels) + 0.8
    figure = canvas(8.5 + room(labels), height * rows + 0.9, info.title, info.caption)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    styles = looks(info.methods)
    for axes, strip in zip(grid, info.strips, strict=False):
        for row, (method, values) in enumerate(zip(info.methods, strip.values, strict=True)):
            _draw_row(axes, row, values, styles[method])
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(axis="x", color="#eeeeee")
        axes.set_xlabel(f"{strip.label} ({'larger' if strip.larger_is_better else 'smaller'} is better)")
    for axes in grid[len(info.strips) :]:
        axes.set_visible(False)
    return figure


def _draw_row(axes: Axes, row: int, values: Floats, look: Look) -> None:
    if len(values) == 0:
        return
    if len(values) > 1:
        box = axes.boxplot(values, positions=[row], orientation="horizontal", widths=0.62, whis=(0, 100), manage_ticks=False)
        for part in ("boxes", "whiskers", "caps"):
            for line in box[part]:
                line.set(color=look.colour, linewidth=0.8)
        box["medians"][0].set(color="black", linewidth=1.4)
    offsets = np.linspace(-_JITTER, _JITTER, len(values)) if len(values) > 1 else np.zeros(1)
    axes.plot(values, row + offsets, look.marker, color=look.colour, markersize=3.2, alpha=0.75, linestyle="none")
