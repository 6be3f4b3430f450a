"""Predict the loss of designs that were not simulated from the profile's proxy and from those that were."""

from __future__ import annotations

import numpy as np
from sklearn.isotonic import IsotonicRegression

from dse.search._guidance import Guidance
from dse.types import Floats, Population

_NUGGET = 0.05  # share of the residual variance that even equal layers do not explain
_MOST_KNOWN = 1000  # designs interpolated between, the latest ones: the cost grows with their cube
_LENGTH = 0.5  # the correlation of two residuals falls by e for every half of their errors that is not common
_NO_COST = 1e-9  # stands for the exact multiplier's, so that no design has a vector of length 0


class LossModel:
    """A trend and what departs from it.

    The trend is isotonic in the proxy: a larger proxy never means a smaller loss. Its residuals are interpolated by kriging
    (Gaussian-process regression): designs that share the layers with the largest errors get the same images wrong. The
    kernel is `exp((s - 1) / length)` with `s` the share of their errors that two designs have in common, the cosine of the
    vectors that hold `sqrt(cost)` at each (layer, multiplier) of a design.

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
        covariance = self._similarity(self._known, self._known) + _NUGGET * np.eye(len(self._known))
        self._weights = np.linalg.solve(covariance, residuals)

    def predict(self, population: Population) -> Floats:
        """Return the expected losses of designs `(P, L)` -> `(P,)`."""
        trend: Floats = self._trend.predict(self._guidance.proxy(population))
        return trend + self._similarity(population, self._known) @ self._weights

    def _similarity(self, a: Population, b: Population) -> Floats:
        """Return the kernel between designs: `(P, L)`, `(N, L)` -> `(P, N)`."""
        costs = self._guidance.cost[np.arange(a.shape[1]), a] + _NO_COST  # (P, L)
        norms = np.sqrt(costs.sum(axis=1)), np.sqrt(self._guidance.proxy(b) + _NO_COST * b.shape[1])
        common = sum(costs[:, l, None] * (a[:, l, None] == b[None, :, l]) for l in range(a.shape[1]))
        return np.exp((common / np.multiply.outer(*norms) - 1) / _LENGTH)
