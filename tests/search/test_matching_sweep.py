"""The matching sweep as a method: the guidance's own assignments, evenly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import make_search
from tests.small import guidance, space


def test_asks_for_the_seeds_ends_first_each_once() -> None:
    made = space(4, 9)
    given = replace(guidance(made), seeds=np.repeat(made.uniform(), 2, axis=0))
    search = make_search("matching", made, given, population=4, seed=0)
    first = search.ask()
    assert first.tolist() == made.uniform()[[0, 8, 4, 2]].tolist()
    search.tell(first, np.zeros((4, 2)))
    rest = search.ask()
    search.tell(rest, np.zeros((4, 2)))
    assert rest.tolist() == made.uniform()[[6, 1, 3, 5]].tolist() and search.ask().tolist() == [[7] * 4]


@pytest.mark.parametrize("method", ["matching", "nsga2", "nsga3"])
def test_no_seeds(method: str) -> None:
    made = space(4, 9)
    given = replace(guidance(made), seeds=np.zeros((0, 4), dtype=np.int64))
    with pytest.raises(InputError, match=r"expected seeds \(S, 4\) with S >= 1, got \(0, 4\)"):
        make_search(method, made, given, population=4, seed=0)
