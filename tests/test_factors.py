"""Factors in their file: what was written comes back by design, and what is no such file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from dse.exceptions import InputError
from dse.factors import DesignFactors, Factors, distance, read_factors, write_factors

DESIGNS = np.array([[0, 0], [0, 2], [1, 2]])
A, B = ({"scale": np.array([1, x], np.float32), "offset": np.array([0, -x], np.float32)} for x in (0.1, 3e-20))
NORM = {"mean": np.array([5], np.float32), "variance": np.array([0], np.float32)}
FACTORS: tuple[Factors, ...] = ({"n.orm": NORM}, {"b": A, "n.orm": NORM}, {"a/x": B, "b": B, "n.orm": NORM})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_factors(tmp_path / "run.safetensors", DesignFactors(DESIGNS, FACTORS))
    return tmp_path / "run.safetensors"


@pytest.mark.parametrize("number", range(3))
def test_every_design_has_its_own_bits(file: Path, number: int) -> None:
    found = read_factors(file, DESIGNS[number])
    assert found.keys() == FACTORS[number].keys()
    for module, arrays in FACTORS[number].items():
        assert {what: a.tobytes() for what, a in found[module].items()} == {w: a.tobytes() for w, a in arrays.items()}
    assert distance(found, FACTORS[number]) == 0


def test_a_run_without_designs(tmp_path: Path) -> None:
    write_factors(tmp_path / "none", DesignFactors(np.zeros((0, 2), dtype=np.int64), ()))
    with pytest.raises(InputError, match="has no factors of this design"):
        read_factors(tmp_path / "none", DESIGNS[0])


def test_distance_is_relative_to_the_largest_value_of_an_array() -> None:
    near = {"b": {"scale": np.array([1, 0.1], np.float32), "offset": np.array([0.01, -0.1], np.float32)}}
    assert distance(near, {"b": A}) == pytest.approx(0.1) and distance({}, {}) == 0
    same = {"scale": np.ones(2, np.float32), "offset": np.zeros(2, np.float32)}
    assert distance({"b": A, "c": same}, {"b": A}) == 0
    short = {"b": {"scale": np.ones(1, np.float32), "offset": np.ones(1, np.float32)}}
    assert distance({"b": A}, {}) == distance({"b": A}, {"b": NORM}) == distance({"b": A}, short) == np.inf


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "not readable as factors"),
        ({"designs": DESIGNS[0]}, "not readable as factors"),
        ({"designs": DESIGNS[:, :1]}, "expected .D, 2."),
        ({"designs": DESIGNS[:, [0, 0, 1]]}, "not readable as factors"),
        ({"designs": DESIGNS + 7}, "has no factors of this design"),
        ({"designs": DESIGNS, "b/scale": np.ones((1, 2), np.float32)}, "not readable as factors"),
        ({"designs": DESIGNS, "b/scale": np.ones((3, 2))}, "holds float64, expected finite float32"),
        ({"designs": DESIGNS, "b/scale": np.full((3, 2), np.nan, np.float32)}, "expected finite float32"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, arrays: dict, message: str) -> None:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, tmp_path / "file")
    with pytest.raises(InputError, match=message) as caught:
        read_factors(tmp_path / "file", DESIGNS[2])
    assert str(caught.value).startswith(str(tmp_path / "file")) and "\n" not in str(caught.value)
