"""Hypervolume over evaluations: how fast each method finds its front on the search images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from dse.pareto import hypervolume_curve
from dse.report._caption import caption
from dse.report._draw import QUIET, canvas, legend_beside, looks
from dse.report._run import RunData
from dse.report._text import drawn, method_label
from dse.types import Floats

BASELINE = "alwann"  # the method whose final value the others are timed against


@dataclass(frozen=True)
class Curve:
    """Hypervolume of one method after each of its N evaluations."""

    method: str
    evaluation: Floats  # (N,)
    hypervolume: Floats  # (N,) in the product of the objectives' units
    reached: int | None  # evaluation at which the baseline's final value was reached, where it was


@dataclass(frozen=True)
class HypervolumeInfo:
    """What the figure of the hypervolume shows."""

    curves: tuple[Curve, ...]  # methods with evaluations only
    level: float | None  # final value of the baseline, where it was run
    unit: str
    caption: str


def hypervolume_info(run: RunData) -> HypervolumeInfo:
    """Compute the hypervolume of all methods over evaluations, in all objectives of the run."""
    evaluations = {m: run.evaluations[m] for m in run.methods if len(run.evaluations[m].number)}
    values = {m: hypervolume_curve(e.objectives, run.reference) for m, e in evaluations.items()}
    level = float(values[BASELINE][-1]) if BASELINE in values else None
    curves = tuple(Curve(m, e.number, values[m], _reached(e.number, values[m], level)) for m, e in evaluations.items())
    return HypervolumeInfo(curves, level, hypervolume_unit(run), f"{caption(run)} · {reference_text(run)}")


def hypervolume_unit(run: RunData) -> str:
    """Return the product of the objectives that a run's hypervolume is in."""
    return " × ".join(["relative energy", "pp", *run.objectives[2:]])


def reference_text(run: RunData) -> str:
    """Say where the hypervolume ends in each objective."""
    others = [f"{name} {value:.4g}" for name, value in zip(run.objectives[2:], run.reference[2:].tolist(), strict=True)]
    return ", ".join([f"reference point: relative energy {run.reference[0]:g}", f"loss {run.reference[1]:g} pp", *others])


def _reached(evaluation: Floats, values: Floats, level: float | None) -> int | None:
    if level is None or level <= 0:
        return None
    there = np.flatnonzero(values >= level * (1 - 1e-9))
    return int(evaluation[there[0]]) if there.size else None


def draw_hypervolume(info: HypervolumeInfo) -> Figure:
    """Draw the hypervolume over evaluations."""
    figure = canvas(9.5, 4.2, "Hypervolume over evaluations", info.caption)
    axes = figure.subplots()
    styles = looks([c.method for c in info.curves])
    for curve in info.curves:
        look, label = styles[curve.method], drawn(method_label(curve.method))
        if curve.reached is not None and curve.method != BASELINE and info.level is not None:
            label += f" (there at {curve.reached})"
            axes.plot([curve.reached], [info.level], "|", color=look.colour, markersize=14, markeredgewidth=1.6, zorder=4)
        axes.plot(
            curve.evaluation,
            curve.hypervolume,
            color=look.colour,
            linestyle=look.line,
            drawstyle="steps-post",
            marker=look.marker,
            markersize=5,
            markevery=[len(curve.evaluation) - 1],
            label=label,
        )
    if info.level is not None:
        label = f"{method_label(BASELINE)} final value, {info.level:.3f};\n'there at': evaluation that reached it"
        axes.axhline(info.level, color=QUIET, linewidth=0.8, zorder=1, label=label)
    axes.grid(color="#eeeeee")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=-0.02 * axes.get_ylim()[1])
    axes.set_xlabel("evaluation (distinct designs simulated on the search images)")
    axes.set_ylabel(f"hypervolume ({drawn(info.unit, 60)})")
    legend_beside(figure, axes)
    return figure
