"""What each method saves within a loss: the cheapest design of its front at every level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dse.pareto import cheapest_within
from dse.report._run import Designs, RunData
from dse.report._text import method_label
from dse.run_folder import csv_text

LOSS_LEVELS_PP = (0.3, 0.5, 0.6, 1.0, 2.0)
UNIFORM, UNIFORM_LABEL = "uniform", "one multiplier in all layers"
NOT_REACHED = "not reached"
_COLUMNS = (
    *("method", "level_pp", "design", "rel_energy", "saving_percent"),
    *("chosen_by", "loss_pp", "test_loss_pp", "test_loss_se_pp"),
)


@dataclass(frozen=True)
class Chosen:
    """A design that was chosen."""

    name: str  # of a front its number, of the uniform designs the multiplier: what `--design` and `--uniform` take
    rel_energy: float
    loss_pp: float  # that which chooses
    test_loss_pp: float
    test_se_pp: float  # paired standard error; NaN where it is not known

    @property
    def saving_percent(self) -> float:
        """What it saves against the exact multiplier everywhere, at the run's energy level."""
        return 100 * (1 - self.rel_energy)


@dataclass(frozen=True)
class Choice:
    """The cheapest design within a loss on the images that choose."""

    level_pp: float  # most loss allowed
    method: str  # or UNIFORM
    chosen: Chosen | None  # None: no design of the method is within the level

    @property
    def label(self) -> str:
        """What the method is called in tables."""
        return UNIFORM_LABEL if self.method == UNIFORM else method_label(self.method)


def choices(run: RunData) -> tuple[Choice, ...]:
    """Choose at every level from every front, and from the uniform designs last. No test image has a say in it."""
    offers: list[tuple[str, Designs, Sequence[object]]] = [(m, f, f.number.tolist()) for m, f in run.fronts.items()]
    offers.append((UNIFORM, run.uniforms, run.uniforms.names))
    return tuple(
        Choice(level, method, _cheapest(level, designs, names))
        for level in LOSS_LEVELS_PP
        for method, designs, names in offers
    )


def savings_csv(run: RunData, found: Sequence[Choice]) -> str:
    """Return the text of savings.csv: a row for each method and level; empty cells where nothing is known."""
    return csv_text(_COLUMNS, (_row(choice, run.judged_by) for choice in found))


def _cheapest(level: float, designs: Designs, names: Sequence[object]) -> Chosen | None:
    best = cheapest_within(designs.rel_energy, designs.choosing_loss_pp, level)
    if best is None:
        return None
    columns = (designs.rel_energy, designs.choosing_loss_pp, designs.test_loss_pp, designs.test_se_pp)
    return Chosen(str(names[best]), *(float(column[best]) for column in columns))


def _row(choice: Choice, chosen_by: str) -> list[float | str]:
    chosen = choice.chosen
    if chosen is None:
        return [choice.method, choice.level_pp, NOT_REACHED, "", "", chosen_by, "", "", ""]
    found: list[float | str] = [choice.method, choice.level_pp, chosen.name, chosen.rel_energy, chosen.saving_percent]
    error = "" if math.isnan(chosen.test_se_pp) else chosen.test_se_pp
    return [*found, chosen_by, chosen.loss_pp, chosen.test_loss_pp, error]
