"""Designs are simulated once, and no more of them than there are evaluations."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._choice_ledger import Ledger
from dse.types import Floats, Population
from tests.operating_points.spaces import every_design, library_space


def test_each_distinct_design_is_charged_once() -> None:
    made, _ = library_space()
    asked: list[int] = []

    def evaluate(population: Population) -> Floats:
        asked.append(len(population))
        return np.column_stack([population.sum(axis=1), population.max(axis=1)]).astype(float)

    ledger, designs = Ledger(made, evaluate, 4), every_design(made)
    assert ledger(designs[[1, 1, 2]]).tolist() == [[1, 1], [1, 1], [2, 2]] and ledger.left == 2
    assert ledger(designs[[2, 3, 4, 6]])[:, 0] == pytest.approx([2, 3, 4, np.nan], nan_ok=True)  # the budget is spent
    assert ledger.left == 0 and asked == [2, 2] and len(ledger(designs[[7]])) == 1 and asked == [2, 2]
    assert ledger.simulated.population.tolist() == designs[[1, 2, 3, 4]].tolist()
    assert ledger.new(designs[[4, 5, 5, 0]]).tolist() == designs[[5, 0]].tolist()


def test_figures_must_be_as_many_as_designs() -> None:
    made, _ = library_space()
    with pytest.raises(InputError, match=r"evaluate: expected figures \(2, 2\), got shape"):
        Ledger(made, lambda population: np.zeros(3), 5)(every_design(made)[:2])
