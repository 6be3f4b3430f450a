"""Which multiplier each layer gets, along the front of one method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from dse.report._caption import caption
from dse.report._draw import canvas, ink, room
from dse.report._run import RunData
from dse.report._text import drawn, method_label
from dse.types import Floats

_PREFERRED = "nsga2"
_MOST_NAMES = 150  # cells in which the multiplier's name is still legible
_LONGEST_NAME = 13
_MOST_LABELS = 50


@dataclass(frozen=True)
class AssignmentInfo:
    """What the map of assignments shows: P designs by rising energy."""

    method: str
    layers: tuple[str, ...]  # (L,)
    names: tuple[tuple[str, ...], ...]  # (L, P) multipliers
    rel_power: Floats  # (L, P) power of the multiplier relative to the exact one
    rel_energy: Floats  # (P,)
    test_loss_pp: Floats  # (P,)
    caption: str


def assignment_info(run: RunData) -> AssignmentInfo | None:
    """Compute the map along the front of NSGA-II, or of the first method with a front; None where there is no front."""
    methods = [m for m in (_PREFERRED, *run.methods) if m in run.fronts and len(run.fronts[m].rel_energy)]
    if not methods:
        return None
    front = run.fronts[methods[0]]
    return AssignmentInfo(
        method=methods[0],
        layers=run.layers,
        names=tuple(tuple(run.multipliers[m] for m in row) for row in front.population.T),
        rel_power=(run.power_mw / run.power_mw[0])[front.population.T],
        rel_energy=front.rel_energy,
        test_loss_pp=front.test_loss_pp,
        caption=caption(run),
    )


def draw_assignments(info: AssignmentInfo) -> Figure:
    """Draw the map of assignments."""
    rows, columns = info.rel_power.shape
    named = rows * columns <= _MOST_NAMES and max(len(n) for row in info.names for n in row) <= _LONGEST_NAME
    layers = [drawn(n) for n in info.layers]
    width = min(max(4, (0.34 if named else 0.2) * columns), 13) + 1.5 + room(layers)
    height = min(max(3.6, (0.62 if named else 0.17) * rows + 2), 14)
    title = f"Which multiplier goes where along the front ({method_label(info.method)})"
    figure = canvas(width, height, title, info.caption)
    axes = figure.subplots()
    top = max(1.0, float(info.rel_power.max()))
    image = axes.imshow(info.rel_power, vmin=0, vmax=top, cmap="viridis", aspect="auto", interpolation="none")
    shown = range(0, columns, -(-columns // _MOST_LABELS))
    labels = [f"{info.rel_energy[p]:.3f} | {info.test_loss_pp[p]:.2f} pp" for p in shown]
    axes.set_xticks(shown, labels, rotation=90, fontsize=7)
    axes.set_yticks(range(rows), layers, fontsize=7 if rows <= 40 else 6)
    axes.tick_params(length=2)
    axes.set_xlabel("design of the front: relative energy | accuracy loss on the test images")
    axes.set_ylabel("layer, in forward order")
    figure.colorbar(image, ax=axes, label="power (exact = 1)", pad=0.01, aspect=30)
    if named:
        _write_names(axes, image, info)
    return figure


def _write_names(axes: Axes, image: AxesImage, info: AssignmentInfo) -> None:
    for (row, column), colour in np.ndenumerate(ink(image, info.rel_power)):
        name = drawn(info.names[row][column])
        axes.text(column, row, name, rotation=90, ha="center", va="center", fontsize=6, color=colour)
