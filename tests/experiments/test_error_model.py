"""The pure parts of the script behind `results/cifar10/error_model/`."""

from __future__ import annotations

import numpy as np
import pytest

from dse.error_model import ErrorTable
from experiments.cifar10.error_model import HALVES, WHOLE, columns, compared, hardest, page, pooled


def errors(mean: list[list[float]], std: list[list[float]]) -> ErrorTable:
    names = tuple(f"m{m}" for m in range(len(std[0])))
    return ErrorTable(tuple(f"l{l}" for l in range(len(std))), names, np.array(mean), np.array(std), "measured")


def test_two_parts_together_have_the_moments_of_all_outputs() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(shift, 1 + shift, (2, 3, 50)) for shift in (0.0, 0.7)]
    tables = [errors(part.mean(axis=2).tolist(), part.std(axis=2).tolist()) for part in parts]
    both = np.concatenate(parts, axis=2)
    assert np.allclose(pooled(*tables).mean, both.mean(axis=2))
    assert np.allclose(pooled(*tables).std, both.std(axis=2))


def test_relative_errors_of_std_and_rms() -> None:
    measured = errors([[0, 0, 3.0, 0]], [[0, 1.0, 4.0, 2.0]])
    predicted = errors([[0, 0, 0.0, 0]], [[9, 1.1, 5.0, 2.0]])
    found = compared(predicted, measured)
    assert found["std_cells"] == found["rms_cells"] == 3  # the cell without an error says nothing
    assert found["std_median"] == pytest.approx(0.1) and found["std_p90"] == pytest.approx(0.1 + 0.8 * 0.15)
    assert found["rms_median"] == pytest.approx(0.0)  # of 0.1, 0 (an rms of 5) and 0
    assert found["std_spearman"] == 1.0


def test_columns_and_the_hardest_layer() -> None:
    measured = errors([[0] * 3] * 3, [[0, 1, 1], [0, 1, 1], [0, 0, 0]])
    predicted = errors([[0] * 3] * 3, [[0, 1.3, 1], [0, 1.2, 1.2], [1, 1, 1]])
    assert hardest(predicted, measured) == {"hardest_layer": "l1", "hardest_median": pytest.approx(0.2)}
    first = columns(predicted, np.array([0, 1]))
    assert first.multipliers == ("m0", "m1") and first.std.shape == (3, 2)
    assert hardest(first, columns(measured, np.array([0, 1]))) == {
        "hardest_layer": "l0",
        "hardest_median": pytest.approx(0.3),
    }


def test_the_page_says_what_was_kept_and_what_is_missing() -> None:
    figures = compared(errors([[0, 0, 0]], [[1.01, 2.0, 3.0]]), errors([[0, 0, 0]], [[1.0, 2.0, 3.0]]))
    names = ("global", "direct, 4 patches", WHOLE, HALVES)
    row = {"choices": 3, "seconds": 1.0, "hardest_layer": "l0", "hardest_median": 0.1, **figures}
    rows = [{"library": s, "model": n, **row} for s in ("circuits", "with variants") for n in names]
    rows[1] |= {"std_median": 0.021}
    given = {"network": "resnet8", "format": "sm8", "images": 6, "patches": [4]}
    one = {"given": given, "layers": 1, "seconds": 60, "hardware": {"cpu": "c", "cores": 2, "threads": 1}, "rows": rows}
    text = page([one], ["resnet99"])
    assert "* circuits, direct, 4 patches: kept in 0 of 1; at most 2.10 % / 0.80 %." in text
    assert "* with variants, direct, 4 patches: kept in 1 of 1; at most 0.00 % / 0.80 %." in text
    assert "not there: resnet99" in text and "| resnet8 | sm8 | 1 | 3 | 3 | 0.00 / 0.80 |" in text
