"""How learned values move over the steps of several runs, one panel per run and one curve per layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from dse.report._draw import QUIET, canvas
from dse.report._text import drawn
from dse.types import Floats

_MOST_NAMED = 24  # layers in the legend


@dataclass(frozen=True)
class TrajectoryInfo:
    """What the figure of trajectories shows."""

    layers: Sequence[str]  # (L,)
    paths: Mapping[str, Floats]  # run -> (N, L), positive
    averaged_from: float  # share of the steps from which on they are averaged
    value: str  # what the values are, for the axis
    title: str
    caption: str


def draw_trajectories(info: TrajectoryInfo) -> Figure:
    """Draw the runs side by side on the same logarithmic axis; where the average begins is marked."""
    figure = canvas(3.4 * len(info.paths) + 1.6, 3.8, info.title, info.caption)
    panels = figure.subplots(1, len(info.paths), sharey=True, squeeze=False)[0]
    colours = colormaps["viridis"](np.linspace(0, 0.95, len(info.layers)))
    for axes, (name, path) in zip(panels, info.paths.items(), strict=True):
        for values, colour, layer in zip(path.T, colours, info.layers, strict=True):
            axes.plot(np.arange(1, len(path) + 1), values, color=colour, linewidth=1, label=drawn(layer))
        axes.axvline(info.averaged_from * len(path), color=QUIET, linewidth=0.8, linestyle=":")
        axes.set(yscale="log", xlabel="step", title=drawn(name), xlim=(0, len(path)))
        axes.grid(axis="y", color="#eeeeee")
    panels[0].set_ylabel(info.value)
    if len(info.layers) <= _MOST_NAMED:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    return figure
