"""Scoring on search and test images, and a run's figures, on accuracies made up for the purpose."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dse.config import ReferenceConfig
from dse.expected_loss import ExpectedLoss
from dse.multipliers import MultiplierLibrary, from_callable
from dse.scoring import PartFigures, Scored, Scorer, best_uniform, hypervolumes, paired_se_pp, summarise
from dse.search import Guidance, History
from dse.space import SearchSpace
from dse.types import Population
from tests.small import space as small_space

SPACE = small_space(2, 3)  # op counts 10, 20; energies 1, 0.55, 0.1


NAMES = ("rel_energy", "accuracy_loss_pp")
LIBRARY = MultiplierLibrary(
    [from_callable(lambda x, w: x * w, name=f"m{i}", power_mw=power) for i, power in enumerate(SPACE.rel_energy)]
)


class Accuracy:
    """Falls with every step to a cheaper multiplier; there are no figures of `broken`."""

    def __init__(self, step: float, broken: tuple[int, ...] = ()) -> None:
        self._step, self._broken = step, broken

    def __call__(self, population: Population) -> list[dict[str, float] | None]:
        values = 0.9 - self._step * population.sum(axis=1)
        rows = zip(map(tuple, population.tolist()), values.tolist(), strict=True)
        return [None if row == self._broken else {"accuracy": value} for row, value in rows]


def scorer(
    names: tuple[str, ...] = NAMES,
    broken: tuple[int, ...] = (),
    space: SearchSpace = SPACE,
    validation: Accuracy | None = None,
) -> Scorer:
    return Scorer(
        names,
        search=PartFigures(Accuracy(0.01), {"accuracy": 0.9}, 100),
        test=PartFigures(Accuracy(0.02, broken), {"accuracy": 0.91}, 50),
        validation=None if validation is None else PartFigures(validation, {"accuracy": 0.92}, 50),
        space=space,
        library=LIBRARY,
    )


def guidance(space: SearchSpace, cost: list[float] | None = None) -> Guidance:
    costs = np.zeros(len(space.multipliers)) if cost is None else np.array(cost)
    return Guidance(space.uniform()[:1], np.tile(costs, (len(space.layers), 1)), max_loss=10.0)


def history(designs: list[list[int]], objectives: list[list[float]]) -> History:
    return History(np.array(designs, dtype=np.int64), np.array(objectives), "budget")


def test_score() -> None:
    population = np.array([[0, 0], [1, 2], [0, 0]])
    found = scorer().score(population, np.array([4, 5, 6]))
    assert found.population.tolist() == population.tolist() and found.evaluation.tolist() == [4, 5, 6]
    assert found.rel_energy == pytest.approx([1, (5.5 + 2) / 30, 1])
    assert found.search_accuracy == pytest.approx([0.9, 0.87, 0.9])
    assert found.search_loss_pp == pytest.approx([0, 3, 0])
    assert found.accuracy == pytest.approx([0.9, 0.84, 0.9])
    assert found.accuracy_loss_pp == pytest.approx([1, 7, 1])  # against the exact network on the same images
    assert found.test == pytest.approx(np.array([[1, 1], [0.25, 7], [1, 1]]))
    assert found.search == pytest.approx(np.array([[1, 0], [0.25, 3], [1, 0]]))


def test_other_objectives_have_columns_of_their_own() -> None:
    found = scorer((*NAMES, "distinct_multipliers")).score(np.array([[0, 0], [1, 2]]), np.arange(2))
    assert found.search[:, 2].tolist() == found.test[:, 2].tolist() == [1, 2]


def test_a_uniform_design_has_one_circuit_and_in_each_layer_the_variant_of_least_proxy() -> None:
    assert scorer().uniform(SPACE, guidance(SPACE)).evaluation.tolist() == [0, 1, 2]
    seen: list[Population] = []

    def test(population: Population) -> list[dict[str, float] | None]:
        seen.append(population)
        return Accuracy(0.02)(population)

    energy = np.array([1.0, 0.5, 0.5, 0.1])
    varied = SearchSpace(("a", "b"), ("e", "x", "x.swap", "y"), np.array([1, 2]), energy, circuits=np.array([0, 1, 1, 2]))
    library = MultiplierLibrary(
        [from_callable(lambda x, w: x * w, name=n, power_mw=p) for n, p in zip(varied.multipliers, energy, strict=True)]
    )

    def search(population: Population) -> list[dict[str, float] | None]:
        accuracy = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.6}
        return [{"accuracy": accuracy[int(row[0])]} for row in population]

    on_search, on_test = (PartFigures(source, {"accuracy": 0.9}, 50) for source in (search, test))
    cost = np.array([[0.0, 5, 7, 9], [0.0, 7, 5, 9]])
    guide = Guidance(varied.uniform()[:1], cost, max_loss=10.0)
    found = Scorer(NAMES, search=on_search, test=on_test, space=varied, library=library).uniform(varied, guide)
    assert found.evaluation.tolist() == [0, 1, 3] and found.population.tolist() == [[0, 0], [1, 2], [3, 3]]
    assert {tuple(row) for population in seen for row in population.tolist()} == {(0, 0), (1, 2), (3, 3)}
    seen.clear()
    bounded = replace(varied, max_loss_pp=10.0)
    found = Scorer(NAMES, search=on_search, test=on_test, space=bounded, library=library).uniform(bounded, guide)
    assert found.evaluation.tolist() == [0, 1] and found.search_loss_pp == pytest.approx([0, 10])
    assert {tuple(row) for population in seen for row in population.tolist()} == {(0, 0), (1, 2)}


def test_designs_that_fail_on_the_test_images_are_left_out() -> None:
    run = history([[0, 0], [1, 1], [2, 2]], [[1, 0], [0.55, 2], [np.nan, np.nan]])
    front = scorer(broken=(1, 1)).front(run)
    assert front.population.tolist() == [[0, 0]] and front.evaluation.tolist() == [1]


def test_designs_are_scored_on_the_validation_images_where_there_are_any() -> None:
    run = history([[0, 0], [1, 1], [2, 2]], [[1, 0], [0.55, 2], [0.1, 4]])
    plain, found = scorer().front(run), scorer(validation=Accuracy(0.05)).front(run)
    assert found.validation_loss_pp is not None and plain.validation_loss_pp is None
    assert found.validation_loss_pp == pytest.approx([2, 12, 22])  # against the exact network on the same images
    assert found.choosing_loss_pp is found.validation_loss_pp and (plain.choosing_loss_pp == plain.search_loss_pp).all()
    for name in ("population", "evaluation", "search", "test", "search_accuracy", "accuracy"):
        assert (getattr(found, name) == getattr(plain, name)).all()
    failing = scorer(validation=Accuracy(0.05, broken=(1, 1))).front(run)
    assert failing.population.tolist() == [[0, 0], [2, 2]] and failing.validation_loss_pp == pytest.approx([2, 22])


@pytest.mark.parametrize("seed", range(5))
def test_the_standard_error_is_that_of_the_differences_image_by_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    exact, design = rng.random((2, 57)) < np.array([[0.9], [0.8]])
    differences = [int(a) - int(b) for a, b in zip(exact, design, strict=True)]
    mean = sum(differences) / 57
    naive = 100 * (sum((d - mean) ** 2 for d in differences) / 57) ** 0.5 / 57**0.5
    lost, gained = (np.array([both.mean()]) for both in (exact & ~design, design & ~exact))
    assert paired_se_pp(lost, gained, 57) == pytest.approx([naive])
    assert paired_se_pp(np.zeros(1), np.zeros(1), 57) == paired_se_pp(np.ones(1), np.zeros(1), 57) == [0]


def test_figures_of_an_older_study_have_no_standard_error() -> None:
    def half(population: Population) -> list[dict[str, float] | None]:
        return [{"accuracy": 0.8} | ({} if row.any() else {"lost": 0.2, "gained": 0.1}) for row in population]

    part = PartFigures(half, {"accuracy": 0.9}, 50)
    found = Scorer(NAMES, search=part, test=part, space=SPACE, library=LIBRARY).score(SPACE.uniform(), np.arange(3))
    assert found.accuracy_loss_se_pp == pytest.approx([100 * (0.29 / 50) ** 0.5, np.nan, np.nan], nan_ok=True)


def test_front_is_chosen_on_the_search_images_from_dear_to_cheap() -> None:
    run = history([[2, 2], [0, 1], [0, 0], [1, 0]], [[0.1, 4], [0.7, 1], [1, 0], [0.85, 1]])
    front = scorer().front(run)
    assert front.population.tolist() == [[0, 0], [0, 1], [2, 2]]  # (1, 0) is dominated
    assert front.evaluation.tolist() == [3, 2, 1]
    assert front.rel_energy == pytest.approx([1, 0.7, 0.1])


@pytest.mark.parametrize(("bound", "kept"), [(3.0, [[0, 0], [1, 2]]), (2.9, [[0, 0]]), (None, [[0, 0], [1, 2], [2, 2]])])
def test_no_front_holds_a_design_beyond_the_bound_on_the_loss(bound: float | None, kept: list[list[int]]) -> None:
    space = replace(SPACE, max_loss_pp=bound)
    run = history([[2, 2], [1, 2], [0, 0], [2, 1]], [[0.1, 4], [0.25, 3.0000000000000004], [1, 0], [0.4, np.nan]])
    scores = scorer(space=space)
    assert scores.front(run).population.tolist() == kept
    fronts, uniform = {"a": scores.front(run)}, scores.score(SPACE.uniform(), np.arange(3))
    found = summarise(space, NAMES, {"a": run}, fronts, uniform, ReferenceConfig(accuracy_loss_pp=5))
    assert found["max_accuracy_loss_pp"] == bound
    assert found["hypervolume"]["a"] == pytest.approx({3.0: 0.75 * 2, 2.9: 0, None: 0.75 * 2 + 0.15}[bound])


def test_the_best_uniform_design_keeps_to_the_bound() -> None:
    uniform = scored([1.0, 0.6, 0.3], [0, 0.6, 0.9])
    for bound, best in ((None, "m2"), (0.7, "m1"), (5.0, "m2")):
        found = summarise(replace(SPACE, max_loss_pp=bound), NAMES, {}, {}, uniform, ReferenceConfig())
        assert found["best_uniform"]["multiplier"] == best


def test_fronts_chosen_by_the_loss_to_be_expected() -> None:
    """(1, 1) has the least loss of the cheap designs on search images, by luck: its divergence says otherwise."""
    losses = {(0, 0): (0.0, 0.0), (1, 0): (1.0, 0.1), (1, 1): (0.2, 0.3), (2, 1): (3.0, 0.25), (2, 2): (4.0, 0.4)}

    def part(scale: float) -> PartFigures:
        def figures(population: Population) -> list[dict[str, float] | None]:
            found = [losses[tuple(row)] for row in population.tolist()]
            return [{"accuracy": 0.9 - loss / 100, "kl": scale * kl} for loss, kl in found]

        return PartFigures(figures, {"accuracy": 0.9}, 100)

    designs = np.array(list(losses), dtype=np.int64)
    run = History(designs, np.column_stack([SPACE.energy(designs), [loss for loss, _ in losses.values()]]), "budget")
    plain = Scorer(NAMES, search=part(1), test=part(1), validation=part(0.5), space=SPACE, library=LIBRARY)
    assert plain.front(run).population.tolist() == [[0, 0], [1, 1], [2, 1], [2, 2]]
    assert plain.front(run).expected_loss_pp is None
    expecting = plain.expecting(designs)
    found = expecting.front(run)  # search images let expect 0, 1, 1.6 (of 3.0 and 0.2) twice, 4
    assert found.population.tolist() == [[0, 0], [1, 0], [2, 1], [2, 2]]
    (front,) = expecting.expected([found])
    divergence, loss = np.array([0.0, 0.05, 0.125, 0.2]), np.array([0.0, 1.0, 3.0, 4.0])  # on the validation images
    searched = np.array(list(losses.values())).T[::-1]
    pooled = ExpectedLoss.pooled([(*searched, 100), (divergence, loss, 100)])
    assert front.expected_loss_pp == pytest.approx(pooled(divergence))
    assert front.choosing_loss_pp is front.expected_loss_pp and front.search_loss_pp == pytest.approx([0, 1, 3, 4])


def test_front_of_a_method_that_found_nothing() -> None:
    front = scorer().front(History(np.zeros((0, 2), dtype=np.int64), np.zeros((0, 2)), "exhausted"))
    assert front.population.shape == (0, 2) and front.test.shape == (0, 2)
    assert hypervolumes({"a": front}, np.array([1.0, 10.0]), test=True) == {"a": 0}


def scored(energy: list[float], search_loss: list[float], validation_loss: list[float] | None = None) -> Scored:
    n, zeros = len(energy), np.zeros(len(energy))
    loss = np.array(search_loss, dtype=float)
    designs = np.repeat(np.arange(n)[:, None], 2, axis=1)
    sides = (np.column_stack([energy, values]) for values in (loss, loss[::-1]))
    validation = None if validation_loss is None else np.array(validation_loss)
    return Scored(designs, np.arange(n), *sides, zeros, zeros, zeros, validation)


@pytest.mark.parametrize(
    ("energy", "loss", "best"),
    [
        ([1.0, 0.6, 0.3], [0, 1.0, 1.01], 1),  # a loss of just 1 point is allowed
        ([1.0, 0.6, 0.3], [0, 2, 0.5], 2),
        ([1.0, 0.3, 0.3], [0, 0.2, -0.1], 2),  # of equally cheap ones that which loses least
        ([1.0, 0.6], [1.1, 3], None),
    ],
)
def test_best_uniform(energy: list[float], loss: list[float], best: int | None) -> None:
    assert best_uniform(scored(energy, loss)) == best
    hopeless = [9.0] * len(energy)
    assert best_uniform(scored(energy, hopeless, loss)) == best  # validation images choose where there are any
    assert best_uniform(scored(energy, loss, hopeless)) is None


def test_hypervolume_is_in_all_objectives() -> None:
    names = (*NAMES, "distinct_multipliers")
    score = scorer(names)
    front = score.front(history([[0, 0], [2, 2], [0, 2]], [[1, 0, 1], [0.1, 4, 1], [0.4, 2, 2]]))
    uniform = score.score(SPACE.uniform(), np.arange(3))
    found = summarise(SPACE, names, {}, {"a": front}, uniform, ReferenceConfig(accuracy_loss_pp=5))
    assert found["reference_point"]["distinct_multipliers"] == pytest.approx(1.1)  # uniform designs use one
    assert found["hypervolume"]["a"] == pytest.approx(0.9 * 1 * 0.1)


def test_summary() -> None:
    score = scorer()
    run = history([[0, 0], [1, 1], [2, 2]], [[1, 0], [0.55, 2], [0.1, 4]])
    fronts = {"a": score.front(run)}
    uniform = score.score(SPACE.uniform(), np.arange(3))
    found = summarise(SPACE, NAMES, {"a": run}, fronts, uniform, ReferenceConfig(rel_energy=1, accuracy_loss_pp=5))
    assert found["hypervolume"] == {"a": pytest.approx(0.45 * 3 + 0.45 * 1)}
    assert found["hypervolume_test"] == {"a": pytest.approx(0.45 * 0)}  # losses 1, 5 and 9 there
    assert found["reference_point"] == {"rel_energy": 1, "accuracy_loss_pp": 5}
    assert found["evaluations"] == {"a": 3} and found["stopped"] == {"a": "budget"}
    assert found["library_floor"] == pytest.approx(0.1)
    assert found["best_uniform"] == pytest.approx(
        {"multiplier": "m0", "rel_energy": 1, "search_accuracy": 0.9, "accuracy": 0.9, "accuracy_loss_pp": 1}
    )
    json.dumps(found, allow_nan=False)
    hopeless = scored([1.0, 0.6, 0.3], [2, 3, 4])
    assert summarise(SPACE, NAMES, {}, {}, hopeless, ReferenceConfig())["best_uniform"] is None
