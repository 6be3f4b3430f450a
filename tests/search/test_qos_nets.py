"""Clustering: the published steps, and one multiplier for layers that bear alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.search import QosNets
from dse.search._qos_nets import clustered_choice, compressed
from tests.small import guidance, space


def test_compression_is_continuous_and_tames_what_is_hopeless() -> None:
    assert compressed(np.array([0.0, 0.5, 1.0, np.e, np.e**3])) == pytest.approx([0, 0.5, 1, 2, 4])


def two_groups() -> QosNets:
    made = space(4, 3, tiles=2)  # energies 1, 0.55, 0.1
    tolerance = np.array([[0, 0.5, 40.0], [0, 0.2, 0.5], [0, 0.6, 50.0], [0, 0.1, 0.4]])
    return QosNets(made, replace(guidance(made), tolerance=tolerance), population=100, seed=0)


def test_two_groups_of_layers_get_a_multiplier_each() -> None:
    search = two_groups()
    assert search._clustered(search._tolerance).tolist() == [1, 2, 1, 2]
    assert search._clustered(search._tolerance / 100).tolist() == [2, 2, 2, 2]
    assert search._clustered(search._tolerance / 1e-3).tolist() == [0, 0, 0, 0]


def test_sweep_asks_each_design_once_from_cautious_to_bold() -> None:
    search = two_groups()
    asked = list(map(tuple, search.ask().tolist()))
    assert len(set(asked)) == len(asked) and {(1, 2, 1, 2), (2, 2, 2, 2)} <= set(asked)
    assert len(search.ask()) == 0


def test_a_centre_may_ask_more_of_a_layer_than_it_bears() -> None:
    made = space(3, 2, tiles=1)
    tolerance = np.array([[0, 0.1], [0, 0.2], [0, 1.5]])  # the last does not bear what the mean does
    search = QosNets(made, replace(guidance(made), tolerance=tolerance), population=9, seed=0)
    assert search._clustered(tolerance).tolist() == [1, 1, 1]


@pytest.mark.parametrize(("tolerance", "got"), [(None, "none"), (np.ones((2, 5)), r"\(2, 5\)")])
def test_needs_tolerances(tolerance: np.ndarray | None, got: str) -> None:
    made = space(3, 2)
    with pytest.raises(InputError, match=rf"qos-nets: expected errors relative .* \(3, 2\) .*, got {got}"):
        QosNets(made, replace(guidance(made), tolerance=tolerance), population=9, seed=0)


def test_rows_that_differ_by_rounding_are_one_cluster() -> None:
    relative = np.array([[0, 1e-20], [0, 2e-20], [0, 0.5]])
    assert clustered_choice(relative, np.array([1.0, 0.5]), clusters=3, seed=0).tolist() == [1, 1, 1]
    relative = np.array([[0, 1e-20], [0, 2e-20], [0, 3.0]])
    assert clustered_choice(relative, np.array([1.0, 0.5]), clusters=3, seed=0).tolist() == [1, 1, 0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_errors_are_finite(value: float) -> None:
    relative = np.array([[0, 0.5], [0, value]])
    with pytest.raises(InputError, match=f"tolerance: expected finite errors, got {value} of multiplier 1 in row 1"):
        clustered_choice(relative, np.array([1.0, 0.5]), clusters=2, seed=0)
