"""Our search: it opens with the optimum of the proxy, and the model of the loss screens what follows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dse.search._nsga2 as nsga2_module
from dse.exceptions import InputError
from dse.pareto import hypervolume, non_dominated
from dse.search import Guidance, SeededNsga2
from dse.search._additive import additive_designs
from dse.search._genetic import Genetic, best_by_rank_and_crowding
from dse.search._loss_model import LossModel
from dse.types import FAILED, Floats, Objectives, Population
from tests.small import guidance, space, toy


def test_opens_with_the_optimum_of_the_proxy_in_steps() -> None:
    made, energy, loss = toy(5, 6)
    given = replace(guidance(made), cost=loss.cost)
    optima = set(map(tuple, additive_designs(made, given).tolist()))
    search = SeededNsga2(made, given, population=12, seed=0)
    opening: list[Population] = []
    while sum(map(len, opening)) < 12:
        opening.append(search.ask())
        search.tell(opening[-1], np.stack([energy(opening[-1]), loss(opening[-1])], axis=1))
    assert [len(batch) for batch in opening] == [3, 3, 3, 3]
    assert set(map(tuple, np.vstack(opening).tolist())) <= optima
    assert energy(opening[0]).max() - energy(opening[0]).min() == pytest.approx(np.ptp(energy(np.array(list(optima)))))
    bred = search.ask()
    assert len(bred) == 12 and not set(map(tuple, bred.tolist())) <= optima


def test_the_opening_turns_back_where_losses_become_too_large() -> None:
    made, energy, loss = toy(6, 8)
    given = Guidance(made.uniform(), loss.cost, float(np.quantile(loss.cost.sum(axis=0), 0.3)))
    search = SeededNsga2(made, given, population=16, seed=0)
    losses = []
    for _ in range(4):
        asked = search.ask()
        losses.append(loss(asked))
        search.tell(asked, np.stack([energy(asked), losses[-1]], axis=1))
    assert losses[0].max() > given.max_loss and np.mean(losses[-1] <= given.max_loss) >= 0.5


def test_matched_seeds_and_optima_stay_candidates() -> None:
    """A design of the sweep that the model likes is simulated, though no crossover leads there."""
    made, energy, loss = toy(6, 8)
    given = replace(guidance(made), cost=loss.cost)
    search = SeededNsga2(made, given, population=8, seed=0)
    asked: list[Population] = []
    for _ in range(12):
        asked.append(search.ask())
        search.tell(asked[-1], np.stack([energy(asked[-1]), loss(asked[-1])], axis=1))
    optima = additive_designs(made, given)
    met = set(map(tuple, np.vstack(asked[4:]).tolist())) & set(map(tuple, optima.tolist()))
    assert met


def test_a_space_of_few_designs_is_opened_and_bred_all_the_same() -> None:
    made = space(2, 2)
    search = SeededNsga2(made, Guidance(made.uniform(), np.ones((2, 2)), 10.0), population=9, seed=0)
    seen: set[tuple[int, ...]] = set()
    for _ in range(8):
        asked = search.ask()
        seen |= set(map(tuple, asked.tolist()))
        if len(asked):
            search.tell(asked, np.stack([made.energy(asked), asked.sum(axis=1)], axis=1))
    assert len(seen) >= 3


def test_offspring_are_new_and_better_for_a_proxy_that_knows() -> None:
    made, energy, loss = toy(8, 8)
    found = []
    for cost in (loss.cost, loss.cost.max() - loss.cost):
        search = SeededNsga2(made, replace(guidance(made), cost=cost), population=8, seed=0)
        known = np.zeros((0, 8), dtype=np.int64)
        for _ in range(4):
            asked = search.ask()
            assert not set(map(tuple, asked)) & set(map(tuple, known)) and len(set(map(tuple, asked))) == len(asked)
            search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))
            known = np.vstack([known, asked])
        found.append(hypervolume(np.stack([energy(known), loss(known)], axis=1), np.array([1.0, 6.0])))
    assert found[0] > 1.05 * found[1]


def test_designs_beyond_the_limit_are_left_aside() -> None:
    made, energy, loss = toy(8, 8)
    asked = {}
    for limit in (1.0, 10.0):
        given = Guidance(made.uniform(), loss.cost, limit)
        search = SeededNsga2(made, given, population=8, seed=0)
        for _ in range(6):
            asked[limit] = search.ask()
            search.tell(asked[limit], np.stack([energy(asked[limit]), loss(asked[limit])], axis=1))
    assert np.median(loss(asked[1.0])) < 1 < np.median(loss(asked[10.0]))


def test_survivors_carry_the_repaired_genes_and_their_own_objectives() -> None:
    made, energy, loss = toy(6, 8, 2)
    search = SeededNsga2(made, guidance(made), population=8, seed=0)
    for step in range(8):
        asked = search.ask()
        search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))
        if step < 4:  # the opening
            continue
        genes, objectives = search._genetic._algorithm.pop.get("X", "F")
        genes = genes.astype(np.int64)
        assert np.array_equal(made.repair(genes), genes)
        assert np.array_equal(objectives, np.stack([energy(genes), loss(genes)], axis=1))


@pytest.mark.parametrize("shape", [(0, 3), (2, 4), (3,)])
def test_seeds_that_do_not_fit(shape: tuple[int, ...]) -> None:
    made = space(3, 2)
    with pytest.raises(InputError, match=r"nsga2: expected seeds \(S, 3\) with S >= 1, got"):
        SeededNsga2(made, Guidance(np.zeros(shape, dtype=np.int64), np.zeros((3, 2)), 10.0), population=4, seed=0)


def test_proxy_is_a_sum_over_layers() -> None:
    cost = np.array([[0.0, 1, 2], [0, 10, 20]])
    found = Guidance(np.zeros((1, 2), dtype=np.int64), cost, 10.0).proxy(np.array([[0, 0], [2, 1]]))
    assert found.tolist() == [0, 12]


def crowding(front: np.ndarray) -> list[float]:
    """Return the crowding distances (Deb et al. 2002) of distinct rows (P, 2)."""
    total = np.zeros(len(front))
    for k in range(2):
        order = np.argsort(front[:, k])
        sorted_values = front[order, k]
        total[order[[0, -1]]] = np.inf
        total[order[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / np.ptp(sorted_values)
    return list(total)


@pytest.mark.parametrize("seed", range(5))
def test_best_by_rank_and_crowding(seed: int) -> None:
    objectives = np.random.default_rng(seed).random((40, 2))
    rank, left = np.zeros(40), np.arange(40)
    distance = np.zeros(40)
    while len(left):
        front = left[non_dominated(objectives[left])]
        distance[front] = crowding(objectives[front])
        left = np.setdiff1d(left, front)
        rank[left] += 1
    best = best_by_rank_and_crowding(objectives, 15)
    order = sorted(range(40), key=lambda i: (rank[i], -distance[i]))[:15]
    assert len(set(best.tolist())) == 15
    assert rank[best].tolist() == rank[order].tolist()
    assert distance[best] == pytest.approx(distance[order])  # the ends of a front are equally far from all others


def test_the_model_never_sees_what_failed() -> None:
    made, energy, loss = toy(6, 8)
    search = SeededNsga2(made, guidance(made), population=8, seed=0)
    known: set[tuple[int, ...]] = set()
    for _ in range(4):
        asked = search.ask()
        assert not known & set(map(tuple, asked.tolist()))  # not asked again either
        known |= set(map(tuple, asked.tolist()))
        objectives = np.stack([energy(asked), loss(asked)], axis=1)
        objectives[asked.sum(axis=1) % 3 == 0] = FAILED
        search.tell(asked, objectives)
    assert 0 < len(np.vstack(search._simulated)) < len(known)
    assert (np.vstack(search._figures) < FAILED).all()
    assert (np.vstack(search._simulated).sum(axis=1) % 3 != 0).all()
    assert np.vstack(search._figures)[:, 0] == pytest.approx(loss(np.vstack(search._simulated)))


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_chooses_what_is_expected_to_move_the_front(n_objectives: int) -> None:
    made, energy, loss = toy(6, 8)
    given = replace(guidance(made), cost=loss.cost)

    def score(designs: Population) -> Objectives:
        return np.stack([energy(designs), loss(designs), designs.max(axis=1)][:n_objectives], axis=1).astype(float)

    search = SeededNsga2(made, given, population=8, seed=0)
    told = [search.ask() for _ in range(1)]
    search.tell(told[0], score(told[0]))
    told.append(search.ask())
    search.tell(told[1], score(told[1]))
    known = np.vstack(told)
    designs = np.unique(np.random.default_rng(0).integers(0, 8, (200, 6)), axis=0)
    expected = np.column_stack([energy(designs), LossModel(given, known, score(known)[:, 1:]).predict(designs)])
    moves = [i for i, row in enumerate(expected) if not any((other <= row).all() for other in score(known))]
    assert 5 < len(moves) < len(designs)
    best = np.array(moves)[best_by_rank_and_crowding(expected[moves], 5)]
    assert search._learned() and search._most_promising(designs, 5).tolist() == best.tolist()


def test_the_more_designs_are_known_the_fewer_are_bred(monkeypatch: pytest.MonkeyPatch) -> None:
    made, energy, loss = toy(6, 8)
    bred: list[int] = []
    ask, fit = Genetic.ask, LossModel.__init__

    def counted(self: Genetic, offspring: int | None = None) -> Population:
        bred.append(offspring or 0)
        return ask(self, offspring)

    def fitted(self: LossModel, given: Guidance, population: Population, losses: Floats) -> None:
        fits.append(len(population))
        fit(self, given, population, losses)

    fits: list[int] = []
    monkeypatch.setattr(Genetic, "ask", counted)
    monkeypatch.setattr(LossModel, "__init__", fitted)
    monkeypatch.setattr(nsga2_module, "_DEAR", 16)
    search = SeededNsga2(made, guidance(made), population=8, seed=0)
    known: set[tuple[int, ...]] = set()
    while len(known) < 16 * 40:
        asked = search.ask()
        assert 0 < len(asked) <= 8 and not known & set(map(tuple, asked.tolist()))
        known |= set(map(tuple, asked.tolist()))
        search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))
    assert bred[1] == 240 and bred[-1] == 8 and sorted(bred[1:], reverse=True) == bred[1:]
    assert fits[-1] < 16 * 30 + 8 and all(b >= 1.05 * a for a, b in zip(fits, fits[1:], strict=False))
