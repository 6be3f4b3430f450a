"""Search methods behind ask/tell, and the loop that drives and charges them.

`METHODS` maps the name of a method to its one-line description and its constructor; `make_search` calls it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dse.exceptions import unknown_name
from dse.search._alwann import Alwann
from dse.search._exhaustive import Exhaustive
from dse.search._guidance import Guidance
from dse.search._loop import History, run_search
from dse.search._nsga2 import SeededNsga2
from dse.search._random import RandomSearch
from dse.space import SearchSpace
from dse.types import Search


@dataclass(frozen=True)
class Method:
    """A registered search method."""

    text: str
    build: Callable[[SearchSpace, Guidance, int, int], Search]  # (space, guidance, population, seed)


METHODS: dict[str, Method] = {
    "nsga2": Method(
        "NSGA-II seeded and pre-screened by the robustness profile",
        lambda s, g, p, r: SeededNsga2(s, g, population=p, seed=r),
    ),
    "alwann": Method(
        "ALWANN-style NSGA-II over tiles (ICCAD 2019)", lambda s, g, p, r: Alwann(s, population=p, seed=r)
    ),
    "alwann-bounded": Method(
        "the same, told the largest loss of interest as our search is",
        lambda s, g, p, r: Alwann(s, population=p, seed=r, max_loss=g.max_loss),
    ),
    "random": Method("uniformly random designs", lambda s, g, p, r: RandomSearch(s, population=p, seed=r)),
    "exhaustive": Method("every design of a small space", lambda s, g, p, r: Exhaustive(s, population=p)),
}


def make_search(name: str, space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Search:
    """Return a fresh search; only methods that use the profile read `guidance`.

    Raises:
        InputError: If no method has that name.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name].build(space, guidance, population, seed)


__all__ = [
    "METHODS",
    "Alwann",
    "Exhaustive",
    "Guidance",
    "History",
    "Method",
    "RandomSearch",
    "SeededNsga2",
    "make_search",
    "run_search",
]
