"""Savings against losses of several series of designs, as a study puts them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from dse.report._draw import canvas, legend_beside, looks
from dse.report._text import drawn
from dse.types import Floats

MOST_LOSS_PP = 5.0  # what lies beyond is counted in the legend and not shown: nobody would build it


@dataclass(frozen=True)
class Tradeoff:
    """Designs of one series."""

    label: str
    points: Floats  # (P, 2) saving in per cent, loss in pp
    line: bool = False  # whether neighbours are joined, as those of a front
    like: str = ""  # label of the series whose colour and marker it has, hollow: the same designs in another state
    marker: str = ""  # instead of that of its place
    runs: Floats | None = None  # (R, 2) of single runs where the points are means over them: faint dots


def draw_tradeoffs(series: Sequence[Tradeoff], caption: str, floor: float | None = None) -> Figure:
    """Draw each series' loss over its saving, up to a loss of 5 pp, and what a library can save at most in % (`floor`)."""
    figure = canvas(10, 5.4, "Saving against loss", caption)
    axes = figure.subplots()
    styles = looks(list(dict.fromkeys(one.like or one.label for one in series)))
    for one in series:
        look, points = styles[one.like or one.label], one.points[np.argsort(one.points[:, 0])]
        shown = points[points[:, 1] <= MOST_LOSS_PP]
        beyond = f" ({len(points) - len(shown)} beyond {MOST_LOSS_PP:g} pp)" if len(shown) < len(points) else ""
        size, fill = (6, "none") if one.like else (4, look.colour)
        line = look.line if one.line else "none"
        if one.runs is not None:
            near = one.runs[one.runs[:, 1] <= MOST_LOSS_PP]
            axes.plot(*near.T, one.marker or look.marker, color=look.colour, markerfacecolor=fill, markersize=2.5, alpha=0.4)
        axes.plot(
            *shown.T,
            one.marker or look.marker,
            color=look.colour,
            markerfacecolor=fill,
            markersize=size,
            linestyle=line,
            linewidth=0.9,
            label=drawn(one.label + beyond),
        )
    axes.axhline(0, color="black", linewidth=0.6)
    if floor is not None:
        axes.axvline(floor, color="black", linewidth=0.6, linestyle=":", label="least power in the library")
    axes.grid(color="#eeeeee")
    axes.set_xlabel("energy of the multiplications saved (%)")
    axes.set_ylabel("loss of accuracy (pp)")
    legend_beside(figure, axes)
    return figure
