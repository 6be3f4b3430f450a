"""The error of a multiplier for every pair of operands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dse.multipliers import Multiplier
from dse.report._draw import canvas, save


@dataclass(frozen=True)
class ErrorMap:
    """What the heat map of one multiplier shows."""

    name: str
    error: NDArray[np.int64]  # (2^Bx, 2^Bw), rows and columns by rising value of activation and weight
    x_range: tuple[int, int]  # smallest and largest activation
    w_range: tuple[int, int]
    caption: str


def draw_error_maps(multipliers: Iterable[Multiplier], folder: Path) -> list[Path]:
    """Draw a heat map of each multiplier's error, a PNG and a PDF named after it.

    Args:
        multipliers: The multipliers.
        folder: Where to; made if it is missing.

    Returns:
        The PNG files.

    Raises:
        InputError: A file cannot be written.
    """
    return [save(partial(draw_error_map, error_map(m)), folder, re.sub(r"[^\w.-]", "_", m.name)) for m in multipliers]


def error_map(multiplier: Multiplier) -> ErrorMap:
    """Compute the heat map of a multiplier's error."""
    x, w, e = multiplier.x_values, multiplier.w_values, multiplier.errors
    return ErrorMap(
        name=multiplier.name,
        error=multiplier.error[np.ix_(np.argsort(x), np.argsort(w))],
        x_range=(int(x.min()), int(x.max())),
        w_range=(int(w.min()), int(w.max())),
        caption=f"MAE {e.mae:.4g} · WCE {e.wce} · mean {e.mean_error:.4g} · std {e.std_error:.4g} · "
        f"MRE {100 * e.mre:.3g} % · wrong {100 * e.error_probability:.3g} %",
    )


def draw_error_map(info: ErrorMap) -> Figure:
    """Draw the heat map of a multiplier's error: red where the product is too large, blue where it is too small."""
    figure = canvas(5.2, 4.6, f"Error of {info.name}", info.caption)
    axes = figure.subplots()
    most = max(int(np.abs(info.error).max()), 1)
    image = axes.imshow(
        info.error,
        norm=SymLogNorm(linthresh=max(most / 100, 1), vmin=-most, vmax=most),
        cmap="RdBu_r",
        origin="lower",
        aspect="auto",
        interpolation="none",
        extent=(info.w_range[0] - 0.5, info.w_range[1] + 0.5, info.x_range[0] - 0.5, info.x_range[1] + 0.5),
    )
    axes.set_xlabel("weight")
    axes.set_ylabel("activation")
    figure.colorbar(image, ax=axes, label="product - exact product", pad=0.02)
    return figure
