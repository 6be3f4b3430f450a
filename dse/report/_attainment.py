"""Attainment: what part of the objective space a method's series reach, and where two methods differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from dse.report._draw import QUIET, Look, canvas, looks
from dse.report._fronts import staircase
from dse.report._text import drawn, method_label
from dse.types import Floats, Objectives

_MOST_COLUMNS = 4
_SHADES = LinearSegmentedColormap.from_list("attainment", ["#D55E00", "#f3c9a8", "#ffffff", "#a8cfe8", "#0072B2"])


@dataclass(frozen=True)
class Surface:
    """One method's attainment: points by rising first objective."""

    method: str
    series: int
    best: Objectives  # (A, 2) attained by at least one series (0 %)
    median: Objectives  # (B, 2) by half of them
    worst: Objectives  # (C, 2) by all


@dataclass(frozen=True)
class SurfaceInfo:
    """What the figure of attainment shows."""

    surfaces: tuple[Surface, ...]
    front: Objectives  # (R, 2) reference front
    limits: tuple[Floats, Floats]  # ideal point, and upper corner of what is shown, at most the reference point (2,)
    labels: tuple[str, str]  # of the two objectives, with units
    title: str
    caption: str


@dataclass(frozen=True)
class Difference:
    """Where a method attains more often than the baseline does."""

    method: str
    corners: Floats  # (Q, 4) lower and upper corner of each rectangle
    share: Floats  # (Q,) of the series that attain it: the method's less the baseline's, -1 to 1


@dataclass(frozen=True)
class DifferenceInfo:
    """What the figure of the differences shows."""

    differences: tuple[Difference, ...]
    limits: tuple[Floats, Floats]
    labels: tuple[str, str]
    title: str
    caption: str


def draw_surfaces(info: SurfaceInfo) -> Figure:
    """Draw the attainment surfaces of every method beside each other."""
    figure, panels = _panels(len(info.surfaces), info.title, info.caption)
    styles = looks([s.method for s in info.surfaces])
    for axes, surface in zip(panels, info.surfaces, strict=True):
        _draw_surface(axes, surface, styles[surface.method], info)
    panels[0].legend(loc="upper right", fontsize=6.5)
    _frame(figure, panels, info.limits, info.labels)
    return figure


def _draw_surface(axes: Axes, surface: Surface, look: Look, info: SurfaceInfo) -> None:
    far = info.limits[1]
    lines = [staircase(points, *far.tolist()) for points in (surface.best, surface.median, surface.worst)]
    between = np.vstack([lines[0], lines[2][::-1]])
    axes.fill(*between.T, color=look.colour, alpha=0.15, linewidth=0)
    names = ("at least one", "half", "all") if surface.series > 1 else ("the series",)
    for line, style, width, name in zip(lines, (":", "-", "--"), (1.0, 1.5, 1.0), names, strict=False):
        style = style if surface.series > 1 else "-"
        axes.plot(*line.T, color=look.colour, linestyle=style, linewidth=width, label=f"attained by {name}")
    axes.plot(*info.front.T, ".", color="black", markersize=1.5, label="reference front")
    axes.set_title(f"{drawn(method_label(surface.method))} ({surface.series} series)", color=look.colour)


def draw_differences(info: DifferenceInfo) -> Figure:
    """Draw where each method attains more or less often than the baseline."""
    figure, panels = _panels(len(info.differences), info.title, info.caption)
    norm = Normalize(-100, 100)
    for axes, difference in zip(panels, info.differences, strict=True):
        seen = difference.share != 0
        shades = PolyCollection(
            list(_boxes(difference.corners[seen], info.limits[1])), cmap=_SHADES, norm=norm, linewidth=0.2
        )
        shades.set_array(100 * difference.share[seen])
        shades.set_edgecolor("face")
        shades.set_rasterized(True)  # thousands of rectangles, in the PDF too
        axes.add_collection(shades)
        axes.set_title(drawn(method_label(difference.method)))
        if not difference.share.any():
            axes.text(0.5, 0.5, "no difference", transform=axes.transAxes, ha="center", color=QUIET)
    _frame(figure, panels, info.limits, info.labels)
    bar = figure.colorbar(ScalarMappable(norm, _SHADES), ax=list(panels), shrink=0.85, pad=0.01, aspect=30)
    bar.set_label("share of series, less the baseline's (pp)")
    return figure


def _boxes(corners: Floats, far: Floats) -> Floats:
    """Return the outlines `(Q, 4, 2)` of rectangles `(Q, 4)`, cut off at the reference point (2,)."""
    left, low, right, high = np.minimum(corners, np.tile(far, 2)).T
    return np.stack([np.column_stack(pair) for pair in ((left, low), (right, low), (right, high), (left, high))], axis=1)


def _panels(count: int, title: str, caption: str) -> tuple[Figure, Sequence[Axes]]:
    columns = min(count, _MOST_COLUMNS)
    rows = math.ceil(count / columns)
    figure = canvas(max(4.6, 3.1 * columns + 0.6), 2.7 * rows + 1.0, title, caption)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure, list(grid[:count])


def _frame(figure: Figure, panels: Sequence[Axes], limits: tuple[Floats, Floats], labels: tuple[str, str]) -> None:
    low, high = limits
    margin = 0.03 * (high - low)
    for i, axes in enumerate(panels):
        axes.set_xlim(low[0] - margin[0], high[0])
        axes.set_ylim(low[1] - 2 * margin[1], high[1])
        if i + _MOST_COLUMNS >= len(panels):
            axes.set_xlabel(labels[0])
            axes.tick_params(labelbottom=True)
        if i % _MOST_COLUMNS == 0:
            axes.set_ylabel(labels[1])
