"""The fronts of all methods: relative energy against accuracy loss, on the search and on the test images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from dse.pareto import non_dominated
from dse.report._caption import caption
from dse.report._draw import QUIET, Look, canvas, legend_beside, looks
from dse.report._labels import Label, placed
from dse.report._run import RunData
from dse.report._text import drawn, method_label
from dse.types import Floats

_EXACT = (1.0, 0.0)  # the exact network's star
_TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 2.0, 5.0)  # of relative energy


@dataclass(frozen=True)
class MethodFront:
    """Designs of one method's front, as (relative energy, loss in pp)."""

    method: str
    attained: Floats  # (N, 2) those that no other of the same method dominates on these images, by rising energy
    dominated: Floats  # (D, 2) the others


@dataclass(frozen=True)
class Panel:
    """One set of images."""

    title: str
    fronts: tuple[MethodFront, ...]  # methods with designs only
    uniforms: Floats  # (U, 2)
    labels: tuple[Label, ...]  # names of uniforms
    float_loss_pp: float | None  # loss of the float network against the quantised one, where it is known
    limits: tuple[float, float, float, float]  # least and most relative energy, least and most loss shown
    beyond: int  # front designs and uniforms with more loss than is shown


@dataclass(frozen=True)
class FrontInfo:
    """What the figure of the fronts shows."""

    panels: tuple[Panel, ...]
    methods: tuple[str, ...]
    library_floor: float
    energy_label: str
    caption: str


def front_info(run: RunData) -> FrontInfo:
    """Compute the figure of the fronts."""
    base = run.metrics
    gap = 100 * (base.number("baselines", "quantised_accuracy") - base.number("baselines", "float_accuracy"))
    search = {m: np.column_stack([f.rel_energy, f.search_loss_pp]) for m, f in run.fronts.items()}
    test = {m: np.column_stack([f.rel_energy, f.test_loss_pp]) for m, f in run.fronts.items()}
    uniforms = run.uniforms
    panels = (
        _panel(run, "search images: what the methods optimised", search, uniforms.search_loss_pp, None),
        _panel(run, "test images: what the designs keep", test, uniforms.test_loss_pp, gap),
    )
    level = "multiplier" if run.energy is None else run.energy.level
    label = "relative multiplication energy" if level == "multiplier" else f"relative energy at level {drawn(level)}"
    return FrontInfo(panels, run.methods, run.library_floor, label, caption(run))


def staircase(attained: Floats, most_energy: float, most_loss: float) -> Floats:
    """Return the corners `(2N + 1, 2)` of the region that `(N, 2)` non-dominated points by rising energy attain."""
    energy, loss = np.repeat(attained, 2, axis=0).T
    start, end = max(most_loss, attained[0, 1]), max(most_energy, attained[-1, 0])
    return np.column_stack([np.append(energy, end), np.concatenate([[start], loss])])


def _panel(run: RunData, title: str, points: dict[str, Floats], losses: Floats, float_loss: float | None) -> Panel:
    fronts = tuple(_method_front(m, points[m]) for m in run.methods if len(points[m]))
    uniforms = np.column_stack([run.uniforms.rel_energy, losses])
    limits = _limits(run, [*points.values(), uniforms], float_loss)
    lines = [staircase(front.attained, limits[1], limits[3]) for front in fronts]
    if float_loss is not None:
        lines.append(np.array([[limits[0], float_loss], [limits[1], float_loss]]))
    marks = np.vstack([uniforms, [_EXACT], *(front.attained for front in fronts), *map(_along, lines)])
    labels = _uniform_labels(run.uniforms.names, uniforms, marks, limits)
    beyond = sum(int((p[:, 1] > limits[3]).sum()) for p in [*points.values(), uniforms])
    return Panel(title, fronts, uniforms, labels, float_loss, limits, beyond)


def _method_front(method: str, points: Floats) -> MethodFront:
    kept = non_dominated(points)
    attained = points[kept]
    return MethodFront(method, attained[np.argsort(attained[:, 0])], points[~kept])


def _limits(run: RunData, points: list[Floats], float_loss: float | None) -> tuple[float, float, float, float]:
    most_loss = float(run.reference[1])
    everything = np.vstack([*points, [[1.0, float_loss or 0.0], _EXACT]])
    energy = everything[everything[:, 1] <= most_loss, 0]
    low, high = float(energy.min()), float(max(energy.max(), run.reference[0]))
    margin = 1.05 if low > 0 else 1.0
    least_loss = min(float(everything[:, 1].min()), 0.0)
    return low / margin, high * 1.05, least_loss - 0.06 * (most_loss - least_loss), most_loss


def _uniform_labels(
    names: tuple[str, ...], points: Floats, marks: Floats, limits: tuple[float, float, float, float]
) -> tuple[Label, ...]:
    """Name the uniform designs that no other one dominates, where there is room."""
    shown = non_dominated(points) & (points[:, 1] < limits[3])
    shown &= (points != _EXACT).any(axis=1)
    by_energy = np.argsort(points[:, 0], kind="stable")
    chosen = by_energy[shown[by_energy]]
    return tuple(placed([names[i] for i in chosen], points[chosen], marks, limits, log=limits[0] > 0))


def _along(corners: Floats) -> Floats:
    """Return many points on a line through corners `(C, 2)`, for names to keep clear of."""
    steps = np.linspace(0, 1, 300)[:, None, None]
    return (corners[:-1] + steps * (corners[1:] - corners[:-1])).reshape(-1, 2)


def draw_fronts(info: FrontInfo) -> Figure:
    """Draw the fronts."""
    figure = canvas(12.5, 4.8, "Relative energy against accuracy loss", info.caption)
    styles = looks(info.methods)
    columns = figure.subplots(1, len(info.panels))
    for axes, panel in zip(columns, info.panels, strict=True):
        _draw_context(axes, panel, info.library_floor)
        for front in panel.fronts:
            _draw_front(axes, front, styles[front.method], panel.limits)
        if panel.limits[0] > 0:
            axes.set_xscale("log")
            axes.set_xticks([t for t in _TICKS if panel.limits[0] <= t <= panel.limits[1]], minor=False)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        axes.set_xlim(panel.limits[0], panel.limits[1])
        axes.set_ylim(panel.limits[2], panel.limits[3])
        axes.set_title(panel.title)
        axes.set_xlabel(f"{info.energy_label} (exact multiplier everywhere = 1)")
        axes.set_ylabel("accuracy loss against the quantised network (pp)")
    legend_beside(figure, columns[-1])
    return figure


def _draw_front(axes: Axes, front: MethodFront, look: Look, limits: tuple[float, ...]) -> None:
    steps = staircase(front.attained, limits[1], limits[3])
    inner = steps[1:-1]  # from the first design to the last; beyond them the line only says what they attain
    axes.plot(*steps.T, color=look.colour, linewidth=0.7, alpha=0.45, zorder=2)
    axes.plot(*inner.T, color=look.colour, linestyle=look.line, linewidth=1.4, zorder=3)
    axes.plot(*front.dominated.T, look.marker, color=look.colour, markersize=3, alpha=0.3, zorder=2)
    mark: dict[str, Any] = {"marker": look.marker, "color": look.colour, "markersize": 8 if look.marker == "*" else 6}
    if look.marker != "x":
        mark |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
    axes.plot(*front.attained.T, linestyle="none", zorder=4, **mark)
    axes.plot([], [], linestyle=look.line, linewidth=1.4, label=drawn(method_label(front.method)), **mark)


def _draw_label(axes: Axes, label: Label) -> None:
    right, above = label.side
    text = axes.annotate(label.text, label.point, (3 * right, 3 * above), textcoords="offset points", zorder=6)
    text.set(ha="left" if right > 0 else "right", va="bottom" if above > 0 else "top")
    text.set(fontsize=6, color="#444444", path_effects=[withStroke(linewidth=2.5, foreground="white")])


def _draw_context(axes: Axes, panel: Panel, floor: float) -> None:
    axes.grid(color="#eeeeee")
    axes.plot(*panel.uniforms.T, "+", color=QUIET, markersize=5, label="one multiplier in all layers", zorder=1)
    for label in panel.labels:
        _draw_label(axes, label)
    axes.plot(*_EXACT, "*", color="black", markersize=9, label="exact quantised network", zorder=5)
    axes.axvline(floor, color=QUIET, linestyle=":", linewidth=1, label=f"least energy of the library, {floor:.2g}")
    if panel.float_loss_pp is not None:
        axes.axhline(panel.float_loss_pp, color="black", linestyle="--", linewidth=0.8, label="float network")
    if panel.beyond:
        axes.set_title(f"{panel.beyond} designs lie above {panel.limits[3]:g} pp", loc="right", fontsize=6, color=QUIET)
