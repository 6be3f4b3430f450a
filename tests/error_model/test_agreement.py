"""Agreement of predicted and measured errors, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dse.error_model import Agreement, ErrorTable, agreement


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
