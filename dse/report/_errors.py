"""The predicted error of every multiplier in every layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from dse.report._caption import caption
from dse.report._draw import canvas, ink, room
from dse.report._run import RunData
from dse.report._text import drawn
from dse.types import Floats

_MOST_NUMBERS = 200  # cells in which a number is still legible
_MOST_NAMES = 120  # of multipliers, which would otherwise lie on one another
_NOTHING = "#d9d9d9"


@dataclass(frozen=True)
class ErrorInfo:
    """What the heat map of the errors shows."""

    layers: tuple[str, ...]  # (L,)
    multipliers: tuple[str, ...]  # (M,) by falling power
    power_mw: Floats  # (M,)
    std: Floats  # (L, M) relative to the layer's output std; NaN where no error is predicted
    limits: tuple[float, float]  # of the colours, both positive
    caption: str


def error_info(run: RunData) -> ErrorInfo:
    """Compute the heat map of the errors."""
    order = np.argsort(-run.power_mw, kind="stable")
    std = np.where(run.error_std > 0, run.error_std, np.nan)[:, order]
    positive = std[std > 0]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 1.0)
    limits = (low, high) if low < high else (low / 2, high * 2)
    return ErrorInfo(
        run.layers, tuple(run.multipliers[m] for m in order), run.power_mw[order], std, limits, caption(run)
    )


def draw_errors(info: ErrorInfo) -> Figure:
    """Draw the heat map of the errors."""
    rows, columns = info.std.shape
    numbers = rows * columns <= _MOST_NUMBERS
    names = [f"{drawn(n)} ({p:.3g})" for n, p in zip(info.multipliers, info.power_mw, strict=True)]
    layers = [drawn(n) for n in info.layers]
    width = min(max(4.2, 0.3 * columns), 13) + 1.8 + room(layers)
    height = min(max(1.8, (0.3 if numbers else 0.17) * rows), 12) + 1.2 + room(names)
    figure = canvas(width, height, "Predicted error of every multiplier in every layer", info.caption)
    axes = figure.subplots()
    axes.set_facecolor(_NOTHING)
    image = axes.imshow(info.std, norm=LogNorm(*info.limits), cmap="viridis", aspect="auto", interpolation="none")
    size = 7 if max(rows, columns) <= 40 else 5.5
    every = -(-columns // _MOST_NAMES)
    axes.set_xticks(range(0, columns, every), names[::every], rotation=90, fontsize=size)
    axes.set_yticks(range(rows), layers, fontsize=size)
    axes.tick_params(length=2)
    left_out = "" if every == 1 else f"; one of {every} is named"
    axes.set_xlabel(f"multiplier (power, mW), by falling power{left_out}")
    axes.set_ylabel("layer, in forward order")
    figure.colorbar(image, ax=axes, label="std of the error\n(1 = std of the layer's output)", pad=0.01, aspect=30)
    if np.isnan(info.std).any():
        patch = Patch(color=_NOTHING, label="no error")
        axes.legend(handles=[patch], loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    if numbers:
        _write_numbers(axes, image, info.std)
    return figure


def _write_numbers(axes: Axes, image: AxesImage, values: Floats) -> None:
    colours = ink(image, values)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = f"{value:.2f}".removeprefix("0") if value >= 0.005 else f"{value:.0e}".replace("e-0", "e-")
            axes.text(column, row, text, ha="center", va="center", fontsize=5.5, color=colours[row, column])
