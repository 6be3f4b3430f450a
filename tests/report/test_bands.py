"""Labels at the ends of curves do not lie on each other."""

from __future__ import annotations

import numpy as np
import pytest

from dse.report._bands import spread


@pytest.mark.parametrize("heights", [[0.5, 0.5, 0.5], [0.99, 1.0, 0.98, 0.2], [0.0, 0.01], [0.3], [0.9, 0.1]])
def test_labels_keep_their_order_and_distance(heights: list[float]) -> None:
    placed = np.array(spread(heights, 0.05))
    assert (np.argsort(placed, kind="stable") == np.argsort(heights, kind="stable")).all()
    assert (np.diff(np.sort(placed)) >= 0.05 - 1e-6).all()
    assert placed.min() >= -1e-6 and placed.max() <= 1 + 1e-6


def test_labels_that_are_apart_stay() -> None:
    assert spread([0.9, 0.1, 0.5], 0.05) == [0.9, 0.1, 0.5]
