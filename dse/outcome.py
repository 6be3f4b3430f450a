"""Everything a run has found, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dse.config import RunConfig
from dse.error_model import ErrorTable
from dse.factors import DesignFactors, write_factors
from dse.fidelity import LADDER_COLUMNS, LadderRow, ladder_table
from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import Trace
from dse.objectives import ENERGY_LEVELS, NetworkEnergy
from dse.report import Report
from dse.retrain import RetrainedDesign
from dse.robustness import RobustnessProfile, profile_table
from dse.run_folder import (
    CONFIG,
    DESIGN_COLUMNS,
    EXPECTED_COLUMN,
    FACTORS,
    SE_COLUMN,
    VALIDATION_COLUMN,
    VARIANTS,
    write_csv,
    write_json,
    write_toml,
)
from dse.scoring import Scored
from dse.search import History
from dse.space import SearchSpace
from dse.study import as_plain
from dse.types import Floats, Population
from dse.variants import Choices, LayerTables, described


@dataclass(frozen=True)
class Outcome:
    """The result of a run."""

    config: RunConfig
    choices: Choices
    tables: LayerTables  # what they compute in each layer
    space: SearchSpace
    trace: Trace
    energy: NetworkEnergy  # what the exact network spends at every level
    profile: RobustnessProfile  # the one that guided the searches
    profiles: Mapping[str, RobustnessProfile]  # it and those it is held against, by name
    ladder: Sequence[LadderRow]  # what cheaper fidelities would have said; empty where none was asked
    errors: ErrorTable  # predictions of the model that guided the search
    measured_errors: ErrorTable
    histories: Mapping[str, History]  # method -> every design it evaluated
    fronts: Mapping[str, Scored]  # method -> its front, re-scored on the test images
    uniform: Scored  # one design per circuit, in library order
    quantised_search_accuracy: float
    metrics: Mapping[str, Any]
    manifest: Mapping[str, Any]
    factors: DesignFactors | None = None  # of the fronts' designs; None where none is compensated
    retrained: tuple[RetrainedDesign, ...] = ()  # where the configuration asks for it
    folder: Path | None = None  # where it is written; None while it is not
    report: Report | None = None  # its figures and tables there

    @property
    def library(self) -> MultiplierLibrary:
        """The choices as multipliers, in order."""
        return self.choices.library

    def __repr__(self) -> str:
        """Say what was found in one line; the arrays would fill pages."""
        found = ", ".join(f"{name} {value:.3f}" for name, value in self.metrics["hypervolume"].items())
        return f"<Outcome of '{self.config.name}', seed {self.config.seed}; hypervolume: {found}>"

    @property
    def other_objectives(self) -> tuple[str, ...]:
        """Objectives beside energy and accuracy loss."""
        return tuple(self.config.search.objectives[2:])

    def assignment(self, method: str, position: int) -> dict[str, str]:
        """Return design number `position` of a method's front as layer -> multiplier."""
        row = self.fronts[method].population[position]
        return {layer: self.space.multipliers[m] for layer, m in zip(self.space.layers, row, strict=True)}


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Write configuration, manifest, tables and metrics into an existing folder."""
    write_toml(folder / CONFIG, as_plain(outcome.config))
    write_json(folder / "manifest.json", outcome.manifest)
    write_json(folder / "metrics.json", outcome.metrics)
    _write_evaluations(outcome, folder / "evaluations.csv")
    _write_fronts(outcome, folder / "front.csv")
    _write_uniform(outcome, folder / "uniform.csv")
    _write_layers(outcome, folder / "robustness.csv")
    _write_errors(outcome, folder / "errors.csv")
    _write_energy(outcome, folder / "energy.csv")
    write_csv(folder / "profiles.csv", *profile_table(outcome.profiles, outcome.trace.op_counts))
    if outcome.choices.varied:
        write_json(folder / VARIANTS, _variants(outcome))
    if outcome.factors is not None:
        write_factors(folder / FACTORS, outcome.factors)
    if outcome.ladder:
        write_csv(folder / "ladder.csv", LADDER_COLUMNS, ladder_table(outcome.ladder))


def _variants(outcome: Outcome) -> dict[str, Any]:
    """Return what the designs of the fronts are made of: layer -> choice -> circuit, wiring, stored weights, table."""
    fronts: Population = np.vstack([front.population for front in outcome.fronts.values()])
    operands, library = outcome.trace.operands, outcome.library
    return {
        layer: {
            library.names[m]: described(outcome.choices.items[m], outcome.tables, operands, layer=l, choice=m)
            for m in np.unique(fronts[:, l]).tolist()
        }
        for l, layer in enumerate(outcome.space.layers)
    }


def _names(space: SearchSpace, row: np.ndarray) -> list[str]:
    return [space.multipliers[m] for m in row]


def _figures(*values: float) -> list[float | str]:
    """Return the cells of one design: empty where it could not be scored."""
    return [float(value) if np.isfinite(value) else "" for value in values]


def _write_evaluations(outcome: Outcome, path: Path) -> None:
    exact = outcome.quantised_search_accuracy
    rows = [
        [method, i + 1, *_figures(energy, exact - loss / 100, loss, *others), *_names(outcome.space, row)]
        for method, history in outcome.histories.items()
        for i, (row, (energy, loss, *others)) in enumerate(zip(history.population, history.objectives, strict=True))
    ]
    figures = ("rel_energy", "search_accuracy", "accuracy_loss_pp", *outcome.other_objectives)
    columns = ("method", "evaluation", *figures, *outcome.space.layers)
    write_csv(path, columns, rows)


def _write_fronts(outcome: Outcome, path: Path) -> None:
    rows = [
        [
            method,
            float(front.rel_energy[i]),
            float(front.accuracy[i]),
            float(front.accuracy_loss_pp[i]),
            int(front.evaluation[i]),
            *map(float, front.test[i, 2:]),
            *_names(outcome.space, front.population[i]),
            float(front.search_accuracy[i]),
            *_more(front, i),
        ]
        for method, front in outcome.fronts.items()
        for i in range(len(front.population))
    ]
    *columns, last = DESIGN_COLUMNS
    write_csv(path, (*columns, *outcome.other_objectives, *outcome.space.layers, last, *_more_columns(outcome)), rows)


def _write_uniform(outcome: Outcome, path: Path) -> None:
    u = outcome.uniform
    columns = ("multiplier", "rel_energy", "search_accuracy", "accuracy", "accuracy_loss_pp", *_more_columns(outcome))
    figures = np.stack([u.rel_energy, u.search_accuracy, u.accuracy, u.accuracy_loss_pp], axis=1).tolist()
    names = [outcome.library.names[m] for m in u.evaluation]
    rows = [[name, *figures[i], *_more(u, i), *_names(outcome.space, u.population[i])] for i, name in enumerate(names)]
    write_csv(path, (*columns, *outcome.space.layers), rows)


def _more_columns(outcome: Outcome) -> tuple[str, ...]:
    return (SE_COLUMN, *(name for name, found in _more_losses(outcome.uniform).items() if found is not None))


def _more(scored: Scored, i: int) -> list[float | str]:
    """Return the cells of `_more_columns` of one design."""
    losses = [float(found[i]) for found in _more_losses(scored).values() if found is not None]
    return [*_figures(scored.accuracy_loss_se_pp[i]), *losses]


def _more_losses(scored: Scored) -> dict[str, Floats | None]:
    return {VALIDATION_COLUMN: scored.validation_loss_pp, EXPECTED_COLUMN: scored.expected_loss_pp}


def _write_layers(outcome: Outcome, path: Path) -> None:
    rows = [
        [layer.name, layer.op_count, layer.fan_in, float(sigma)]
        for layer, sigma in zip(outcome.trace.layers, outcome.profile.sigma, strict=True)
    ]
    write_csv(path, ("layer", "op_count", "fan_in", "sigma"), rows)


def _write_errors(outcome: Outcome, path: Path) -> None:
    guess, truth = outcome.errors, outcome.measured_errors
    rows = [
        [layer, name, float(power), *(float(table[l, m]) for table in (guess.mean, guess.std, truth.mean, truth.std))]
        for l, layer in enumerate(guess.layers)
        for m, (name, power) in enumerate(zip(guess.multipliers, outcome.library.power_mw, strict=True))
    ]
    write_csv(path, ("layer", "multiplier", "power_mw", "mean", "std", "measured_mean", "measured_std"), rows)


def _write_energy(outcome: Outcome, path: Path) -> None:
    energy = outcome.energy
    rows = [
        [shape.name, shape.op_count, shape.fan_in, shape.channels, shape.positions, *map(float, product_pj)]
        for shape, product_pj in zip(energy.shapes, energy.product_pj, strict=True)
    ]
    columns = ("layer", "op_count", "fan_in", "channels", "positions", *(f"{level}_pj" for level in ENERGY_LEVELS))
    write_csv(path, columns, rows)
