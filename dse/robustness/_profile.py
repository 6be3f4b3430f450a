"""What every way to measure robustness gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.types import Floats

_SMALLEST_SIGMA = 1e-6  # stands for a layer that bears nothing
_BORNE = 0.01  # nats: what noise of sigma in one layer costs, where sigma follows from alpha
_SMALLEST_ALPHA = 1e-6  # relative to the largest: stands for a layer that bears anything


@dataclass(frozen=True)
class RobustnessProfile:
    """The noise each layer bears, and what noise costs there.

    For small noise in one layer, independent of everything else, the loss rises by `alpha_l * sigma_l^2`; the rises of
    several layers add up (second-order expansion; the Hessian view of Dong et al., "HAWQ", ICCV 2019, for weights).
    """

    layers: tuple[str, ...]
    sigma: Floats  # (L,) std of the noise that a layer bears, relative to its output std; >= 0
    # (L,) rise of the mean KL divergence, nats per unit of relative noise variance; None: known from sigma, to a factor
    alpha: Floats | None = None

    @classmethod
    def from_alpha(cls, layers: tuple[str, ...], alpha: Floats) -> RobustnessProfile:
        """Return the profile of layers whose costs are known: each bears noise that alone costs 0.01 nats.

        Which amount it is does not matter to a sweep of tolerance scales: sigma is in proportion to `alpha ** -0.5`.

        Raises:
            InputError: If a cost is negative or not finite: the network's logits are not, on these images.
        """
        if not (np.isfinite(alpha).all() and (alpha >= 0).all()):
            raise InputError(
                f"robustness: expected finite costs of noise >= 0, got {alpha}; check the network's weights"
            )
        floor = max(_SMALLEST_ALPHA * float(alpha.max(initial=0.0)), 1e-12)
        return cls(layers, np.sqrt(_BORNE / np.maximum(alpha, floor)), alpha)

    def noise_cost(self, op_counts: NDArray[np.int64]) -> Floats:
        """Return what a unit of relative noise variance costs in each layer: `(L,)`.

        In nats where `alpha` is known. Otherwise up to a common factor, from the balance at which AGN noise settles: for a
        loss that grows by `alpha_l sigma_l^2`, `d/dsigma_l` of it equals the reward's slope, `2 alpha_l sigma_l = lambda c_l
        / sum_j c_j`. Hence `alpha_l` is proportional to `c_l / sigma_l`. A layer at `sigma_max` bears at least what this
        says. (The balance is our reading of the ICCAD 2022 loss; the paper itself only matches.)

        Args:
            op_counts: Multiplications per layer `(L,)`.
        """
        if self.alpha is not None:
            return self.alpha
        cost: Floats = op_counts / op_counts.sum() / np.maximum(self.sigma, _SMALLEST_SIGMA)
        return cost
