"""How several robustness profiles rank the layers, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from scipy.stats import kendalltau, spearmanr

from dse.exceptions import InputError
from dse.report._draw import canvas, room
from dse.report._files import read_csv
from dse.report._text import drawn, markdown, number
from dse.types import Floats

_LABELS = {"agn": "learned noise (AGN)", "fisher": "Fisher information", "sweep": "noise sweep"}
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class ProfilesInfo:
    """What the figure and the table of the profiles show: F profiles of L layers."""

    layers: tuple[str, ...]  # (L,)
    shares: Mapping[str, Floats]  # profile -> (L,) share of the cost of equal relative noise everywhere, percent
    spearman: Floats  # (F, F) rank correlations of the layers' costs; NaN where one does not vary
    kendall: Floats  # (F, F)


def profiles_info(path: Path) -> ProfilesInfo | None:
    """Read profiles.csv (`layer`, `op_count`, and `<profile>_sigma`, `<profile>_alpha` for each); None without the file.

    Raises:
        InputError: One line that names file and column, for anything that is not as it should be.
    """
    if not path.exists():
        return None
    file = read_csv(path)
    names = [column.removesuffix("_alpha") for column in file.columns if column.endswith("_alpha")]
    if not names:
        raise InputError(f"{path}: expected a column '<profile>_alpha', got {', '.join(file.columns)}; repeat the run")
    costs = {name: file.numbers(f"{name}_alpha") for name in names}
    for name, cost in costs.items():
        if (cost < 0).any():
            raise file.fault(f"{name}_alpha", int(np.argmin(cost)), "a number >= 0")
    shares = {name: 100 * cost / cost.sum() if cost.sum() > 0 else cost for name, cost in costs.items()}
    pairs = [[(a, b) for b in costs.values()] for a in costs.values()]
    return ProfilesInfo(
        layers=file.texts("layer"),
        shares=shares,
        spearman=np.array([[_rank(spearmanr, a, b) for a, b in row] for row in pairs]),
        kendall=np.array([[_rank(kendalltau, a, b) for a, b in row] for row in pairs]),
    )


def profiles_table(info: ProfilesInfo) -> list[list[str]]:
    """Return header and rows: each profile's rank correlation with every other, Spearman's rho / Kendall's tau."""
    names = list(info.shares)
    rows = [
        [
            _label(name),
            *(f"{number(info.spearman[i, j], 2)} / {number(info.kendall[i, j], 2)}" for j in range(len(names))),
        ]
        for i, name in enumerate(names)
    ]
    return [["profile", *map(_label, names)], *rows]


def profiles_text(info: ProfilesInfo) -> str:
    """Return the table in Markdown with what it says."""
    head, *rows = [[markdown(cell) for cell in row] for row in profiles_table(info)]
    lines = [head, ["---"] * len(head), *rows]
    return (
        f"Rank correlation of what noise costs in the {len(info.layers)} layers, Spearman's rho / Kendall's tau-b.\n\n"
        + "\n".join("| " + " | ".join(line) + " |" for line in lines)
    )


def draw_profiles(info: ProfilesInfo, caption: str) -> Figure:
    """Draw each layer's share of the cost by every profile, as points: a bar has no length on a logarithmic axis."""
    n, count = len(info.layers), len(info.shares)
    labels = [drawn(name) for name in info.layers]
    figure = canvas(min(max(5.5, 0.3 * n + 1.5), 16), 3.6 + room(labels), "What noise costs in each layer", caption)
    axes = figure.subplots()
    for i, (name, share) in enumerate(info.shares.items()):
        at = np.arange(n) + (i - (count - 1) / 2) * 0.5 / count
        shown = np.where(share > 0, share, np.nan)  # a layer that bears anything has no point
        colour, marker = _COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)]
        axes.plot(at, shown, linestyle="none", marker=marker, markersize=5, color=colour, label=drawn(_label(name)))
    if any((share > 0).any() for share in info.shares.values()):
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.set_ylabel("share of the network's sensitivity, % (log scale)")
    axes.set_xticks(np.arange(n), labels, rotation=90 if n > 12 else 45)
    if n <= 12:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_xlabel("layer, in forward order")
    axes.grid(axis="y", color="#eeeeee")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=count)  # above: points may stand anywhere below
    return figure


def _label(name: str) -> str:
    return _LABELS.get(name, name)


def _rank(statistic: object, a: Floats, b: Floats) -> float:
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(statistic(a, b).statistic)  # type: ignore[operator]
