"""What holds for every grade, and on a trained network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from dse.error_model import ErrorTable, Grade, agreement, measure_errors, predict_errors
from dse.exceptions import InputError
from dse.multipliers import builtin
from dse.nn.convert import quantize
from dse.nn.datasets import DataParts, load_dataset, split_dataset
from dse.nn.models import build_model
from dse.nn.quantizers import QuantizationSettings
from dse.nn.tracing import trace
from dse.nn.training import TrainingSettings, cached_training
from tests.small import images, library, network


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
