"""Predicted against measured figures, and trajectories: what the drawings show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.report import TrajectoryInfo, draw_predicted, draw_trajectories, predicted_panel, save


def test_cells_that_a_logarithm_has_no_place_for_are_left_out() -> None:
    info = predicted_panel("direct", {"sm8": np.array([[0.1, 0.2], [0.0, 0.1], [0.3, 0.0]])})
    assert info.groups["sm8"].tolist() == [[0.1, 0.2]]


def test_predicted_stands_above_measured_and_the_axes_are_equal(tmp_path: Path) -> None:
    panels = [predicted_panel(name, {"u8": np.array([[0.1, 0.2], [0.01, 0.4]])}) for name in ("a", "b")]
    figure = draw_predicted(panels, "std", "title", "caption")
    first, second = figure.axes
    points, line = first.lines
    assert points.get_xdata().tolist() == [0.1, 0.01] and points.get_ydata().tolist() == [0.2, 0.4]
    assert points.get_label() == "u8 (2)" and np.array_equal(line.get_xdata(), line.get_ydata())
    assert first.get_xlim() == first.get_ylim() == second.get_xlim() == pytest.approx((0.01 / 1.5, 0.6))
    assert save(lambda: figure, tmp_path, "predicted").exists()


def test_no_cells_at_all() -> None:
    assert len(draw_predicted([predicted_panel("a", {"u8": np.empty((0, 2))})], "std", "t", "c").axes) == 1


def test_a_curve_for_each_layer_and_a_panel_for_each_run() -> None:
    paths = {"from 0.1": np.array([[0.1, 0.2], [0.3, 0.4]]), "from 0.3": np.ones((4, 2))}
    figure = draw_trajectories(TrajectoryInfo(("conv", "fc"), paths, 0.5, "|sigma|", "title", "caption"))
    first, second = figure.axes
    assert [line.get_ydata().tolist() for line in first.lines[:2]] == [[0.1, 0.3], [0.2, 0.4]]
    assert first.lines[2].get_xdata() == [1.0, 1.0] and second.lines[2].get_xdata() == [2.0, 2.0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["conv", "fc"]
