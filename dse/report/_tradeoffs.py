"""Savings against losses of several series of designs, as a study puts them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.report._draw import Look, canvas, legend_beside, looks
from dse.report._text import drawn
from dse.types import Floats

MOST_LOSS_PP = 5.0  # what lies beyond is counted in the legend and not shown: nobody would build it


@dataclass(frozen=True)
class Tradeoff:
    """Designs of one series."""

    label: str  # series of one label, in two panels, have one colour and marker, and one entry in the legend
    points: Floats  # (P, 2) saving in per cent, loss in pp
    line: bool = False  # whether neighbours are joined, as those of a front
    like: str = ""  # label of the series whose colour and marker it has, hollow: the same designs in another state
    marker: str = ""  # instead of that of its place
    runs: Floats | None = None  # (R, 2) of single runs where the points are means over them: faint dots
    before: Floats | None = None  # (P,) loss in pp of the same designs before: hollow, and joined with what became of them
    panel: str = ""  # title of the axes it stands in


def draw_tradeoffs(
    series: Sequence[Tradeoff], caption: str, floor: float | None = None, labels: Sequence[str] = ()
) -> Figure:
    """Draw each series' loss over its saving, up to a loss of 5 pp.

    Args:
        series: What to draw.
        caption: Stands below.
        floor: What a library can save at most, in %.
        labels: All labels of a study: a label then looks the same in each of its figures, whichever series that has.
    """
    titles = list(dict.fromkeys(one.panel for one in series))
    figure = canvas(10, 1.2 + 4.2 * len(titles), "Saving against loss", caption)
    panels = dict(zip(titles, figure.subplots(len(titles), 1, sharex=True, squeeze=False)[:, 0], strict=True))
    styles = looks(list(dict.fromkeys([*labels, *(one.like or one.label for one in series)])))
    first = {one.label: one.panel for one in reversed(series)}  # where the legend's entry of a label comes from
    for one in series:
        _draw_one(panels[one.panel], one, styles[one.like or one.label], named=one.panel == first[one.label])
    for title, axes in panels.items():
        axes.axhline(0, color="black", linewidth=0.6)
        if floor is not None:
            label = "least power in the library" if title == titles[0] else None
            axes.axvline(floor, color="black", linewidth=0.6, linestyle=":", label=label)
        axes.grid(color="#eeeeee")
        axes.set_title(drawn(title), loc="left", fontsize=9)
        axes.set_ylabel("loss of accuracy (pp)")
    panels[titles[-1]].set_xlabel("energy of the multiplications saved (%)")
    legend_beside(figure, *panels.values())
    return figure


def _draw_one(axes: Axes, one: Tradeoff, look: Look, *, named: bool) -> None:
    marker, order = one.marker or look.marker, np.argsort(one.points[:, 0])
    shown = order[one.points[order, 1] <= MOST_LOSS_PP]
    beyond = f" ({len(order) - len(shown)} beyond {MOST_LOSS_PP:g} pp)" if len(shown) < len(order) else ""
    size, fill = (6, "none") if one.like else (4, look.colour)
    if one.runs is not None:
        near = one.runs[one.runs[:, 1] <= MOST_LOSS_PP]
        axes.plot(*near.T, marker, color=look.colour, markerfacecolor=fill, markersize=2.5, alpha=0.4)
    if one.before is not None:
        (saving, after), before = one.points[shown].T, one.before[shown]
        axes.plot([saving, saving], [before.clip(max=MOST_LOSS_PP), after], color=look.colour, linewidth=0.6)
        near = before <= MOST_LOSS_PP
        axes.plot(saving[near], before[near], marker, color=look.colour, markerfacecolor="white", markersize=size)
    axes.plot(
        *one.points[shown].T,
        marker,
        color=look.colour,
        markerfacecolor=fill,
        markersize=size,
        linestyle=look.line if one.line else "none",
        linewidth=0.9,
        label=drawn(one.label) + beyond if named else None,
    )
