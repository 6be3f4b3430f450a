"""The direct model against brute force over the sampled receptive fields."""

from __future__ import annotations

import numpy as np
import pytest

from dse.error_model import predict_errors
from dse.nn.tracing import LayerTrace
from dse.types import Floats, Table
from tests.error_model.naive import tables


def sampled_outputs(layer: LayerTrace, table: Table, x_values: np.ndarray, w_values: np.ndarray) -> tuple[Floats, Floats]:
    """Return exact real outputs and approximate ones of every sampled output, `(S, C)` each."""
    exact, approximate = [], []
    for row in layer.patches:
        for g, n in np.ndindex(layer.scale.shape):
            real = error = 0.0
            for x, w in zip(row[g], layer.w_codes[g, :, n], strict=True):
                real += float(x_values[x] - layer.x_zero_point) * float(w_values[w] - layer.w_zero_point[g, n])
                error += float(table[x, w]) - float(x_values[x] * w_values[w])
            exact.append(real * layer.scale[g, n])
            approximate.append((real + error) * layer.scale[g, n])
    shape = (len(layer.patches), -1)
    return np.reshape(exact, shape), np.reshape(approximate, shape)


def test_direct_model_is_brute_force_over_the_patches(case) -> None:  # type: ignore[no-untyped-def]
    _, seen, multipliers = case
    found = predict_errors(seen, multipliers)
    operands = seen.operands
    for l, layer in enumerate(seen.layers):
        for m, table in enumerate(tables(seen, multipliers)):
            exact, approximate = sampled_outputs(layer, table, operands.x_values, operands.w_values)
            exact, approximate = exact / layer.output_std, approximate / layer.output_std
            drift = approximate - exact
            assert (found.mean[l, m], found.std[l, m]) == pytest.approx((drift.mean(), drift.std()), abs=1e-9)
            channels = found.channels[l]
            assert channels.mean[m] == pytest.approx(drift.mean(0), abs=1e-9)
            for c in range(exact.shape[1]):
                given, target = approximate[:, c], exact[:, c]
                if np.ptp(given) < 1e-9:  # nothing to regress on: the target's mean
                    slope, offset = 0.0, target.mean()
                else:
                    slope, offset = np.polyfit(given, target, 1)
                assert (channels.slope[m, c], channels.offset[m, c]) == pytest.approx((slope, offset), abs=1e-7)
