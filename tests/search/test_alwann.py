"""The baseline's encoding: T tile multipliers, then a tile for each layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.search import Alwann
from dse.search._genetic import RandomReset
from tests.small import space, toy


@pytest.mark.parametrize(("tiles", "population"), [(None, 4), (2, 3), (1, 12)])
def test_first_generation_is_the_uniform_designs(tiles: int | None, population: int) -> None:
    made = space(5, 7, tiles)
    assert Alwann(made, population=population, seed=0).ask().tolist() == made.uniform().tolist()


def test_decoding_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Alwann(space(4, 9, tiles=3), population=2, seed=0)
    chromosomes = np.array([[7, 0, 5, 0, 2, 2, 1], [3, 3, 8, 1, 0, 0, 1]])  # two tiles alike, one unused
    monkeypatch.setattr(search._genetic, "ask", lambda: chromosomes)
    assert search.ask().tolist() == [[7, 5, 5, 0], [3, 3, 3, 3]]


def test_survivors_and_offspring_number_the_population() -> None:
    made, energy, loss = toy(6, 9, 3)
    search = Alwann(made, population=5, seed=0)
    sizes = []
    for _ in range(4):
        asked = search.ask()
        search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))
        sizes.append(len(asked))
        assert sizes[0] == 9 and len(search._genetic._algorithm.pop) == (9 if len(sizes) == 1 else 5)
    assert sizes == [9, 5, 5, 5]


def test_mutation_resets_one_gene_in_the_mean_to_any_value() -> None:
    class Genes:
        n_var, xu = 4, np.array([0, 1, 4, 9])

    genes = np.zeros((40_000, 4), dtype=np.int64)
    mutated = RandomReset()._do(Genes, genes, random_state=np.random.default_rng(0))
    assert mutated.dtype == np.int64 and not genes.any()
    for g, high in enumerate(Genes.xu):
        counts = np.bincount(mutated[:, g], minlength=high + 1) / len(genes)
        assert len(counts) == high + 1
        assert counts[1:] == pytest.approx(np.full(high, 0.25 / (high + 1)), rel=0.15)


def test_forbidden_multipliers_are_repaired_after_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = np.ones((4, 9), dtype=bool)
    allowed[0, 1:] = False
    made = replace(space(4, 9, tiles=3), allowed=allowed)
    search = Alwann(made, population=2, seed=0)
    assert search.ask().tolist() == made.uniform().tolist()
    monkeypatch.setattr(search._genetic, "ask", lambda: np.array([[7, 0, 5, 0, 2, 2, 1], [3, 4, 8, 1, 0, 1, 2]]))
    assert search.ask().tolist() == made.repair(np.array([[7, 5, 5, 0], [4, 3, 4, 8]])).tolist()


@pytest.mark.parametrize(("bound", "limit"), [(None, 2.0), (1.0, 1.0), (3.0, 2.0)])
def test_bounds_of_the_loss_are_constraints(bound: float | None, limit: float) -> None:
    made = replace(space(4, 9), max_loss_pp=2.0)
    assert Alwann(made, population=2, seed=0, max_loss=bound)._genetic._max_loss == limit
