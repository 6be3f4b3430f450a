"""Where names of points stand."""

from __future__ import annotations

import numpy as np
import pytest

from dse.report._labels import placed


@pytest.mark.filterwarnings("error")
def test_what_lies_at_0_has_no_place_on_logarithmic_axes() -> None:
    points = np.array([[0.0, 5.0], [0.1, 1.0]])
    (label,) = placed(["nothing", "a tenth"], points, points, (0.01, 1.0, 0.0, 10.0), log=True)
    assert label.text == "a tenth" and label.point == (0.1, 1.0)
    assert {label.text for label in placed(["nothing", "a tenth"], points, points, (0.0, 1.0, 0.0, 10.0))} == {
        "nothing",
        "a tenth",
    }
