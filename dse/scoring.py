"""Score designs by a run's objectives, on the images that choose them and on images that do not."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.config import ReferenceConfig
from dse.expected_loss import ExpectedLoss
from dse.multipliers import MultiplierLibrary
from dse.objectives import NetworkEnergy, ObjectiveSet, Study
from dse.pareto import cheapest_within, hypervolume, non_dominated, reportable
from dse.search import ByCircuit, Guidance, History
from dse.space import SearchSpace
from dse.types import FAILED, Floats, Objective, Objectives, Population

Figures = Mapping[str, float]
Source = Callable[[Population], Sequence[Figures | None]]  # (P, L) -> figures of each, None where a design failed


@dataclass(frozen=True)
class PartFigures:
    """What is known of designs on the images of one part of the data."""

    of: Source
    exact: Figures  # those of the exact quantised network
    images: int


@dataclass(frozen=True)
class Scored:
    """Designs with their objectives, energy first and accuracy loss second, on search and on test images."""

    population: Population  # (P, L)
    evaluation: NDArray[np.int64]  # (P,) counted from 1 within the method; of uniform designs the circuit's first variant
    search: Objectives  # (P, K)
    test: Objectives  # (P, K)
    search_accuracy: Floats  # (P,)
    accuracy: Floats  # (P,) on the test images
    accuracy_loss_se_pp: Floats  # (P,) see `paired_se_pp`; NaN where the study file is older than what it is computed from
    validation_loss_pp: Floats | None = None  # (P,) where the run has validation images
    expected_loss_pp: Floats | None = None  # (P,) from the divergence on these, else on search images, where that chooses

    @property
    def rel_energy(self) -> Floats:
        """Relative energy `(P,)`."""
        return self.search[:, 0]

    @property
    def search_loss_pp(self) -> Floats:
        """Loss of accuracy against the exact quantised network on the search images, `(P,)` pp."""
        return self.search[:, 1]

    @property
    def accuracy_loss_pp(self) -> Floats:
        """Loss of accuracy against the exact quantised network on the test images, `(P,)` pp."""
        return self.test[:, 1]

    @property
    def choosing_loss_pp(self) -> Floats:
        """The loss `(P,)` in pp that chooses designs: the expected one, else that on validation, else on search images."""
        losses = (self.expected_loss_pp, self.validation_loss_pp, self.search_loss_pp)
        return next(loss for loss in losses if loss is not None)


class Column:
    """One objective of a run, from the figures of designs; NaN for those that could not be scored."""

    def __init__(self, name: str, study: Study, figures: Source) -> None:
        self._score, self._figures = ObjectiveSet([name], study), figures
        self.name, self.unit = name, self._score.units[0]

    def __call__(self, population: Population) -> Floats:
        """Score designs: `(P, L)` int64 -> `(P,)` float64."""
        found = self._score(population, [figures or {} for figures in self._figures(population)])[:, 0]
        return np.where(found >= FAILED, np.nan, found)


class Scorer:
    """The objectives of a run on search and on test images, and the accuracy loss on validation images.

    Args:
        names: Of the objectives, energy first and accuracy loss second.
        search, test, validation: Figures of designs on either images; a run may have no validation part.
        space, library, energy: What else objectives are computed from.

    Raises:
        InputError: An objective is unknown, or needs what network or library lack.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        search: PartFigures,
        test: PartFigures,
        validation: PartFigures | None = None,
        space: SearchSpace,
        library: MultiplierLibrary,
        energy: NetworkEnergy | None = None,
    ) -> None:
        self._on_search, self._on_validation, self._on_test = search, validation, test
        self._max_loss_pp = space.max_loss_pp
        self._expected: ExpectedLoss | None = None
        self._known: tuple[Floats, Floats] = np.zeros(0), np.zeros(0)  # divergences and losses that it is made from
        make = partial(_columns, space, library, energy)
        self.objectives: list[Objective] = make(names, search)
        self._test = make(names, test)
        self._validation = None if validation is None else make(names[1:2], validation)[0]

    def expecting(self, population: Population) -> Scorer:
        """Return a scorer that chooses designs by the loss that their divergence lets expect, as designs `(P, L)` say."""
        other = copy.copy(self)
        other._known = _figure("kl", self._on_search, population), self.objectives[1](population)
        other._expected = ExpectedLoss(*other._known)
        return other

    def expected(self, scored: Sequence[Scored]) -> list[Scored]:
        """Return designs with the loss that their divergence lets expect: on validation images, else on search images.

        By these designs the validation images have a say in what loss goes with a divergence too.
        """
        if self._expected is None:
            return list(scored)
        expected, part = self._expected, self._on_search
        if self._validation is not None and self._on_validation is not None:
            part = self._on_validation
            designs = np.unique(np.vstack([one.population for one in scored]), axis=0)
            unseen = (_figure("kl", part, designs), self._validation(designs), part.images)
            expected = ExpectedLoss.pooled([(*self._known, self._on_search.images), unseen])
        return [replace(one, expected_loss_pp=expected(_figure("kl", part, one.population))) for one in scored]

    def score(self, population: Population, evaluation: NDArray[np.int64]) -> Scored:
        """Score designs `(P, L)`, numbered `(P,)`, on all kinds of images; those that cannot be scored are left out."""
        search, test = (
            np.stack([column(population) for column in columns], axis=1) for columns in (self.objectives, self._test)
        )
        validation = None if self._validation is None else self._validation(population)
        fine = np.isfinite(np.column_stack([search, test] if validation is None else [search, test, validation])).all(axis=1)
        population = population[fine]
        lost, gained = (_figure(name, self._on_test, population) for name in ("lost", "gained"))
        return Scored(
            population=population,
            evaluation=evaluation[fine],
            search=search[fine],
            test=test[fine],
            search_accuracy=_figure("accuracy", self._on_search, population),
            accuracy=_figure("accuracy", self._on_test, population),
            accuracy_loss_se_pp=paired_se_pp(lost, gained, self._on_test.images),
            validation_loss_pp=None if validation is None else validation[fine],
        )

    def front(self, history: History) -> Scored:
        """Score a method's front: of its designs within the space's bound on the loss those that no other of them dominates.

        Both are judged on the search images, by which the methods choose.
        """
        within = np.flatnonzero(reportable(history.objectives, self._max_loss_pp))
        judged = history.objectives[within]
        judged[:, 1] = self._judged(history.population[within], judged[:, 1])
        chosen = within[non_dominated(judged)]
        chosen = chosen[np.argsort(-history.objectives[chosen, 0], kind="stable")]
        return self.score(history.population[chosen], chosen + 1)

    def uniform(self, space: SearchSpace, guidance: Guidance) -> Scored:
        """Score the designs with one circuit in all layers, numbered by its first variant.

        Of its variants each layer has the one that the proxy takes for the best. Other images than the search images see
        none beyond the space's bound on the loss.
        """
        designs, number = ByCircuit.of(space, guidance).uniform(), np.unique(space.circuit_of, return_index=True)[1]
        within = reportable(np.column_stack([space.energy(designs), self.objectives[1](designs)]), self._max_loss_pp)
        return self.score(designs[within], number[within])

    def _judged(self, population: Population, losses: Floats) -> Floats:
        """Return what designs are judged by among losses `(P,)` on the search images: these, or those to be expected."""
        return losses if self._expected is None else self._expected(_figure("kl", self._on_search, population))


def _columns(
    space: SearchSpace, library: MultiplierLibrary, energy: NetworkEnergy | None, names: Sequence[str], part: PartFigures
) -> list[Objective]:
    study = Study(space, library, dict(part.exact), energy)
    return [Column(name, study, part.of) for name in names]


def _figure(name: str, part: PartFigures, population: Population) -> Floats:
    """Return one figure of designs that have figures, `(P,)`; NaN where the study file does not hold it."""
    return np.array([math.nan if found is None else found.get(name, math.nan) for found in part.of(population)])


def paired_se_pp(lost: Floats, gained: Floats, images: int) -> Floats:
    """Return the standard error of losses of accuracy against the exact network, on the same images, `(P,)` pp.

    That of the mean of N differences: 1 on the share `lost` of the images that only the exact network classifies right, -1
    on the share `gained` that only the design does, 0 on the others (paired samples, as McNemar, Psychometrika 12, 1947).

    Args:
        lost, gained: `(P,)`, 0 to 1.
        images: N.
    """
    variance = lost + gained - (lost - gained) ** 2
    return 100 * np.sqrt(np.maximum(variance, 0.0) / images)


def hypervolumes(fronts: Mapping[str, Scored], reference: Floats, *, test: bool) -> dict[str, float]:
    """Return the hypervolume of each method's front in all K objectives, against one reference point (K,)."""
    return {name: hypervolume(front.test if test else front.search, reference) for name, front in fronts.items()}


def best_uniform(uniform: Scored, *, loss_pp: float = 1.0) -> int | None:
    """Return the index of the cheapest uniform design that loses at most `loss_pp`; None without one."""
    return cheapest_within(uniform.rel_energy, uniform.choosing_loss_pp, loss_pp)


def summarise(
    space: SearchSpace,
    names: Sequence[str],
    histories: Mapping[str, History],
    fronts: Mapping[str, Scored],
    uniform: Scored,
    reference: ReferenceConfig,
) -> dict[str, Any]:
    """Return the figures of a run's methods side by side, as plain data.

    The reference point of a third objective, and of others, lies a tenth beyond the worst value that a uniform design has.
    """
    others = 1.1 * uniform.search[:, 2:].max(axis=0, initial=0.0)
    point: Floats = np.array([reference.rel_energy, reference.accuracy_loss_pp, *others])
    best = best_uniform(uniform, loss_pp=min(1.0, math.inf if space.max_loss_pp is None else space.max_loss_pp))
    return {
        "objectives": list(names),
        "hypervolume": hypervolumes(fronts, point, test=False),
        "hypervolume_test": hypervolumes(fronts, point, test=True),
        "reference_point": dict(zip(names, point.tolist(), strict=True)),
        "max_accuracy_loss_pp": space.max_loss_pp,
        "evaluations": {name: len(history.population) for name, history in histories.items()},
        "failed": {name: int((~history.scored).sum()) for name, history in histories.items()},
        "stopped": {name: history.stopped for name, history in histories.items()},
        "best_uniform": None if best is None else _uniform_design(space, uniform, best),
        "library_floor": float(space.energy(space.cheapest()[None])[0]),
    }


def _uniform_design(space: SearchSpace, uniform: Scored, index: int) -> dict[str, Any]:
    figures = ("rel_energy", "search_accuracy", "accuracy", "accuracy_loss_pp")
    found = {name: float(getattr(uniform, name)[index]) for name in figures}
    return {"multiplier": space.multipliers[uniform.evaluation[index]], **found}
