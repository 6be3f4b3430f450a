"""A finished run as arrays: everything that the figures and tables show, read from the run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, unknown_name
from dse.pareto import reportable
from dse.report._energy import EnergyLevels, energy_levels
from dse.report._files import CsvFile, JsonFile, read_csv, read_json
from dse.report._text import KNOWN_METHODS
from dse.run_folder import EXPECTED_COLUMN, SE_COLUMN, VALIDATION_COLUMN
from dse.types import Floats, Objectives, Population

_TWO = ("rel_energy", "accuracy_loss_pp")  # objectives of a run that does not name its own


@dataclass(frozen=True)
class Evaluations:
    """What one method evaluated, N designs in order, without those that belong in no front: failed, or beyond the bound."""

    number: Floats  # (N,) counts from 1
    objectives: Objectives  # (N, K) on the search images: relative energy, accuracy loss in pp, and any others


@dataclass(frozen=True)
class Designs:
    """Figures of P designs; losses are against the quantised network on the same images."""

    rel_energy: Floats  # (P,)
    search_loss_pp: Floats  # (P,)
    test_loss_pp: Floats  # (P,)
    test_se_pp: Floats  # (P,) paired standard error of the loss on the test images; NaN where it is not known
    validation_loss_pp: Floats | None  # (P,); None: the run has no validation images
    expected_loss_pp: Floats | None  # (P,) see dse.expected_loss; None: the run does not choose by it

    @property
    def losses_pp(self) -> dict[str, Floats]:
        """The losses `(P,)` by the part of the data."""
        validation = {} if self.validation_loss_pp is None else {"validation": self.validation_loss_pp}
        return {"search": self.search_loss_pp, **validation, "test": self.test_loss_pp}

    @property
    def choosing_loss_pp(self) -> Floats:
        """The loss `(P,)` that chooses designs: the expected one, else that on validation, else on search images."""
        losses = (self.expected_loss_pp, self.validation_loss_pp, self.search_loss_pp)
        return next(loss for loss in losses if loss is not None)


@dataclass(frozen=True)
class Front(Designs):
    """The front of one method, P designs by rising energy."""

    population: Population  # (P, L)
    number: NDArray[np.int64]  # (P,) by which a design is known: its row among the method's in front.csv, from 0

    def at(self, number: int) -> int:
        """Return where the design with a number stands. Raises InputError where there is none."""
        if not 0 <= number < len(self.number):
            count = len(self.number)
            has = f"designs 0 to {count - 1}, the rows of front.csv" if count else "no design"
            raise InputError(f"--design {number}: the front has {has}")
        return int(np.flatnonzero(self.number == number)[0])


@dataclass(frozen=True)
class Uniforms(Designs):
    """Designs with one circuit in all layers."""

    names: tuple[str, ...]  # (P,) the circuit's first variant
    population: Population  # (P, L) the variants


@dataclass(frozen=True)
class RunData:
    """A finished run: L layers in forward order, M multipliers in library order (index 0 exact)."""

    path: Path
    methods: tuple[str, ...]  # the package's own first, then the caller's
    layers: tuple[str, ...]  # (L,)
    multipliers: tuple[str, ...]  # (M,)
    power_mw: Floats  # (M,)
    op_counts: Floats  # (L,)
    sigma: Floats  # (L,) robustness, relative to the layer's output std
    error_std: Floats  # (L, M) predicted, same unit; NaN where there is none
    evaluations: Mapping[str, Evaluations]  # by method
    fronts: Mapping[str, Front]  # by method
    uniforms: Uniforms
    objectives: tuple[str, ...]  # (K,) relative energy and accuracy loss first
    reference: Floats  # (K,) reference point of the hypervolume
    max_loss_pp: float | None  # the run's bound on the loss on the search images; None: no bound
    library_floor: float  # smallest relative energy a design can have
    chosen_by: str  # the part of the data whose images choose designs: validation where there is one, else search
    expected: bool  # whether they choose by the loss that divergence lets expect, and not by the one met
    energy: EnergyLevels | None  # None: multiplications only
    metrics: JsonFile
    manifest: JsonFile

    @property
    def judged_by(self) -> str:
        """What kind of loss chooses designs, such as `expected validation`."""
        return f"expected {self.chosen_by}" if self.expected else self.chosen_by


def load_run(path: str | Path) -> RunData:
    """Read the folder of a finished run.

    Raises:
        InputError: One line that names file and key, for a folder, file, column or key that is missing or not as it
            should be.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; expected the folder of a finished run")
    metrics, manifest = read_json(path / "metrics.json"), read_json(path / "manifest.json")
    robustness, errors = read_csv(path / "robustness.csv"), read_csv(path / "errors.csv")
    evaluations, front = read_csv(path / "evaluations.csv"), read_csv(path / "front.csv")
    layers = robustness.texts("layer")
    multipliers = tuple(dict.fromkeys(errors.texts("multiplier")))
    methods = _methods(metrics, (evaluations, front))
    exact = 100 * metrics.number("baselines", "quantised_search_accuracy")
    objectives, bound = objective_names(metrics), loss_bound(metrics)
    chosen_by = "validation" if VALIDATION_COLUMN in front.columns else "search"
    return RunData(
        path=path,
        methods=methods,
        layers=layers,
        multipliers=multipliers,
        power_mw=_power(errors, multipliers),
        op_counts=robustness.numbers("op_count"),
        sigma=robustness.numbers("sigma"),
        error_std=_grid(errors, layers, multipliers),
        evaluations={m: _evaluations(evaluations, m, objectives, bound) for m in methods},
        fronts={m: _front(front, m, layers, multipliers, _designs(front, exact, chosen_by)) for m in methods},
        uniforms=_uniforms(read_csv(path / "uniform.csv"), layers, multipliers, exact, chosen_by),
        objectives=objectives,
        reference=np.array([metrics.number("reference_point", name) for name in objectives]),
        max_loss_pp=bound,
        library_floor=metrics.number("library_floor"),
        chosen_by=chosen_by,
        expected=EXPECTED_COLUMN in front.columns,
        energy=energy_levels(metrics),
        metrics=metrics,
        manifest=manifest,
    )


def objective_names(metrics: JsonFile) -> tuple[str, ...]:
    """Return the names of a run's K objectives. Raises InputError where they are not two or more different ones."""
    names = metrics.data.get("objectives", list(_TWO))
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names) or not 2 <= len(names) == len(set(names)):
        raise InputError(f"{metrics.path}: key 'objectives': expected two or more different column names, got {names!r}")
    return tuple(names)


def loss_bound(metrics: JsonFile) -> float | None:
    """Return a run's bound on the accuracy loss on the search images in pp; None where it has none."""
    return None if metrics.data.get("max_accuracy_loss_pp") is None else metrics.number("max_accuracy_loss_pp")


def _methods(metrics: JsonFile, files: tuple[CsvFile, ...]) -> tuple[str, ...]:
    named = metrics.table("hypervolume")
    for file in files:
        for row, method in enumerate(file.texts("method")):
            if method not in named:
                raise file.fault("method", row, "a method of 'hypervolume' in metrics.json")
    return (*(m for m in KNOWN_METHODS if m in named), *(m for m in named if m not in KNOWN_METHODS))


def _rows(file: CsvFile, method: str) -> np.ndarray:
    return np.flatnonzero([m == method for m in file.texts("method")])


def _evaluations(file: CsvFile, method: str, names: Sequence[str], bound: float | None) -> Evaluations:
    number = file.numbers("evaluation")
    rows = _rows(file, method)
    rows = rows[np.argsort(number[rows], kind="stable")]
    objectives = np.column_stack([file.numbers(name, gaps=True) for name in names])
    rows = rows[reportable(objectives[rows], bound)]
    return Evaluations(number[rows], objectives[rows])


def _designs(file: CsvFile, exact: float, chosen_by: str) -> Designs:
    """Return the figures of all designs of a file; standard errors are not known of runs from before there were any."""
    energy = file.numbers("rel_energy")
    known = SE_COLUMN in file.columns
    return Designs(
        rel_energy=energy,
        search_loss_pp=np.round(exact - 100 * file.numbers("search_accuracy"), 9),
        test_loss_pp=file.numbers("accuracy_loss_pp"),
        test_se_pp=file.numbers(SE_COLUMN, gaps=True) if known else np.full(len(energy), np.nan),
        validation_loss_pp=np.round(file.numbers(VALIDATION_COLUMN), 9) if chosen_by == "validation" else None,
        expected_loss_pp=np.round(file.numbers(EXPECTED_COLUMN), 9) if EXPECTED_COLUMN in file.columns else None,
    )


def _front(
    file: CsvFile, method: str, layers: tuple[str, ...], multipliers: tuple[str, ...], designs: Designs
) -> Front:
    energy = designs.rel_energy
    rows = _rows(file, method)
    number = np.argsort(energy[rows], kind="stable")
    rows = rows[number]
    population = _population(file, layers, multipliers)
    figures: dict[str, Any] = {name: None if found is None else found[rows] for name, found in vars(designs).items()}
    return Front(**figures, population=population[rows], number=number)


def _population(file: CsvFile, layers: tuple[str, ...], multipliers: tuple[str, ...]) -> Population:
    """Return the multipliers of all designs of a file `(P, L)`."""
    index = {name: i for i, name in enumerate(multipliers)}
    population = np.zeros((len(file.texts(layers[0])), len(layers)), dtype=np.int64)
    for position, layer in enumerate(layers):
        for row, name in enumerate(file.texts(layer)):
            if name not in index:
                raise InputError(f"{file.path}: column '{layer}': {unknown_name('multiplier', name, index)}")
            population[row, position] = index[name]
    return population


def _uniforms(
    file: CsvFile, layers: tuple[str, ...], multipliers: tuple[str, ...], exact: float, chosen_by: str
) -> Uniforms:
    figures = vars(_designs(file, exact, chosen_by))
    return Uniforms(**figures, names=file.texts("multiplier"), population=_population(file, layers, multipliers))


def _power(errors: CsvFile, multipliers: tuple[str, ...]) -> Floats:
    power = dict(zip(errors.texts("multiplier"), errors.numbers("power_mw").tolist(), strict=True))
    if multipliers and power[multipliers[0]] <= 0:
        raise errors.fault("power_mw", 0, "a positive power of the exact multiplier, the first")
    return np.array([power[name] for name in multipliers])


def _grid(errors: CsvFile, layers: tuple[str, ...], multipliers: tuple[str, ...]) -> Floats:
    keys = zip(errors.texts("layer"), errors.texts("multiplier"), strict=True)
    cells = dict(zip(keys, errors.numbers("std", gaps=True).tolist(), strict=True))
    for layer in layers:
        for name in multipliers:
            if (layer, name) not in cells:
                raise InputError(f"{errors.path}: no row for layer '{layer}' and multiplier '{name}'; repeat the run")
    return np.array([[cells[layer, name] for name in multipliers] for layer in layers]).reshape(len(layers), -1)
