"""The AGN paper's own method, which searches nothing (Trommer et al., ICCAD 2022, arXiv 2208.07265)."""

from __future__ import annotations

import numpy as np

from dse.search._chain import Chain
from dse.search._guidance import Guidance, sweep
from dse.space import SearchSpace


def matching_search(space: SearchSpace, guidance: Guidance, *, population: int, seed: int) -> Chain:
    """Return the sweep of matched assignments: each layer's cheapest multiplier that it bears, at every tolerance scale.

    The paper retrains the network for every strength of the noise; here one profile's tolerances are scaled, as in QoS-Nets
    (arXiv 2410.07762). Designs that break the space's rules are repaired. The seed decides nothing.

    Raises:
        InputError: If the guidance has no seeds `(S, L)`.
    """
    designs = sweep("matching", space, guidance)
    positions = np.arange(len(designs), dtype=np.float64)
    return Chain(designs, positions, population=population, max_loss=guidance.loss_limit(space))
