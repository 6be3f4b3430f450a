"""Divergence against sums by hand and torch's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dse.nn.divergence import kl_divergence, log_probabilities


def test_by_hand() -> None:
    p, q = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.25, 0.5]])
    assert kl_divergence(p, q) == pytest.approx([0.5 * math.log(2) + 0.25 * math.log(0.5)])
    assert kl_divergence(p, p).tolist() == [0.0]


def test_as_torch_has_it() -> None:
    a, b = torch.randn(2, 50, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5
    expected = torch.nn.functional.kl_div(b.log_softmax(1), a.log_softmax(1), log_target=True, reduction="none").sum(1)
    found = kl_divergence(log_probabilities(a), log_probabilities(b))
    assert found.shape == (50,) and found == pytest.approx(expected.numpy()) and (found >= 0).all()


def test_logits_that_are_large() -> None:
    found = log_probabilities(torch.tensor([[1e4, 0.0], [-3e38, 3e38]]))
    assert found[0].tolist() == [0.0, -1e4] and found[1, 1] == 0 and np.isfinite(found).all()
