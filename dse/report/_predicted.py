"""Predicted against measured figures of many cells, group by group, with the line on which they are equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from dse.report._draw import QUIET, canvas
from dse.types import Floats

_LOOKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "v"))


@dataclass(frozen=True)
class PredictedPanel:
    """One panel of the figure."""

    title: str
    groups: Mapping[str, Floats]  # (n, 2): measured, predicted; a logarithm has no 0, so such cells are left out


def predicted_panel(title: str, groups: Mapping[str, Floats]) -> PredictedPanel:
    """Compute a panel from groups of cells `(n, 2)`, measured and predicted, none of them negative."""
    return PredictedPanel(title, {name: cells[(cells > 0).all(axis=1)] for name, cells in groups.items()})


def draw_predicted(panels: Sequence[PredictedPanel], what: str, title: str, caption: str) -> Figure:
    """Draw panels side by side on the same logarithmic axes, `what` they show in words."""
    figure = canvas(3.6 * len(panels), 4.6, title, caption)
    row = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axes, info in zip(row, panels, strict=True):
        for (name, cells), (colour, marker) in zip(info.groups.items(), cycle(_LOOKS), strict=False):
            # thousands of points: as an image, lest the PDF draws each of them
            axes.plot(
                *cells.T, marker, color=colour, markersize=2, alpha=0.4, label=f"{name} ({len(cells)})", rasterized=True
            )
        axes.set(xscale="log", yscale="log", box_aspect=1, xlabel=f"measured {what}", title=info.title)
        axes.grid(color="#eeeeee")
        axes.legend(fontsize=7, markerscale=3, loc="upper left")
    together = np.concatenate([np.empty((0, 2)), *(cells for info in panels for cells in info.groups.values())])
    if len(together):
        ends = [together.min() / 1.5, together.max() * 1.5]
        for axes in row:
            axes.plot(ends, ends, color=QUIET, linewidth=0.8, zorder=1)
            axes.set(xlim=ends, ylim=ends)
    row[0].set_ylabel(f"predicted {what}")
    return figure
