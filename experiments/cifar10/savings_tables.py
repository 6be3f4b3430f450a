"""The tables of the CIFAR-10 study's page, from rows of the CSV files of `gather.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from gather import EXACT, OURS
from series import SERIES, Cell, Cells, Row, by_seed, divergences_at, losses_at

from dse.report import LOSS_LEVELS_PP
from dse.types import Floats

SAVINGS = (50, 60, 70, 75, 80, 85, 88, 90, 92, 94)  # %, of the comparison at equal energy
MIXED, APPROXIMATE = ("widths", "nsga2"), (OURS, "nsga2")  # whose difference it says


def cell_text(cells: Sequence[Cell | None], level: float) -> str:
    """Return one cell of a table: mean saving, its range over several seeds, mean loss and mean standard error."""
    kept = [cell for cell in cells if cell is not None]
    if not kept:
        return "–"
    savings = [cell.saving for cell in kept]
    spread = f" ({min(savings):.1f}..{max(savings):.1f}, {len(kept)} seeds)" if len(kept) > 1 else ""
    missing = f", {len(kept)} of {len(cells)} seeds" if len(kept) < len(cells) else ""
    loss, error = (float(np.mean([getattr(cell, name) for cell in kept])) for name in ("loss", "se"))
    above = " †" if loss > level + 1e-9 else ""
    return f"**{np.mean(savings):.1f}**{spread} at {loss:.2f} ± {error:.2f}{missing}{above}"


def table(cells: Cells, network: str) -> Iterator[str]:
    """Yield the table of one network: a row for each series, a column for each level."""
    yield "| | " + " | ".join(f"≤ {level:g} pp" for level in LOSS_LEVELS_PP) + " |"
    yield "|---" * (len(LOSS_LEVELS_PP) + 1) + "|"
    for series, label in SERIES.items():
        found = [cells.get((network, series, level)) for level in LOSS_LEVELS_PP]
        if any(found):
            texts = (cell_text(cell or (), level) for cell, level in zip(found, LOSS_LEVELS_PP, strict=True))
            yield f"| {label} | " + " | ".join(texts) + " |"


def equal_energy(rows: Sequence[Row], network: str) -> Iterator[str]:
    """Yield what series lose at equal savings, and what exact reduced widths lose less than approximate circuits."""
    found = {series: losses_at(seeds, SAVINGS) for (name, series), seeds in by_seed(rows).items() if name == network}
    if not {MIXED, APPROXIMATE} <= found.keys():
        return
    yield from at_savings_head()
    for series, label in SERIES.items():
        if series in found:
            yield from at_savings(label, found[series][0], 2)
    (ours, our_se), (exact, exact_se) = found[APPROXIMATE], found[MIXED]
    gap, error = ours - exact, np.hypot(our_se, exact_se)
    cells = ("–" if np.isnan(g) else f"{g:+.2f} ± {e:.2f}" for g, e in zip(gap, error, strict=True))
    yield "| approximate circuits less mixed precision | " + " | ".join(cells) + " |"
    yield ""
    for what, where in (
        ("exact reduced widths, mixed over layers, lose less than approximate circuits", gap > error),
        ("approximate circuits lose less", gap < -error),
        ("no further apart than the standard error of the difference", np.abs(gap) <= error),
        ("not compared, where one of the two has no designs", np.isnan(gap)),
    ):
        at = ", ".join(f"{saving} %" for saving, holds in zip(SAVINGS, where, strict=True) if holds)
        yield f"- {what}: {at or 'nowhere'}"
    yield ""
    yield "The error of the difference is that of independent losses; they share their images, so it is rather less."


def at_savings_head() -> Iterator[str]:
    """Yield the head of a table with a column for each saving."""
    yield "| | " + " | ".join(f"{saving} %" for saving in SAVINGS) + " |"
    yield "|---" * (len(SAVINGS) + 1) + "|"


def at_savings(label: str, figures: Floats, digits: int) -> Iterator[str]:
    """Yield the row of a series with figures `(S,)` at all savings; none where it has no designs there."""
    if np.isfinite(figures).any():
        yield f"| {label} | " + " | ".join("–" if np.isnan(x) else f"{x:.{digits}f}" for x in figures) + " |"


def diverging(rows: Sequence[Row], network: str) -> Iterator[str]:
    """Yield how far series diverge from the exact network at equal savings."""
    yield from at_savings_head()
    seeds = by_seed(row for row in rows if row["network"] == network)
    for series, label in SERIES.items():
        if (network, series) in seeds:
            yield from at_savings(label, 1000 * divergences_at(seeds[network, series], SAVINGS), 1)


def retrained_designs(rows: Sequence[Row], network: str) -> Iterator[str]:
    """Yield the table of all retrained designs of the first seed, and what the exact network gains."""
    mine = [row for row in rows if row["network"] == network]
    yield "| | saved, % | before, pp | after, pp | after, against the exact network retrained alike |"
    yield "|---" * 5 + "|"
    for (name, series), seeds in by_seed(mine).items():
        for row in sorted(seeds.get("0", []), key=lambda row: float(row["saving_percent"])) if name == network else ():
            loss, error, against, its = (
                float(row[key]) for key in ("test_loss_pp", "test_se_pp", "against_retrained_pp", "against_retrained_se_pp")
            )
            figures = f"{float(row['before_pp']):.2f} | {loss:.2f} ± {error:.2f} | {against:.2f} ± {its:.2f}"
            yield f"| {SERIES[series]} | {float(row['saving_percent']):.1f} | {figures} |"
    gains: dict[str, dict[str, float]] = {"sm8": {}, "u8": {}}  # arms of one format and seed have the same training
    for row in (row for row in mine if row["method"] == EXACT):
        gains["u8" if row["arm"] == "alwann-u8" else "sm8"][row["seed"]] = -float(row["test_loss_pp"])
    said = [
        f"{np.mean(list(found.values())):+.2f} pp in {kind} ({len(found)} training{'s' * (len(found) > 1)})"
        for kind, found in gains.items()
        if found
    ]
    yield ""
    yield f"By the same training the exact network itself gains {' and '.join(said)}."


def baselines(folder: Path) -> Iterator[str]:
    """Yield the table of the float and 8-bit networks."""
    yield "| network | parameters | float | sm8 | u8 | s8 | epochs | training images |"
    yield "|---" * 8 + "|"
    for path in sorted(folder.glob("*.json"), key=lambda path: by_family_and_depth(path.stem)):
        found = json.loads(path.read_text(encoding="utf-8"))
        accuracy = [f"{100 * found[f'accuracy_{kind}']:.2f} %" for kind in ("float", "sm8", "u8", "s8")]
        yield (
            f"| {found['network']} | {found['parameters']:,} | "
            + " | ".join(accuracy)
            + f" | {found['settings']['epochs']} | {found['training_images']:,} |"
        )


def by_family_and_depth(network: str) -> tuple[str, int]:
    """Return what networks are sorted by: `resnet8` before `resnet20`."""
    family = network.rstrip("0123456789")
    return family, int(network.removeprefix(family) or 0)
