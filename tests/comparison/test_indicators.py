"""Indicators of fronts small enough to compute by hand, and what a run's series become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.comparison import compare_runs
from dse.comparison._targets import evaluations_to
from tests.comparison.synthetic import search, write_run

REFERENCE = (1.0, 10.0)
STEPS = {  # in the box (1, 10); the reference front is (0.2, 6), (0.5, 2)
    ("one", 0): [(0.5, 4.0), (0.2, 6.0), (0.9, 9.0), (0.5, 2.0)],
    ("two", 0): [(0.6, 4.0), None, (0.6, 3.0), (2.0, 1.0)],
}


def test_hand_computed_figures(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "run", STEPS, reference=REFERENCE)])
    (problem,) = found.problems
    assert problem.front.tolist() == [[0.2, 6.0], [0.5, 2.0]]
    assert problem.front_hypervolume == pytest.approx(0.8 * 4 + 0.5 * 4)
    assert problem.ideal.tolist() == [0.2, 2.0]
    one, two = found.measured
    assert one.curve.tolist() == pytest.approx([3.0, 4.2, 4.2, 5.2])  # 0.5 x 6; and 0.3 x 4; nothing; and 0.5 x 2
    assert one.volume == pytest.approx(5.2)
    assert one.figures == pytest.approx({"hypervolume": 1, "igd_plus": 0, "epsilon": 0, "hypervolume_test": 4.4 / 5.2})
    assert two.curve.tolist() == pytest.approx([2.4, 2.4, 2.8, 2.8])  # a failed design, one beyond the reference point
    assert two.volume == pytest.approx(2.8)
    # scaled by (0.8, 8): reference front (0, 0.5), (0.375, 0); found (0.5, 0.125), (2.25, -0.125)
    distances = [0.5, np.hypot(0.125, 0.125)]
    assert two.figures["igd_plus"] == pytest.approx(np.mean(distances))
    assert two.figures["epsilon"] == pytest.approx(0.5)
    assert two.figures["hypervolume_test"] == pytest.approx(0.4 * 6 / 5.2)  # one pp more: (0.6, 4)


def test_evaluations_to_a_target(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "run", STEPS, reference=REFERENCE)], baseline="two")
    reached = {(r.target.key, r.method): (r.timing.median, r.timing.median_censored) for r in found.reached}
    assert reached["baseline", "one"] == (1, False)  # 3.0 against a final 2.8
    assert reached["baseline", "two"] == (3, False)
    assert reached["90%", "one"] == (4, False)
    assert reached["90%", "two"] == (4, True)


def test_a_target_of_nothing_is_never_reached() -> None:
    assert evaluations_to(np.zeros(3), 0.0) is None
    assert evaluations_to(np.array([0.0, 1.0, 2.0]), 1.0 + 1e-12) == 2


def test_a_series_without_a_design_counts_as_the_reference_point(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "run", {**STEPS, ("none", 0): [None, None, None, None]})])
    none = next(m for m in found.measured if m.series.method == "none")
    assert none.volume == 0 and none.curve.tolist() == [0, 0, 0, 0]
    assert none.figures["hypervolume"] == 0 and none.figures["hypervolume_test"] == 0
    assert none.figures["epsilon"] == pytest.approx(1.0)  # the reference front has the ideal value in each objective


def test_designs_beyond_the_bound_on_the_loss_count_nowhere(tmp_path: Path) -> None:
    points = [[0.5, 1.0], [0.25, 2.0], [0.1, 5.0]]
    series = {("some", 0): points, ("none", 0): points[2:]}
    ended = {"some": "exhausted", "none": "exhausted"}
    run = write_run(tmp_path / "run", series, budget=3, stopped=ended)
    bounded = write_run(tmp_path / "b", series, budget=3, stopped=ended, metrics={"max_accuracy_loss_pp": 2})
    volumes = [{m.series.method: m.volume for m in compare_runs([path]).measured} for path in (run, bounded)]
    some = 0.5 * 9 + 0.25 * 8
    assert volumes[0] == pytest.approx({"some": some + 0.15 * 5, "none": 0.9 * 5})
    assert volumes[1] == pytest.approx({"some": some, "none": 0})
    assert compare_runs([bounded]).problems[0].front.tolist() == [[0.25, 2.0], [0.5, 1.0]]


@pytest.mark.parametrize("k", [3, 4])
def test_more_objectives(tmp_path: Path, k: int) -> None:
    columns = ["rel_energy", "accuracy_loss_pp", *(f"extra{i}" for i in range(k - 2))]
    series = {(m, s): search(skill, s, 40, k) for m, skill in (("good", 4.0), ("bad", 1.0)) for s in range(5)}
    run = write_run(tmp_path / "run", series, columns=columns, reference=[1.0, 10.0, *[1.1] * (k - 2)])
    found = compare_runs([run])
    assert found.problems[0].front.shape[1] == k and found.pairs
    for m in found.measured:
        assert 0 < m.figures["hypervolume"] <= 1 and m.figures["igd_plus"] >= 0 and m.figures["epsilon"] >= 0
        assert "hypervolume_test" in m.figures and (np.diff(m.curve) >= 0).all()


def test_objectives_in_other_columns_need_a_reference_for_each(tmp_path: Path) -> None:
    columns = ("area", "worst_class_loss")
    run = write_run(tmp_path / "run", {("a", 0): [(0.5, 1.0), (0.4, 2.0)]}, columns=columns)
    assert compare_runs([run]).problems[0].columns == columns
