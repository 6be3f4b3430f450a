"""What the series of the CIFAR-10 study save and lose, from rows of `designs.csv` and `retrained.csv`."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gather import EXACT, OURS

from dse.pareto import cheapest_within, non_dominated
from dse.report import LOSS_LEVELS_PP, UNIFORM
from dse.types import Floats

Row = Mapping[str, str]
Series = tuple[str, str]  # arm, method
# what the page calls them, in its order, and what figures do
_NAMES: Mapping[Series, tuple[str, str]] = {
    (OURS, "nsga2"): ("ours, approximate circuits", "ours"),
    ("long", "nsga2"): ("ours, approximate circuits, 1,000 evaluations", "ours, 1,000 evaluations"),
    ("joint", "nsga2"): ("ours, approximate circuits and reduced widths", "ours, both kinds"),
    (OURS, "alwann"): ("ALWANN-style search, our format and means", "ALWANN-style"),
    ("long-alwann", "alwann"): (
        "ALWANN-style search, our format and means, 1,000 evaluations",
        "ALWANN-style, 1,000 evaluations",
    ),
    (OURS, "matching"): ("AGN matching (ICCAD 2022), our format and means", "AGN matching"),
    (OURS, UNIFORM): ("best uniform circuit, our format and means", "uniform circuit"),
    ("alwann-u8", "alwann"): ("ALWANN-style search, own format", "ALWANN-style, own format"),
    ("alwann-u8", UNIFORM): ("best uniform circuit, ALWANN's format", "uniform circuit, own format"),
    ("widths", "nsga2"): ("exact reduced width, mixed precision", "reduced width, mixed"),
    ("widths", UNIFORM): ("exact reduced width, uniform", "reduced width, uniform"),
}
SERIES = {series: name for series, (name, _) in _NAMES.items()}
DRAWN = {series: name for series, (_, name) in _NAMES.items()}


@dataclass(frozen=True)
class Cell:
    """What one seed of a series saves within a loss; the losses are of the test images."""

    saving: float  # %
    loss: float  # pp
    se: float  # pp
    approximate: float  # % of the multiplications by approximate circuits


Cells = Mapping[tuple[str, Series, float], Sequence[Cell | None]]  # network, series, level -> one per seed


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none where it is not there."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_seed(rows: Iterable[Row]) -> dict[tuple[str, Series], dict[str, list[Row]]]:
    """Return the rows of each network and series by seed, without the exact network's."""
    found: dict[tuple[str, Series], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["method"] != EXACT:
            found[row["network"], (row["arm"], row["method"])][row["seed"]].append(row)
    return found


def within(rows: Iterable[Row], loss: str, levels: Sequence[float] = LOSS_LEVELS_PP) -> Cells:
    """Return the cheapest design of each seed at every level by the column `loss`; None where a seed has none."""
    found: dict[tuple[str, Series, float], list[Cell | None]] = {}
    for (network, series), seeds in by_seed(rows).items():
        for level in levels:
            cells = found[network, series, level] = []
            for mine in seeds.values():
                energy = 1 - column(mine, "saving_percent") / 100
                best = cheapest_within(energy, column(mine, loss), level)
                cells.append(None if best is None else cell(mine[best]))
    return found


def saving_at_least(rows: Iterable[Row], saving: float) -> Mapping[tuple[str, Series], Sequence[Cell | None]]:
    """Return the design of each seed that is expected to lose least among those that save so many %; None without one."""
    found: dict[tuple[str, Series], list[Cell | None]] = {}
    for which, seeds in by_seed(rows).items():
        kept = ([row for row in mine if float(row["saving_percent"]) >= saving] for mine in seeds.values())
        found[which] = [cell(mine[int(np.argmin(column(mine, "loss_pp")))]) if mine else None for mine in kept]
    return found


def cell(row: Row) -> Cell:
    """Return the figures of a row."""
    return Cell(*(float(row[key]) for key in ("saving_percent", "test_loss_pp", "test_se_pp", "approximate_percent")))


def column(rows: Sequence[Row], name: str) -> Floats:
    """Return one column of rows, `(P,)`."""
    return np.array([float(row[name]) for row in rows])


def divergences_at(seeds: Mapping[str, Sequence[Row]], savings: Sequence[float]) -> Floats:
    """Return the divergences on test images in nats at savings in %, `(S,)`: means over seeds, read off as losses are."""
    return np.mean([_read_off(rows, "test_divergence", savings) for rows in seeds.values()], axis=0)


def losses_at(seeds: Mapping[str, Sequence[Row]], savings: Sequence[float]) -> tuple[Floats, Floats]:
    """Return test losses in pp and their standard errors at savings in %, `(S,)` each: means over seeds.

    Each seed's are read off the line between neighbouring designs of its front, which is that of the losses that choose. NaN
    beyond the end of a seed's front. The seeds are taken for independent.
    """
    losses, errors = (
        np.array([_read_off(rows, name, savings) for rows in seeds.values()]) for name in ("test_loss_pp", "test_se_pp")
    )
    return np.mean(losses, axis=0), np.sqrt(np.sum(np.square(errors), axis=0)) / len(errors)


def _read_off(rows: Sequence[Row], name: str, savings: Sequence[float]) -> Floats:
    """Return a figure of one seed's designs at savings `(S,)`; NaN beyond its front."""
    saving, chosen_by = column(rows, "saving_percent"), column(rows, "loss_pp")
    front = np.flatnonzero(non_dominated(np.column_stack([-saving, chosen_by])))
    front = front[np.argsort(saving[front])]
    return np.interp(savings, saving[front], column(rows, name)[front], left=np.nan, right=np.nan)
