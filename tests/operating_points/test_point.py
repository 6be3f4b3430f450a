"""Operating points as values, and as indices into choices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points import OperatingPoint
from dse.operating_points._point import designs_of
from tests.small import space


def test_a_design_of_a_space_becomes_a_point() -> None:
    made = space(3, 4)
    point = OperatingPoint.of(made, np.array([2, 0, 3]), "eco")
    assert point.assignment == {"l0": "m2", "l1": "m0", "l2": "m3"}
    assert point.rel_energy == made.energy(np.array([[2, 0, 3]]))[0]
    assert designs_of([point], made.layers, made.multipliers) == [[2, 0, 3]]


def test_the_callers_assignment_may_change() -> None:
    given = {"l0": "m0"}
    point = OperatingPoint("best", given, 1.0)
    given["l0"] = "m1"
    assert point.assignment == {"l0": "m0"}


@pytest.mark.parametrize(
    ("name", "assignment", "energy", "message"),
    [
        ("", {"a": "m"}, 1.0, "printable name"),
        ("a\nb", {"a": "m"}, 1.0, "printable name"),
        ("eco", {}, 1.0, "got no layer"),
        ("eco", {"a": "m"}, -0.1, "rel_energy 0 or more, got -0.1"),
        ("eco", {"a": "m"}, math.nan, "rel_energy 0 or more, got nan"),
    ],
)
def test_what_is_no_point_is_refused(name: str, assignment: dict[str, str], energy: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        OperatingPoint(name, assignment, energy)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "expected one or more, .* got none"),
        ([("a", "xy"), ("a", "xx")], "a name of its own, got a, a"),
        ([("a", "x")], "'a': expected a multiplier for layer 'two', got none"),
        ([("a", "xyx")], "unknown layer in operating point 'a': 'three'"),
        ([("a", "xq")], "unknown multiplier in operating point 'a': 'q'; valid: x, y"),
    ],
)
def test_points_that_do_not_fit_are_refused(points: list[tuple[str, str]], message: str) -> None:
    layers = ("one", "two", "three")
    made = [OperatingPoint(name, dict(zip(layers, chosen, strict=False)), 1.0) for name, chosen in points]
    with pytest.raises(InputError, match=message):
        designs_of(made, ("one", "two"), ("x", "y"))
