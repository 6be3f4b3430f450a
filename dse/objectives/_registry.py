"""Objectives by name: what they minimise, in which unit, and from what they are computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dse.exceptions import InputError, unknown_name
from dse.multipliers import MultiplierLibrary
from dse.objectives._energy_levels import ENERGY_LEVELS, NetworkEnergy
from dse.objectives._figures import Figures
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Objectives, Population

# (P, L) designs and a figure's values (P,), NaN-free, for each figure that is read
Score = Callable[[Population, Mapping[str, Floats]], Floats]


@dataclass(frozen=True)
class Study:
    """What objectives of one study are computed from, beside the figures of designs."""

    space: SearchSpace
    library: MultiplierLibrary
    exact: Figures  # figures of the exact quantised network on the same images
    energy: NetworkEnergy | None = None  # needed for the energy at a level that is not the space's own


@dataclass(frozen=True)
class ObjectiveInfo:
    """A registered objective, minimised.

    Args:
        unit: pp, nats, um2, ns, 1.
        text: One line.
        build: Study -> scores: designs `(P, L)` int64 and the figures named in `reads`, `(P,)` float64 each -> `(P,)`
            float64, finite. Raises InputError, one line, where the study lacks something.
        reads: Figures it reads; empty: it needs no simulation.
    """

    unit: str
    text: str
    build: Callable[[Study], Score]
    reads: tuple[str, ...] = ()


class ObjectiveSet:
    """Some objectives of one study: figures of designs -> columns.

    Args:
        names: Keys of `OBJECTIVES`, in the order of the columns, each once.
        study: What they are computed from.

    Raises:
        InputError: If a name is unknown or comes twice, there is none, or the study lacks what one needs.
    """

    def __init__(self, names: Sequence[str], study: Study) -> None:
        if not names or len(set(names)) < len(names):
            raise InputError(f"objectives: expected at least one name, each once, got {list(names)}")
        for name in names:
            if name not in OBJECTIVES:
                raise unknown_name("objective", name, OBJECTIVES)
        self.names = tuple(names)
        self.units = tuple(OBJECTIVES[name].unit for name in names)
        self.reads = tuple(dict.fromkeys(figure for name in names for figure in OBJECTIVES[name].reads))
        missing = [figure for figure in self.reads if figure not in study.exact]
        if missing:
            raise InputError(
                f"objectives: figure '{missing[0]}' is not known of this network; expected {', '.join(study.exact)} "
                "(top5 needs more than 5 classes)"
            )
        self._scores = [OBJECTIVES[name].build(study) for name in names]

    def __call__(self, population: Population, figures: Sequence[Mapping[str, float]]) -> Objectives:
        """Score designs: `(P, L)` int64 and the figures of each -> `(P, K)` float64.

        A design without figures has failed and gets `FAILED` in every column.

        Raises:
            InputError: If there are not as many figures as designs, or an objective gives anything but finite `(P,)`.
        """
        if len(figures) != len(population):
            raise InputError(f"objectives: expected figures of {len(population)} designs, got {len(figures)}")
        valid = np.array([all(name in row for name in ("accuracy", *self.reads)) for row in figures], dtype=bool)
        columns = np.full((len(population), len(self.names)), FAILED)
        rows = [row for row, fine in zip(figures, valid, strict=True) if fine]
        values = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in self.reads}
        for column, (name, score) in enumerate(zip(self.names, self._scores, strict=True)):
            found = np.asarray(score(population[valid], values))
            if found.shape != (len(rows),) or not np.isfinite(found).all():
                raise InputError(
                    f"objective '{name}': expected finite ({len(rows)},), got {found.shape}: {found}"[:300]
                )
            columns[valid, column] = found
        return columns


def register_objective(name: str, info: ObjectiveInfo) -> None:
    """Make an objective known under a name.

    Raises:
        InputError: If the name is taken.
    """
    if name in OBJECTIVES:
        raise InputError(f"objective '{name}': expected a new name, this one is taken")
    OBJECTIVES[name] = info


def _energy(study: Study) -> Score:
    return lambda population, _: study.space.energy(population)


def _energy_at(level: str) -> Callable[[Study], Score]:
    def build(study: Study) -> Score:
        if study.energy is None:
            raise InputError(f"objective 'rel_energy_{level}': expected the network's energy in the study, got none")
        space = replace(study.space, overhead=study.energy.overhead(level))
        return lambda population, _: space.energy(population)

    return build


def _loss(figure: str) -> Callable[[Study], Score]:
    return lambda study: lambda _, figures: 100 * (study.exact[figure] - figures[figure])


def _divergence(_: Study) -> Score:
    return lambda _, figures: figures["kl"]


def _area(study: Study) -> Score:
    # (C,) of any variant: all are the same hardware
    areas = _known(study.library, "area_um2")[np.unique(study.space.circuit_of, return_index=True)[1]]
    circuit_of = study.space.circuit_of
    return lambda population, _: np.array(
        [areas[np.unique(circuit_of[row])].sum() for row in population], dtype=np.float64
    )


def _delay(study: Study) -> Score:
    delays = _known(study.library, "delay_ns")
    return lambda population, _: delays[population].max(axis=1)


def _distinct(study: Study) -> Score:
    circuit_of = study.space.circuit_of
    return lambda population, _: np.array([len(np.unique(circuit_of[row])) for row in population], dtype=np.float64)


def _known(library: MultiplierLibrary, figure: str) -> Floats:
    """Return a figure of all multipliers `(M,)`; raises InputError where one lacks it."""
    for multiplier in library:
        if getattr(multiplier, figure) is None:
            raise InputError(f"multiplier '{multiplier.name}': expected {figure}, which an objective needs, got none")
    return np.array([getattr(multiplier, figure) for multiplier in library], dtype=np.float64)


OBJECTIVES: dict[str, ObjectiveInfo] = {
    "rel_energy": ObjectiveInfo("1", "energy relative to the exact multiplier everywhere, at the run's level", _energy),
    **{
        f"rel_energy_{level}": ObjectiveInfo("1", f"relative energy at level {level}", _energy_at(level))
        for level in ENERGY_LEVELS
    },
    "accuracy_loss_pp": ObjectiveInfo(
        "pp", "top-1 accuracy lost to the exact network", _loss("accuracy"), ("accuracy",)
    ),
    "top5_loss_pp": ObjectiveInfo("pp", "top-5 accuracy lost to the exact network", _loss("top5"), ("top5",)),
    "worst_class_loss_pp": ObjectiveInfo(
        "pp", "smallest accuracy of a class: what is lost of it", _loss("worst_class"), ("worst_class",)
    ),
    "kl": ObjectiveInfo("nats", "mean divergence from the exact network's outputs", _divergence, ("kl",)),
    "area_um2": ObjectiveInfo("um2", "area of the distinct circuits used, one instance each", _area),
    "distinct_multipliers": ObjectiveInfo("1", "distinct circuits used", _distinct),
    "delay_ns": ObjectiveInfo("ns", "delay of the slowest multiplier used", _delay),
}
