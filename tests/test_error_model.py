"""The error models against loops written from their formulas, and against measured errors of a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dse import error_model
from dse.error_model import Agreement, ErrorTable, Grade, agreement, measure_errors, predict_errors
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, builtin
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.datasets import DataParts, load_dataset, split_dataset
from dse.nn.layers import ApproxConv2d, ApproxLayer
from dse.nn.models import build_model
from dse.nn.quantizers import QuantizationSettings
from dse.nn.tracing import LayerTrace, Trace, trace
from dse.nn.training import TrainingSettings, cached_training
from dse.types import Floats, Table
from tests.small import images, library, network

FORMATS = ("sm8", "u8", "s8")
CASES = [(format, weights) for format in FORMATS for weights in ("per-channel", "per-tensor")]


def library_for(format: str) -> MultiplierLibrary:
    return library(signed=format == "s8")


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[nn.Module, Trace, MultiplierLibrary]:
    model = network(*request.param)
    return model, trace(model, images(), patches=12, seed=4), library_for(request.param[0])


def tables(seen: Trace, multipliers: MultiplierLibrary) -> list[Table]:
    return [seen.operands.table(m) for m in multipliers]


# -- the formulas of section 1.5, product by product ------------------------------------------------------------------


def product_moments(layer: LayerTrace, error: Table, x_share: Floats) -> tuple[float, float]:
    """Return mean and variance of one product's error in real units; x is drawn by its share, w and channel uniformly."""
    values, shares = [], []
    for x in np.flatnonzero(x_share):
        for g, k, n in np.ndindex(layer.w_codes.shape):
            values.append(float(error[x, layer.w_codes[g, k, n]]) * layer.scale[g, n])
            shares.append(x_share[x] / layer.w_codes.size)
    mean = sum(v * p for v, p in zip(values, shares, strict=True))
    return mean, sum((v - mean) ** 2 * p for v, p in zip(values, shares, strict=True))


def share_of(codes: Tensor | np.ndarray) -> Floats:
    share = np.zeros(256)
    for code in np.asarray(codes).ravel():
        share[code] += 1 / np.asarray(codes).size
    return share


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


@pytest.mark.parametrize(
    ("grade", "formula"), [("global", single_distribution), ("multi-distribution", multi_distribution)]
)
def test_histogram_models_are_their_formulas(  # type: ignore[no-untyped-def]
    case, grade: Grade, formula, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_model, "_FIELDS_AT_ONCE", 5)  # several blocks, the last one smaller
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


# -- the direct model, on the sampled patches --------------------------------------------------------------------------


def sampled_outputs(
    layer: LayerTrace, table: Table, x_values: np.ndarray, w_values: np.ndarray
) -> tuple[Floats, Floats]:
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


def test_exact_multiplier_errs_nowhere(case) -> None:  # type: ignore[no-untyped-def]
    model, seen, multipliers = case
    for errors in (
        *(predict_errors(seen, multipliers, grade=g) for g in ("global", "multi-distribution", "direct")),
        measure_errors(model, images(), seen, multipliers),
    ):
        assert not errors.mean[:, 0].any() and not errors.std[:, 0].any()
    for channels in predict_errors(seen, multipliers).channels:
        assert channels.slope[0] == pytest.approx(1) and channels.offset[0] == pytest.approx(0, abs=1e-12)


def test_error_is_approximate_minus_exact() -> None:
    seen = trace(network(), images(), patches=12)
    high = library().index("high")
    errors = predict_errors(seen, library(), grade="global")
    for l, layer in enumerate(seen.layers):
        signs = np.where(layer.w_codes >= 256, -1, np.sign(layer.w_codes))  # sign applied outside, 0 gates the product
        positive = (signs * layer.scale[:, None]).mean()
        assert errors.mean[l, high] == pytest.approx(layer.fan_in * positive / layer.output_std)
    seen = trace(network("u8", "per-tensor"), images(), patches=12)
    assert (predict_errors(seen, library(), grade="direct").mean[:, high] > 0).all()


def test_rms() -> None:
    table = ErrorTable(("l",), ("a", "b"), np.array([[3.0, -3.0]]), np.array([[4.0, 0.0]]), "direct")
    assert table.rms.tolist() == [[5, 3]]


def test_unknown_grade() -> None:
    with pytest.raises(InputError, match="unknown error model 'globel'; did you mean 'global'"):
        predict_errors(trace(network(), images()), library(), grade="globel")  # type: ignore[arg-type]


def test_multipliers_of_another_format() -> None:
    with pytest.raises(InputError, match="is signed"):
        predict_errors(trace(network("u8"), images()), library(signed=True))


# -- measured errors, over whole layer outputs -------------------------------------------------------------------------


def unfolded(layer: ApproxLayer, codes: Tensor) -> Tensor:
    """Return the operand codes of all outputs `(R, G, K)` by `F.unfold`."""
    if not isinstance(layer, ApproxConv2d):
        return codes[:, None]
    padding = 1 if layer.kernel_size == (3, 3) and layer.stride == (1, 1) else 0  # that of the test network
    padded = F.pad(codes.float(), [padding] * 4, value=float(layer.x_quantizer.zero_point))
    columns = F.unfold(padded, layer.kernel_size, stride=layer.stride)  # (B, C * kh * kw, positions)
    return columns.transpose(1, 2).reshape(-1, layer.groups, layer.fan_in).to(torch.uint8)


def test_measured_errors_are_naive_sums_over_all_outputs(case) -> None:  # type: ignore[no-untyped-def]
    model, seen, multipliers = case
    batch = torch.cat([images(), images(9) * 0.5])
    found = measure_errors(model, batch, seen, multipliers)
    inputs: dict[str, Tensor] = {}
    layers = approximable_layers(model)
    simulate(model)
    hooks = [
        layer.register_forward_pre_hook(lambda _, args, name=name: inputs.update({name: args[0]}))
        for name, layer in layers.items()
    ]
    model(batch)
    for hook in hooks:
        hook.remove()
    assert found.grade == "measured" and found.layers == tuple(layers)
    for l, (name, layer) in enumerate(layers.items()):
        x = unfolded(layer, layer.x_quantizer.codes(inputs[name])).long().numpy()
        weight = layer.w_quantizer.quantize(layer.weight)
        by_group = weight.values.reshape(layer.groups, -1, layer.fan_in).transpose(1, 2)
        w = by_group.numpy() % 2**layer.operands.w_bits  # a code is the value's two's complement
        scale = (layer.x_quantizer.scale * weight.scale).double().reshape(layer.groups, -1).numpy()
        for m, table in enumerate(tables(seen, multipliers)):
            error = table.astype(np.float64) - seen.operands.exact
            outputs = error[x[..., None], w[None]].sum(2) * scale / seen.layers[l].output_std
            assert (found.mean[l, m], found.std[l, m]) == pytest.approx((outputs.mean(), outputs.std()), abs=1e-9)


def test_no_images_to_measure_on() -> None:
    model = network()
    with pytest.raises(InputError, match="at least one image"):
        measure_errors(model, images(0), trace(model, images()), library())


def test_unit_is_the_std_of_the_exact_output_before_the_bias() -> None:
    model = network()
    seen = trace(model, images())
    simulate(model)
    outputs: dict[str, Tensor] = {}
    for name, layer in approximable_layers(model).items():
        layer.arithmetic.register_forward_hook(lambda _, __, y, name=name: outputs.update({name: y}))
    model(images())
    for known in seen.layers:
        assert known.output_std == pytest.approx(float(outputs[known.name].double().std(correction=0)), rel=1e-5)


# -- agreement ---------------------------------------------------------------------------------------------------------


def stds(*values: float) -> ErrorTable:
    std = np.array([values])
    return ErrorTable(("l",), tuple("abcdef"[: len(values)]), 0 * std, std, "direct")


def test_agreement_by_hand() -> None:
    truth, guess = stds(0, 1, 2, 4, 10), stds(0.5, 2, 4, 8, 0)
    found = agreement(guess, truth)
    assert found.cells == 4 and found.cells_without_prediction == 1
    assert found.pearson_log_std == pytest.approx(1)  # twice the truth wherever something is predicted
    assert found.median_relative_error == pytest.approx(1) and found.p90_relative_error == pytest.approx(1)
    found = agreement(stds(1, 1.1, 2.4), stds(1, 1, 2))
    assert found.median_relative_error == pytest.approx(0.1)
    assert found.p90_relative_error == pytest.approx(0.1 + 0.8 * 0.1)
    logs = np.log([1, 1.1, 2.4]), np.log([1, 1, 2])
    centred = [values - values.mean() for values in logs]
    r = (centred[0] @ centred[1]) / np.sqrt((centred[0] @ centred[0]) * (centred[1] @ centred[1]))
    assert found.pearson_log_std == pytest.approx(r)


@pytest.mark.parametrize(
    ("guess", "truth", "expected"),
    [
        (stds(0, 1), stds(0, 0), Agreement(None, None, None, 0, 0)),
        (stds(1, 2), stds(1, 2), Agreement(None, 0, 0, 2, 0)),  # two points always correlate
        (stds(0, 0, 1, 2), stds(1, 2, 1, 2), Agreement(None, 0.5, 1, 4, 2)),
        (stds(2, 2, 2), stds(1, 2, 4), Agreement(None, 0.5, 0.9, 3, 0)),  # no spread, no correlation
        (stds(1, 2, 4), stds(2, 2, 2), Agreement(None, 0.5, 0.9, 3, 0)),
    ],
)
def test_agreement_of_too_little(guess: ErrorTable, truth: ErrorTable, expected: Agreement) -> None:
    found = agreement(guess, truth)
    assert found.pearson_log_std is expected.pearson_log_std
    assert (found.cells, found.cells_without_prediction) == (expected.cells, expected.cells_without_prediction)
    assert found.median_relative_error == pytest.approx(expected.median_relative_error)
    assert found.p90_relative_error == pytest.approx(expected.p90_relative_error)


# -- a trained network -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[nn.Module, DataParts]]:
    """Yield digits-cnn after three epochs, and the images."""
    cache: Path = tmp_path_factory.mktemp("weights")
    data = load_dataset("digits")
    parts = split_dataset(data, train=800, calibration=128, search=128, test=None, seed=0)
    model = build_model("digits-cnn", in_shape=data.in_shape, n_classes=data.n_classes)
    settings = TrainingSettings(epochs=3, batch_size=32, lr=0.05, weight_decay=2e-3)
    cached_training(model, parts.train, settings, seed=0, key={"model": "digits-cnn"}, cache_dir=cache)
    yield model, parts


@pytest.mark.parametrize("format", ["sm8", "u8"])
def test_predictions_hold_on_a_trained_network(digits: tuple[nn.Module, DataParts], format: str) -> None:
    model = quantize(digits[0], digits[1].calibration.x, QuantizationSettings(format=format))
    seen = trace(model, digits[1].calibration.x)
    measured = measure_errors(model, digits[1].search.x, seen, builtin())
    grades: tuple[Grade, ...] = ("global", "multi-distribution", "direct")
    found = {grade: agreement(predict_errors(seen, builtin(), grade=grade), measured) for grade in grades}
    assert found["multi-distribution"].pearson_log_std >= 0.98  # type: ignore[operator]
    assert found["direct"].median_relative_error <= 0.03  # type: ignore[operator]
    assert found["direct"].cells == 6 * (len(builtin()) - 1)
