"""Power against error of groups of circuits, with the front of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from dse.pareto import non_dominated
from dse.report._draw import QUIET, canvas
from dse.types import Floats

_LOOKS = (("#0072B2", "."), ("#D55E00", "*"), ("#009E73", "x"), ("#CC79A7", "+"), ("#E69F00", "1"), ("#56B4E9", "2"))


@dataclass(frozen=True)
class Panel:
    """One panel of the figure."""

    title: str
    groups: Mapping[str, Floats]  # (n, 2): power in mW, error; a circuit without error is left out
    front: Floats  # (f, 2) of all groups together, exact circuits left out afterwards, by rising error


def panel(title: str, groups: Mapping[str, Floats]) -> Panel:
    """Compute a panel from groups of circuits `(n, 2)`: power in mW and an error that is not negative."""
    together = np.concatenate([np.empty((0, 2)), *groups.values()])
    front = together[non_dominated(together)]
    front = front[np.argsort(front[:, 1])]
    wrong = {name: points[points[:, 1] > 0] for name, points in groups.items()}
    return Panel(title, wrong, front[front[:, 1] > 0])


def draw_panels(panels: list[Panel], error: str, title: str, caption: str) -> Figure:
    """Draw panels side by side, the error on a logarithmic axis named `error`."""
    figure = canvas(5.0 * len(panels), 4.2, title, caption)
    for axes, info in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        axes.step(info.front[:, 1], info.front[:, 0], where="post", color=QUIET, linewidth=1, label="front")
        for (name, points), (colour, marker) in zip(info.groups.items(), cycle(_LOOKS), strict=False):
            axes.plot(points[:, 1], points[:, 0], marker, color=colour, markersize=6, label=f"{name} ({len(points)})")
        axes.set_xscale("log")
        axes.set_title(info.title)
        axes.set_xlabel(error)
        axes.set_ylabel("power, mW")
        axes.legend(fontsize=7)
    return figure
