"""Predict the loss of designs that were not simulated from the profile's proxy and from those that were."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array
from sklearn.isotonic import IsotonicRegression

from dse.search._guidance import Guidance
from dse.types import Floats, Population

_NUGGET = 0.05  # share of the residual variance that even equal layers do not explain
_MOST_KNOWN = 500  # designs interpolated between, the latest ones: the cost grows with their square and their cube
_LENGTH = 0.5  # the correlation of two residuals falls by e for every half of their errors that is not common
_NO_COST = 1e-9  # stands for the exact multiplier's, so that no design has a vector of length 0


class LossModel:
    """A trend and what departs from it.

    The trend is isotonic in the proxy: a larger proxy never means a smaller loss. Its residuals are interpolated by kriging
    (Gaussian-process regression): designs that share the layers with the largest errors get the same images wrong. The
    kernel is `exp((s - 1) / length)` with `s` the share of their errors that two designs have in common, the cosine of the
    vectors that hold `sqrt(cost)` at each (layer, multiplier) of a design.

    Further figures than the accuracy loss get a trend each and share the kernel.

    Args:
        guidance: The proxy.
        population: Simulated designs `(N, L)`, N >= 1, none of which failed.
        losses: Their figures `(N, C)`, the accuracy loss first.
    """

    def __init__(self, guidance: Guidance, population: Population, losses: Floats) -> None:
        self._guidance = guidance
        proxy = guidance.proxy(population)
        self._trends = [IsotonicRegression(out_of_bounds="clip").fit(proxy, column) for column in losses.T]
        # far beyond the limit the residuals are large and say nothing about the designs of interest
        limit = max(2 * guidance.max_loss, float(losses[:, 0].min()))
        near = np.flatnonzero(losses[:, 0] <= limit)[-_MOST_KNOWN:]
        known = self._vectors(population[near])
        self._known = known.T.toarray()
        covariance = self._similarity(known) + _NUGGET * np.eye(len(near))
        self._weights = _solved(covariance, losses[near] - self._trend(proxy[near]))

    def predict(self, population: Population) -> Floats:
        """Return the expected figures of designs `(P, L)` -> `(P, C)`."""
        trend = self._trend(self._guidance.proxy(population))
        return np.asarray(trend + self._similarity(self._vectors(population)) @ self._weights)

    def _trend(self, proxy: Floats) -> Floats:
        return np.stack([trend.predict(proxy) for trend in self._trends], axis=1)

    def _similarity(self, vectors: csr_array) -> Floats:
        """Return the kernel between designs `(P, L M)` and the known ones: `(P, N)`."""
        similarity = np.asarray(vectors @ self._known)
        similarity -= 1
        similarity /= _LENGTH
        return np.exp(similarity, out=similarity)

    def _vectors(self, population: Population) -> csr_array:
        """Return the vectors of length 1 whose products are the shares that designs have in common: `(P, L M)`."""
        cost = self._guidance.cost
        layers = np.arange(len(cost))
        costs = cost[layers, population] + _NO_COST
        values = np.sqrt(costs / costs.sum(axis=1, keepdims=True))
        columns = layers * cost.shape[1] + population
        starts = np.arange(len(population) + 1) * len(cost)
        return csr_array((values.ravel(), columns.ravel(), starts), shape=(len(population), cost.size))


def _solved(covariance: Floats, values: Floats) -> Floats:
    """Solve a positive definite system."""
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, values, check_finite=False))
