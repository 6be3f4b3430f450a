"""The package's own methods, under the names that a configuration uses."""

from __future__ import annotations

from functools import partial

from dse.search._additive import additive_search
from dse.search._alwann import Alwann
from dse.search._exhaustive import Exhaustive
from dse.search._greedy import Greedy
from dse.search._guidance import Guidance
from dse.search._matching_sweep import matching_search
from dse.search._nsga2 import SeededNsga2
from dse.search._nsga2_unseeded import UnseededNsga2
from dse.search._nsga3 import nsga3, u_nsga3
from dse.search._qos_nets import QosNets
from dse.search._random import RandomSearch
from dse.search._registry import METHODS, Method
from dse.space import SearchSpace


def _unseeded(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> UnseededNsga2:
    return UnseededNsga2(space, population=population, seed=seed)


def _alwann(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Alwann:
    return Alwann(space, population=population, seed=seed)


def _alwann_bounded(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Alwann:
    return Alwann(space, population=population, seed=seed, max_loss=guidance.max_loss)


def _greedy(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Greedy:
    return Greedy(space, guidance)


def _random(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> RandomSearch:
    return RandomSearch(space, population=population, seed=seed)


def _exhaustive(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Exhaustive:
    return Exhaustive(space, population=population)


_PROXY = ("proxy", "lut")  # what they choose by

METHODS.update(
    {
        "nsga2": Method("NSGA-II seeded and pre-screened by the robustness profile", SeededNsga2, _PROXY),
        "nsga2-unseeded": Method("NSGA-II from random designs, without profile or model", _unseeded),
        "nsga3": Method(
            "NSGA-III, seeded and pre-screened: for three or more objectives", partial(SeededNsga2, algorithm=nsga3), _PROXY
        ),
        "u-nsga3": Method("U-NSGA-III, seeded and pre-screened likewise", partial(SeededNsga2, algorithm=u_nsga3), _PROXY),
        "alwann": Method("ALWANN-style NSGA-II over tiles (ICCAD 2019)", _alwann),
        "alwann-bounded": Method("the same, told the largest loss of interest as our search is", _alwann_bounded),
        "matching": Method(
            "matched assignments at all tolerance scales, no search (AGN, ICCAD 2022)", matching_search, _PROXY
        ),
        "qos-nets": Method("layers clustered by their tolerances, one multiplier each (QoS-Nets, 2024)", QosNets, _PROXY),
        "greedy": Method("greedy descent from the exact design", _greedy, _PROXY),
        "additive": Method("the exact front of energy and the profile's additive proxy", additive_search, _PROXY),
        "random": Method("uniformly random designs", _random),
        "exhaustive": Method("every design of a small space; of variants, those that all methods choose from", _exhaustive),
    }
)
