"""What a search is told that compensation leaves."""

from __future__ import annotations

import numpy as np
import pytest

from dse.compensation import Compensation, remaining_errors
from dse.error_model import predict_errors
from dse.nn.tracing import trace
from tests.compensation.small import images, network
from tests.small import library


@pytest.mark.parametrize(
    ("methods", "like"),
    [(("bias",), "bias"), (("batch-norm",), "bias"), (("affine",), "affine"), (("moments", "batch-norm"), "affine")],
)
def test_what_remains_is_that_of_the_closed_form_nearest(methods: tuple[str, ...], like: str) -> None:
    seen = trace(network(), images(), patches=60)
    errors = predict_errors(seen, library())
    found = Compensation(methods, images(), errors, seen).remaining
    expected, other = (
        remaining_errors(errors, seen, m) for m in (("bias", "affine") if like == "bias" else ("affine", "bias"))
    )
    assert np.array_equal(found.std, expected.std) and not np.allclose(found.std, other.std)
