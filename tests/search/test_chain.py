"""A chain: what it asks first, and what waits."""

from __future__ import annotations

import numpy as np

from dse.search._chain import Chain
from dse.types import FAILED

DESIGNS = np.arange(17)[:, None]


def asked(losses: np.ndarray, population: int = 3) -> list[int]:
    chain = Chain(DESIGNS, np.arange(17.0), population=population, max_loss=5.0)
    found: list[int] = []
    while len(batch := chain.ask()):
        found += batch[:, 0].tolist()
        chain.tell(batch, np.stack([np.zeros(len(batch)), losses[batch[:, 0]]], axis=1))
    return found


def test_all_once_and_the_widest_gap_first() -> None:
    found = asked(np.zeros(17))
    assert found[:5] == [0, 16, 8, 4, 12] and sorted(found) == list(range(17))


def test_bolder_than_too_bold_waits() -> None:
    found = asked(np.where(np.arange(17) >= 7, 9.0, 0.0))  # 8 is too bold, and 7
    assert found[:3] == [0, 16, 8] and set(found[3:10]) == set(range(1, 8)) and set(found[10:]) == set(range(9, 16))


def test_what_failed_says_nothing() -> None:
    assert asked(np.where(np.arange(17) == 8, FAILED, 0.0)) == asked(np.zeros(17))
