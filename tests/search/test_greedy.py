"""Greedy descent: each step against the rule written out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.search import Greedy, run_search
from dse.search._greedy import by_trade
from dse.types import FAILED
from tests.small import guidance, toy


def test_order_of_trades() -> None:
    saved = np.array([0.1, 0.2, 0.3, 0.1, 0.4])
    lost = np.array([0.0, 1.0, 1.0, -5.0, 0.5])
    assert by_trade(saved, lost).tolist() == [0, 3, 4, 2, 1]  # free ones by saving, then 0.8, 0.3, 0.2


def test_walks_down_by_the_rule() -> None:
    made, energy, loss = toy(4, 5)
    given = replace(guidance(made), cost=loss.cost * 1.1)
    search = Greedy(made, given)
    current = search.ask()
    assert current.tolist() == [[0, 0, 0, 0]]
    search.tell(current, np.stack([energy(current), loss(current)], axis=1))
    for _ in range(5):
        neighbours = [
            np.concatenate([current[0, :l], [m], current[0, l + 1 :]]) for l in range(4) for m in range(current[0, l] + 1, 5)
        ]
        ratio = [
            float((energy(current) - energy(n[None]))[0] / (given.proxy(n[None]) - given.proxy(current))[0])
            for n in neighbours
        ]
        expected = [neighbours[i].tolist() for i in np.argsort(-np.array(ratio), kind="stable")[:4]]
        asked = search.ask()
        assert asked.tolist() == expected
        search.tell(asked, np.stack([energy(asked), loss(asked)], axis=1))
        current = asked[:1]  # the proxy ranks as the loss does, so the first is the best


def test_measured_loss_has_the_last_word() -> None:
    made, energy, loss = toy(3, 4)
    search = Greedy(made, replace(guidance(made), cost=loss.cost))
    start = search.ask()
    search.tell(start, np.array([[1.0, 0.0]]))
    asked = search.ask()
    search.tell(asked, np.stack([energy(asked), [FAILED, 3.0, 0.1, 3.0]], axis=1))
    assert all((design != asked[2]).sum() == 1 for design in search.ask())


def test_goes_on_with_the_next_four_and_ends() -> None:
    made, energy, loss = toy(3, 4)
    search = Greedy(made, replace(guidance(made), cost=loss.cost))
    search.tell(search.ask(), np.array([[1.0, 0.0]]))
    batches = []
    while len(asked := search.ask()):
        batches.append(asked)
        search.tell(asked, np.full((len(asked), 2), 50.0))  # beyond the loss of interest
    assert [len(batch) for batch in batches] == [4, 4, 1]
    assert {tuple(d) for d in np.vstack(batches).tolist()} == {
        tuple(m if i == l else 0 for i in range(3)) for l in range(3) for m in range(1, 4)
    }


@pytest.mark.parametrize("tiles", [None, 1, 2])
def test_reaches_the_cheapest_design_when_nothing_is_lost(tiles: int | None) -> None:
    made, energy, loss = toy(5, 6, tiles)
    loss.cost *= 0
    history = run_search(Greedy(made, replace(guidance(made), cost=loss.cost)), [energy, loss], 500)
    assert history.stopped == "exhausted"
    assert history.objectives[:, 0].min() == pytest.approx(made.energy(made.cheapest()[None])[0])


def test_starts_within_the_energy_bound() -> None:
    made, _, loss = toy(5, 6)
    made = replace(made, max_rel_energy=0.5)
    start = Greedy(made, replace(guidance(made), cost=loss.cost)).ask()
    assert len(start) == 1 and 0.3 < made.energy(start)[0] <= 0.5
