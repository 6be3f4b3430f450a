"""Power, loss and accuracy over time while a governor follows a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dse.report._bands import spread
from dse.report._draw import QUIET, canvas
from dse.report._text import drawn
from dse.types import Floats

_WINDOWS = 10  # moving means over this share of the trace
_COLOURS = ("#0072B2", "#D55E00", "#000000")  # governor, single design, exact network
_LETTERS = 90  # of a legend's names that go in one line
_APART = 0.08  # names of levels, in heights of the axes
_ROOM = 5.0  # below the least accuracy that is of interest, in per cent points
_STYLES = ("-", "--", ":")
_BUDGET = "#E69F00"


@dataclass(frozen=True, eq=False)
class ServedLine:
    """N requests as one way of serving them went."""

    name: str
    rel_energy: Floats  # (N,)
    loss_pp: Floats  # (N,) of the design that served each
    right: NDArray[np.bool_]  # (N,)


@dataclass(frozen=True, eq=False)
class GovernorInfo:
    """What the figure shows: the governor's line first, the exact network's last."""

    title: str
    kind: str  # of the budget: `energy`, `loss` or `battery`
    budget: Floats  # (N,)
    levels: Mapping[str, tuple[float, float]]  # relative energy and loss in pp of each operating point
    lines: tuple[ServedLine, ...]
    caption: str


def moving_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the `window` values around each `(N,)`, of fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    centres = np.arange(len(values))
    low, high = np.maximum(centres - window // 2, 0), np.minimum(centres + (window + 1) // 2, len(values))
    return np.asarray((sums[high] - sums[low]) / (high - low))


def draw_governor(info: GovernorInfo) -> Figure:
    """Draw budget and power, the loss of the points, and the accuracy measured, one above the other."""
    window = max(1, len(info.budget) // _WINDOWS)
    figure = canvas(8, 6.4, info.title, info.caption)
    power, loss, accuracy = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 3))
    governor, others = info.lines[0], info.lines[1:]
    for axes, values, which in ((power, governor.rel_energy, 0), (loss, governor.loss_pp, 1)):
        for level in info.levels.values():
            axes.axhline(level[which], color=QUIET, linewidth=0.5, linestyle=":")
        axes.step(range(len(values)), values, where="post", color=_COLOURS[0], linewidth=1.2, label="governor")
    bounded = loss if info.kind == "loss" else power
    bounded.plot(info.budget, color=_BUDGET, linewidth=1, label="budget", zorder=1)
    static = others[:-1]
    for line in static:
        power.plot(line.rel_energy, color=_COLOURS[1], linestyle=_STYLES[1], linewidth=0.9, label=drawn(line.name, 60))
        loss.plot(line.loss_pp, color=_COLOURS[1], linestyle=_STYLES[1], linewidth=0.9)
    looks = zip((governor, *static, others[-1]), (*range(1 + len(static)), 2), strict=True)
    least = 100.0
    for line, look in looks:
        mean = 100 * moving_mean(line.right.astype(float), window)
        mean[: window // 2], mean[len(mean) - window // 2 :] = np.nan, np.nan  # fewer requests, and so more noise
        least = min(least, float(np.nanmin(mean))) if look < 2 else least
        accuracy.plot(mean, color=_COLOURS[look], linestyle=_STYLES[look], linewidth=1.1, label=drawn(line.name, 60))
    power.set_ylabel("energy (exact = 1)")
    loss.set_ylabel("expected loss (pp)")
    accuracy.set_ylim(max(0.0, least - _ROOM), 101)  # a network whose battery is empty would take all of the axis
    power.set_ylim(bottom=0)
    accuracy.set_ylabel(f"right (%), mean of\nthe {window} around")
    accuracy.set_xlabel("request")
    for axes in (power, loss, accuracy):
        axes.grid(color="#eeeeee")
    for which, axes in enumerate((power, loss)):
        _name_levels(axes, {name: level[which] for name, level in info.levels.items()})
    for axes in {power, bounded, accuracy}:
        handles, labels = axes.get_legend_handles_labels()
        columns = 3 if sum(map(len, labels)) <= _LETTERS else 2
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1), fontsize=7, ncols=columns, borderpad=0.1)
    return figure


def _name_levels(axes: Axes, levels: Mapping[str, float]) -> None:
    """Name the operating points' levels at the right, none over another."""
    low, high = axes.get_ylim()
    heights = spread([(level - low) / (high - low) for level in levels.values()], _APART)
    for name, height in zip(levels, heights, strict=True):
        axes.annotate(drawn(name, 20), (1.005, height), xycoords="axes fraction", fontsize=6, va="center")
