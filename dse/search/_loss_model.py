"""Predict the loss of designs that were not simulated from the profile's proxy and from those that were."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from dse.search._guidance import Guidance
from dse.types import Floats, Population

_NUGGET = 0.05  # share of the residual variance that even equal layers do not explain
_MOST_KNOWN = 1000  # designs interpolated between, the latest ones: the cost grows with their cube
_LAYERS_PER_LENGTH = 3  # the correlation of two residuals falls by e when a third of the layers differs


class LossModel:
    """A trend and what departs from it.

    The trend is isotonic in the proxy: a larger proxy never means a smaller loss. Its residuals are interpolated by kriging
    (Gaussian-process regression) with the kernel `exp(-d / length)`, `d` the number of layers that differ: designs that
    share layers share those layers' errors, hence the images that they get wrong.

    Args:
        guidance: The proxy.
        population: Simulated designs `(N, L)`, N >= 1.
        losses: Their losses `(N,)`.
    """

    def __init__(self, guidance: Guidance, population: Population, losses: Floats) -> None:
        self._guidance = guidance
        self._trend = IsotonicRegression(out_of_bounds="clip").fit(guidance.proxy(population), losses)
        # far beyond the limit the residuals are large and say nothing about the designs of interest
        near = np.flatnonzero(losses <= max(2 * guidance.max_loss, float(losses.min())))[-_MOST_KNOWN:]
        self._known = population[near]
        residuals = losses[near] - self._trend.predict(guidance.proxy(self._known))
        covariance = _similarity(self._known, self._known) + _NUGGET * np.eye(len(self._known))
        self._weights = np.linalg.solve(covariance, residuals)

    def predict(self, population: Population) -> Floats:
        """Return the expected losses of designs `(P, L)` -> `(P,)`."""
        trend: Floats = self._trend.predict(self._guidance.proxy(population))
        return trend + _similarity(population, self._known) @ self._weights


def _similarity(a: Population, b: Population) -> Floats:
    differing = (a[:, None, :] != b[None, :, :]).sum(axis=2)
    return np.exp(-differing * _LAYERS_PER_LENGTH / a.shape[1])
