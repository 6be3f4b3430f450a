"""How retraining went, epoch by epoch, and where it moved designs."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from dse.report._draw import QUIET, Look, canvas, legend_beside, looks
from dse.report._retraining import Retraining, RetrainingInfo
from dse.report._text import drawn


def draw_retraining(info: RetrainingInfo) -> Figure:
    """Draw validation accuracy by epoch, and each design's loss before and after."""
    figure = canvas(12.5, max(4.4, 1.5 + 0.17 * len(info.designs)), "Retraining", info.caption)
    styles = looks([design.name for design in info.designs])
    left, right = figure.subplots(1, 2)
    for design in info.designs:
        _draw_course(left, design, styles[design.name])
    left.set_title("validation images, while training")
    left.set_xlabel("epoch (0: before; ringed: the one kept)")
    left.set_ylabel("accuracy through the multipliers (%)")
    left.xaxis.get_major_locator().set_params(integer=True)
    _draw_moves(right, info, styles)
    for axes in (left, right):
        axes.grid(color="#eeeeee")
    legend_beside(figure, right)
    return figure


def _draw_course(axes: Axes, design: Retraining, look: Look) -> None:
    axes.plot(design.epochs, 100 * design.accuracy, color=look.colour, linestyle=look.line, marker=look.marker, markersize=3)
    kept = design.epochs == design.best_epoch
    axes.plot(design.epochs[kept], 100 * design.accuracy[kept], "o", color=look.colour, markersize=9, fillstyle="none")


def _draw_moves(axes: Axes, info: RetrainingInfo, styles: dict[str, Look]) -> None:
    axes.plot(*info.others.T, ".", color=QUIET, markersize=3, alpha=0.5, label="designs of the fronts", zorder=1)
    axes.plot(1.0, 0.0, "*", color="black", markersize=9, label="exact network, not retrained", zorder=3)
    for design in info.designs:
        look, energy = styles[design.name], design.rel_energy
        before, after = design.loss_before.pp, design.loss_after.pp
        mark: dict[str, Any] = {"marker": look.marker, "color": look.colour, "linestyle": "none", "zorder": 4}
        ends = (energy, before), (energy, after)
        axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=9, color=look.colour, shrinkA=0, shrinkB=3))
        axes.plot(energy, before, fillstyle="none", markersize=5, **mark)
        axes.errorbar(energy, after, design.loss_after.se_pp, color=look.colour, linewidth=0.8)
        axes.plot(energy, after, markersize=6, label=drawn(design.name), **mark)
    axes.set_ylim(*_range(info))
    axes.set_title("test images (open: before, filled: after, standard error)")
    axes.set_xlabel(f"relative energy at level {drawn(info.level)} (exact multiplier everywhere = 1)")
    axes.set_ylabel("accuracy loss against the exact network as it was (pp)")


def _range(info: RetrainingInfo) -> tuple[float, float]:
    """Return the losses shown: all after retraining, and those before up to what the run's other figures show."""
    after = [design.loss_after.pp + sign * design.loss_after.se_pp for design in info.designs for sign in (-1, 1)]
    before = [min(design.loss_before.pp, info.most_loss_pp) for design in info.designs]
    least, most = min(0.0, *after, *before), max(0.0, *after, *before)
    margin = 0.06 * max(most - least, 0.1)
    return least - margin, most + margin
