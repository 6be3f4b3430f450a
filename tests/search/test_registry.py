"""A user's own methods: by decorator, by import path, from an installed package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import METHODS, Guidance, make_search, method_texts, register_method, run_search
from dse.search import _registry as registry
from dse.space import SearchSpace
from dse.types import Objectives, Population
from tests.small import guidance, space, toy


class Cheapest:
    def __init__(self, space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> None:
        self.left = [space.cheapest()[None]]
        self.given = population, seed

    def ask(self) -> Population:
        return self.left.pop() if self.left else np.zeros((0, 4), dtype=np.int64)

    def tell(self, population: Population, objectives: Objectives) -> None:
        pass


def refusing(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Any:
    raise ZeroDivisionError("no such\nluck")


def no_search(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Any:
    return 5


@pytest.fixture(autouse=True)
def own_methods_only() -> Iterator[None]:
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


def built(name: str, **kwargs: Any) -> Any:
    made = space(4, 4)
    return make_search(name, made, guidance(made), population=3, seed=9, **kwargs)


def test_a_registered_class_is_a_method() -> None:
    assert register_method("cheapest", "the cheapest design")(Cheapest) is Cheapest
    assert built("cheapest").given == (3, 9) and ("cheapest", "the cheapest design [lut]") in method_texts()
    made, energy, loss = toy(4, 4)
    history = run_search(built("cheapest"), [energy, loss], 5)
    assert history.population.tolist() == [[3, 3, 3, 3]] and history.stopped == "exhausted"
    register_method("cheapest", "read again")(Cheapest)  # a file may be read twice


def test_names_are_not_taken_twice() -> None:
    with pytest.raises(InputError, match="method 'nsga2' is registered already; choose another name"):
        register_method("nsga2", "")(Cheapest)
    with pytest.raises(InputError, match="method 'a:b': expected a name without ':'"):
        register_method("a:b", "")(Cheapest)


def test_an_import_path_is_resolved_by_the_hook() -> None:
    asked = []

    def load(path: str, key: str) -> Any:
        asked.append((path, key))
        return Cheapest

    assert isinstance(built("mine.py:Cheapest", load=load), Cheapest)
    assert asked == [("mine.py:Cheapest", "method 'mine.py:Cheapest'")]
    with pytest.raises(InputError, match="unknown method 'mine.py:Cheapest'"):
        built("mine.py:Cheapest")


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        (refusing, "method 'm:f': cannot be built: ZeroDivisionError: no such luck"),
        (no_search, r"method 'm:f': expected an object with ask\(\) and tell\(\), got int"),
        (len, "method 'm:f': cannot be built: TypeError: "),
    ],
)
def test_what_is_no_method(builder: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        built("m:f", load=lambda path, key: builder)


def test_installed_packages_offer_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("offered", "tests.search.test_registry:Cheapest", "dse.methods"),
        EntryPoint("broken", "tests.search.nowhere:Cheapest", "dse.methods"),
        EntryPoint("nsga2", "tests.search.test_registry:Cheapest", "dse.methods"),  # the package's own stays
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [p for p in points if p.group == group])
    assert type(built("offered")).__name__ == "Cheapest" and type(built("nsga2")).__name__ == "SeededNsga2"
    texts = dict(method_texts())
    assert texts["offered"].startswith("tests.search.test_registry:Cheapest") and "NSGA-II" in texts["nsga2"]
    with pytest.raises(InputError, match="method 'broken': cannot import tests.search.nowhere:Cheapest: No module"):
        built("broken")
    with pytest.raises(InputError, match="unknown method 'offere'; did you mean 'offered'"):
        built("offere")
