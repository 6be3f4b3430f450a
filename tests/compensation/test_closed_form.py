"""Corrections from predicted errors, against numpy's least squares on outputs computed product by product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from dse.compensation import Corrections, closed_form
from dse.error_model import ErrorTable, predict_errors
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary
from dse.nn.tracing import LayerTrace, Trace, trace
from dse.types import Floats, Table
from tests.compensation.small import LAYERS, design, images, network
from tests.small import library


@pytest.fixture(scope="module", params=["sm8", "u8", "s8"])
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Trace, MultiplierLibrary]:
    model, multipliers = network(request.param), library(signed=request.param == "s8")
    return model, trace(model, images(), patches=40, seed=4), multipliers


def outputs(layer: LayerTrace, table: Table, exact: Table) -> Floats:
    """Return the real outputs `(S, C)` of the sampled receptive fields through a table, zero points taken out."""
    x = layer.patches.astype(np.int64)  # (S, G, K)
    w = layer.w_codes.astype(np.int64)  # (G, K, N)
    zw = layer.w_zero_point[:, None, :]
    x_value, w_value = exact[:, 1][x], exact[1][w]
    products = table[x[:, :, :, None], w[None]].astype(np.int64)
    products = products - layer.x_zero_point * (w_value - zw) - zw * x_value[:, :, :, None]
    return (products.sum(2) * layer.scale).reshape(len(x), -1)


def test_affine_is_least_squares_of_the_exact_on_the_approximate_output(
    case: tuple[nn.Module, Trace, MultiplierLibrary],
) -> None:
    _, seen, multipliers = case
    found = closed_form(predict_errors(seen, multipliers), seen, "affine")
    assert found.layers == LAYERS and found.multipliers == multipliers.names
    exact = seen.operands.exact
    compared = 0
    for layer, row in zip(seen.layers, found.table, strict=True):
        target = outputs(layer, exact, exact)
        assert row[0] is None  # the exact multiplier
        for multiplier, correction in list(zip(multipliers, row, strict=True))[1:]:
            assert correction is not None
            given = outputs(layer, seen.operands.table(multiplier), exact)
            for c in range(given.shape[1]):
                columns = np.stack([given[:, c], np.ones(len(given))], axis=1)
                (slope, offset), *_ = np.linalg.lstsq(columns, target[:, c])
                if np.ptp(given[:, c]) > 1e-9 and slope > 0:
                    compared += 1
                else:  # nothing to regress on: the mean alone
                    slope, offset = 1.0, (target[:, c] - given[:, c]).mean()
                assert correction.scale[c].item() == pytest.approx(slope, rel=1e-4, abs=1e-6)
                assert correction.offset[c].item() == pytest.approx(offset, rel=1e-4, abs=1e-5 * layer.output_std)
    assert compared > 30


@pytest.mark.parametrize("method", ["bias", "affine"])
def test_the_mean_error_is_gone_on_the_calibration_patches(
    case: tuple[nn.Module, Trace, MultiplierLibrary], method: str
) -> None:
    _, seen, multipliers = case
    found = closed_form(predict_errors(seen, multipliers), seen, method)  # type: ignore[arg-type]
    exact = seen.operands.exact
    for layer, row in zip(seen.layers, found.table, strict=True):
        target = outputs(layer, exact, exact)
        for multiplier, correction in list(zip(multipliers, row, strict=True))[1:]:
            assert correction is not None
            assert method == "affine" or (correction.scale == 1).all()
            given = outputs(layer, seen.operands.table(multiplier), exact)
            error = given * correction.scale.numpy() + correction.offset.numpy() - target
            assert (given - target).mean(0).any()
            assert np.abs(error.mean(0)).max() < 1e-5 * np.abs(given - target).max() + 1e-6 * layer.output_std


def test_a_channel_that_tells_nothing_keeps_its_scale() -> None:
    model = network()
    seen = trace(model, images(), patches=40)
    errors = predict_errors(seen, library())
    channels = [replace(c, slope=np.where(c.slope == 1, 1, -0.5)) for c in errors.channels]
    for row in closed_form(replace(errors, channels=tuple(channels)), seen, "affine").table:
        assert all((correction.scale == 1).all() for correction in row[1:] if correction is not None)


def test_a_design_has_the_correction_of_each_layers_choice() -> None:
    seen = trace(network(), images(), patches=40)
    found: Corrections = closed_form(predict_errors(seen, library()), seen, "bias")
    chosen = found.of(design(0, 2, 1, 3))
    assert list(chosen) == list(LAYERS) and chosen["plain"] is None
    assert [chosen[name] for name in LAYERS] == [found.table[l][m] for l, m in enumerate((0, 2, 1, 3))]


def bad_errors(seen: Trace) -> dict[str, tuple[ErrorTable, str, str]]:
    good = predict_errors(seen, library())
    return {
        "method": (good, "moments", "unknown closed-form correction 'moments'"),
        "grade": (predict_errors(seen, library(), grade="global"), "bias", "errors: expected predictions by channel"),
        "layers": (replace(good, layers=("a", "b", "c", "d")), "affine", "errors: expected predictions of the layers"),
    }


@pytest.mark.parametrize("which", ["method", "grade", "layers"])
def test_bad_input(which: str) -> None:
    torch.manual_seed(0)
    seen = trace(network(), images(), patches=10)
    errors, method, message = bad_errors(seen)[which]
    with pytest.raises(InputError, match=message):
        closed_form(errors, seen, method)  # type: ignore[arg-type]
