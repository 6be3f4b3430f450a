"""Hypervolume over evaluations of several methods and seeds: the median and the band of the middle half."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dse.report._draw import QUIET, canvas, looks
from dse.report._text import drawn, method_label
from dse.types import Floats

_APART = 0.05  # of the axes' height, between two labels


@dataclass(frozen=True)
class Band:
    """One method after each of N evaluations, over its seeds."""

    method: str
    lower: Floats  # (N,) lower quartile, % of the reference front's hypervolume
    median: Floats  # (N,)
    upper: Floats  # (N,) upper quartile
    note: str  # what the label adds to the name; empty for nothing


@dataclass(frozen=True)
class BandInfo:
    """What the figure of the hypervolume shows."""

    bands: tuple[Band, ...]
    baseline: str  # method whose median final value is marked
    title: str
    caption: str


def draw_bands(info: BandInfo) -> Figure:
    """Draw the hypervolume over evaluations, each method named at the end of its curve."""
    figure = canvas(8.0, 4.6, info.title, info.caption)
    axes = figure.subplots()
    styles = looks([b.method for b in info.bands])
    axes.grid(color="#eeeeee")
    axes.axhline(100, color=QUIET, linewidth=0.8)
    for band in info.bands:
        colour, line = styles[band.method].colour, styles[band.method].line
        x = np.arange(1, len(band.median) + 1)
        axes.fill_between(x, band.lower, band.upper, step="post", color=colour, alpha=0.15, linewidth=0)
        axes.plot(x, band.median, color=colour, linestyle=line, drawstyle="steps-post", linewidth=1.4)
    most = max(len(b.median) for b in info.bands)
    axes.set_xlim(0, most)
    bottom, top = _limits(info.bands)
    axes.set_ylim(bottom, top)
    for band in info.bands:
        if band.method == info.baseline:
            axes.axhline(band.median[-1], color=styles[band.method].colour, linestyle=(0, (1, 2)), linewidth=0.9)
    _name_ends(axes, info.bands, [styles[b.method].colour for b in info.bands])
    axes.set_xlabel("evaluations (distinct designs simulated on all search images)")
    axes.set_ylabel("hypervolume (% of the reference front's)")
    return figure


def _limits(bands: Sequence[Band]) -> tuple[float, float]:
    """Leave out the first steep tenth of the curves, which would flatten the rest."""
    starts = [b.lower[len(b.lower) // 10] for b in bands]
    low, high = min(starts), max(100.0, max(float(b.upper[-1]) for b in bands))
    return low - 0.05 * (high - low) - 0.5, high + 0.03 * (high - low)


def _name_ends(axes: Axes, bands: Sequence[Band], colours: Sequence[str]) -> None:
    bottom, top = axes.get_ylim()
    ends = [float(np.clip((b.median[-1] - bottom) / (top - bottom), 0, 1)) for b in bands]
    for band, colour, height in zip(bands, colours, spread(ends, _APART), strict=True):
        text = drawn(method_label(band.method)) + (f" {drawn(band.note)}" if band.note else "")
        axes.text(1.015, height, text, color=colour, transform=axes.transAxes, va="center", fontsize=8)


def spread(heights: Sequence[float], apart: float) -> list[float]:
    """Return heights moved so that none is closer than `apart` to the next, in their order, within 0 and 1 if they fit."""
    order = np.argsort(heights, kind="stable")
    placed = np.array(heights, dtype=float)[order]
    for _ in range(100):  # pushing neighbours apart settles long before
        for i in range(len(placed) - 1):
            overlap = apart - (placed[i + 1] - placed[i])
            if overlap > 1e-9:
                placed[i] -= overlap / 2
                placed[i + 1] += overlap / 2
        placed += max(0.0, -placed.min()) - max(0.0, placed.max() - 1.0) if len(placed) else 0.0
    result = np.empty(len(placed))
    result[order] = placed
    return result.tolist()
