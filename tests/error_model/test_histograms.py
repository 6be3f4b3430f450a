"""The histogram models against the formulas of section 1.5 of the method's description, product by product."""

from __future__ import annotations

import numpy as np
import pytest

from dse.error_model import Grade, _histograms, predict_errors
from dse.nn.tracing import LayerTrace, Trace
from dse.types import Floats, Table
from tests.error_model.naive import share_of, tables
from tests.small import library


def product_moments(layer: LayerTrace, error: Table, x_share: Floats) -> tuple[float, float]:
    """Return mean and variance of one product's error in real units; x is drawn by its share, w and channel uniformly."""
    values, shares = [], []
    for x in np.flatnonzero(x_share):
        for g, k, n in np.ndindex(layer.w_codes.shape):
            values.append(float(error[x, layer.w_codes[g, k, n]]) * layer.scale[g, n])
            shares.append(x_share[x] / layer.w_codes.size)
    mean = sum(v * p for v, p in zip(values, shares, strict=True))
    return mean, sum((v - mean) ** 2 * p for v, p in zip(values, shares, strict=True))


def single_distribution(layer: LayerTrace, error: Table) -> tuple[float, float]:
    mean, variance = product_moments(layer, error, layer.x_histogram)
    n = layer.fan_in
    return n * mean / layer.output_std, n * np.sqrt(variance) / np.sqrt(n) / layer.output_std


def multi_distribution(layer: LayerTrace, error: Table) -> tuple[float, float]:
    n = layer.fan_in
    fields = [product_moments(layer, error, share_of(row)) for row in layer.patches.reshape(-1, n)]
    k = len(fields)
    mu_aggregate = sum(mu for mu, _ in fields) / k
    # sigma_i^2 is that of the mean of n products
    total = sum(mu**2 + variance / n for mu, variance in fields) - sum(mu for mu, _ in fields) ** 2 / k
    return n * mu_aggregate / layer.output_std, n * np.sqrt(max(total, 0) / k) / layer.output_std


@pytest.mark.parametrize(("grade", "formula"), [("global", single_distribution), ("multi-distribution", multi_distribution)])
def test_histogram_models_are_their_formulas(  # type: ignore[no-untyped-def]
    case, grade: Grade, formula, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_histograms, "_FIELDS_AT_ONCE", 5)  # several blocks, the last one smaller
    _, seen, multipliers = case
    found = predict_errors(seen, multipliers, grade=grade)
    assert found.grade == grade and found.layers == seen.names and found.multipliers == multipliers.names
    for l, layer in enumerate(seen.layers):
        for m, table in enumerate(tables(seen, multipliers)):
            mean, std = formula(layer, table.astype(np.int64) - seen.operands.exact)
            assert (found.mean[l, m], found.std[l, m]) == pytest.approx((mean, std), rel=1e-9, abs=1e-9)


def layer_trace(w_codes: np.ndarray, patches: np.ndarray, scale: float = 1.0) -> LayerTrace:
    """Return a layer of one group without zero points: w_codes (K, N), patches (S, K)."""
    channels = w_codes.shape[1]
    return LayerTrace(
        name="l",
        op_count=1,
        w_codes=w_codes[None].astype(np.int16),
        scale=np.full((1, channels), scale),
        output_std=1.0,
        patches=patches[:, None].astype(np.uint8),
        x_histogram=share_of(patches),
        x_zero_point=0,
        w_zero_point=np.zeros((1, channels), dtype=np.int64),
    )


def test_how_the_models_grow_with_the_fan_in() -> None:
    """Errors within a field grow with sqrt(K), differences between fields with K; only the first is in `global`."""
    rng = np.random.default_rng(0)
    mixed = layer_trace(rng.integers(0, 256, (6, 4)), rng.integers(0, 256, (8, 6)))
    even = layer_trace(np.full((6, 4), 77), np.repeat(rng.integers(0, 256, (8, 1)), 6, axis=1))  # fields of one value

    def twice(layer: LayerTrace) -> LayerTrace:
        return layer_trace(np.tile(layer.w_codes[0], (2, 1)), np.tile(layer.patches[:, 0], (1, 2)))

    def std(layer: LayerTrace, grade: Grade) -> Floats:
        return predict_errors(Trace((layer,), "u8", (), 1), library(), grade=grade).std[0, 1:]

    assert std(twice(mixed), "global") == pytest.approx(np.sqrt(2) * std(mixed, "global"))
    assert std(twice(even), "multi-distribution") == pytest.approx(2 * std(even, "multi-distribution"), abs=1e-4)
    assert std(even, "multi-distribution") == pytest.approx(np.sqrt(6) * std(even, "global"), abs=1e-4)
    assert std(even, "multi-distribution") == pytest.approx(std(even, "direct"), abs=1e-4)
