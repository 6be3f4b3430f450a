"""NSGA-III and U-NSGA-III: reference directions, and one result for one seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.nsga3 import NSGA3

from dse.search._genetic import Algorithm, Genetic
from dse.search._nsga3 import nsga3, reference_directions, u_nsga3
from dse.types import FAILED


def results(algorithm: Algorithm, repeats: int = 8) -> int:
    """Return how many different runs equal seeds give: three objectives, a constraint, and many equal violations."""
    found = set()
    for _ in range(repeats):
        initial = np.random.default_rng(0).integers(0, 6, (12, 10))
        genetic = Genetic(initial, np.full(10, 6), 12, 3, algorithm=algorithm, max_loss=20.0)
        asked = []
        for _ in range(6):
            genes = genetic.ask()
            asked.append(genes.tobytes())
            objectives = np.stack([genes.sum(axis=1), (5 - genes).sum(axis=1), genes.max(axis=1)], axis=1).astype(float)
            objectives[genes.sum(axis=1) % 2 == 0] = FAILED
            genetic.tell(objectives)
        found.add(tuple(asked))
    return len(found)


@pytest.mark.parametrize("algorithm", [nsga3, u_nsga3])
def test_eight_runs_of_one_seed_are_one(algorithm: Algorithm) -> None:
    assert results(algorithm) == 1


@pytest.mark.parametrize("algorithm", [nsga3, u_nsga3])
def test_that_test_sees_a_tournament_without_the_seed(algorithm: Algorithm) -> None:
    def unseeded(n_objectives: int, **settings: Any) -> NSGA3:
        made = algorithm(n_objectives, **settings)
        compare = made.mating.selection.func_comp
        made.mating.selection.func_comp = lambda pop, P, random_state, **kwargs: compare(
            pop, P, random_state=np.random.default_rng(), **kwargs
        )
        return made

    assert results(unseeded) > 1


@pytest.mark.parametrize(
    ("n_objectives", "population", "count"), [(3, 24, 21), (3, 21, 21), (3, 20, 15), (2, 10, 10), (5, 4, 5), (1, 9, 1)]
)
def test_reference_directions(n_objectives: int, population: int, count: int) -> None:
    found = reference_directions(n_objectives, population)
    assert found.shape == (count, n_objectives)
    assert found.sum(axis=1) == pytest.approx(np.ones(count)) and (found >= 0).all()


def test_u_nsga3_prefers_the_nearer_in_a_niche() -> None:
    spread = {}
    for name, algorithm in (("nsga3", nsga3), ("u-nsga3", u_nsga3)):
        genetic = Genetic(np.random.default_rng(0).integers(0, 6, (12, 10)), np.full(10, 6), 12, 0, algorithm=algorithm)
        for _ in range(8):
            genes = genetic.ask()
            genetic.tell(np.stack([genes[:, :5].sum(axis=1), genes[:, 5:].sum(axis=1)], axis=1).astype(float))
        assert genetic._algorithm is not None
        spread[name] = genetic._algorithm.pop.get("F").sum(axis=1).mean()
    assert spread["u-nsga3"] < 25 and spread["nsga3"] < 25  # of 50; random genes have 25
    assert spread["u-nsga3"] != spread["nsga3"]
