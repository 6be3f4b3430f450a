"""The exact optimum of the profile's proxy: what a search would find if losses added up as the profile says."""

from __future__ import annotations

from dse.search._additive_front import additive_front
from dse.search._chain import Chain
from dse.search._guidance import Guidance
from dse.space import SearchSpace
from dse.types import Population


def additive_search(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Chain:
    """Return the front of energy and proxy, computed before anything is simulated, spread evenly over the energy.

    Exact up to what `additive_front` says; of the front, the designs within the space's energy bound. The seed decides
    nothing.
    """
    return chain_of(additive_designs(space, guidance), space, guidance, population)


def chain_of(designs: Population, space: SearchSpace, guidance: Guidance, population: int) -> Chain:
    """Return what asks for a front of designs, dear to cheap, spread evenly over the energy."""
    return Chain(designs, space.energy(designs), population=population, max_loss=guidance.loss_limit(space))


def additive_designs(space: SearchSpace, guidance: Guidance) -> Population:
    """Return the front of energy and proxy within the space, dear to cheap: `(N, L)`, N >= 1."""
    spent = space.op_counts[:, None] * space.rel_energy
    designs = additive_front(spent, guidance.cost, space.choices, tiles=space.tile_limit)
    designs = designs[space.permits(designs)]
    return designs if len(designs) else space.cheapest()[None]
