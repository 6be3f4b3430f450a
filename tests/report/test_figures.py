"""What the figures show, against values worked out by hand; and that they can be drawn."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.path import Path as Path2D

from dse.report import load_run
from dse.report._assignments import assignment_info, draw_assignments
from dse.report._draw import looks, save
from dse.report._errors import draw_errors, error_info
from dse.report._fronts import draw_fronts, front_info, staircase
from dse.report._hypervolume import draw_hypervolume, hypervolume_info
from dse.report._robustness import draw_robustness, robustness_info
from dse.report._run import Evaluations, Front, RunData, Uniforms
from tests.report.conftest import make_run


@pytest.fixture
def run(run_folder: Path) -> RunData:
    return load_run(run_folder)


def front(run: RunData, energy: list[float], search: list[float], test: list[float]) -> Front:
    population = np.zeros((len(energy), len(run.layers)), dtype=np.int64)
    losses = (np.array(values) for values in (energy, search, test, [np.nan] * len(energy)))
    return Front(*losses, None, None, population, np.arange(len(energy)))


def evaluations(*objectives: tuple[float, float]) -> Evaluations:
    return Evaluations(np.arange(1.0, len(objectives) + 1), np.array(objectives).reshape(-1, 2))


def test_the_staircase_has_two_corners_per_point() -> None:
    corners = staircase(np.array([[0.2, 5.0], [0.5, 1.0]]), 1.0, 10.0)
    assert corners.tolist() == [[0.2, 10.0], [0.2, 5.0], [0.5, 5.0], [0.5, 1.0], [1.0, 1.0]]


def test_a_staircase_beyond_the_axes_starts_and_ends_at_its_own_points() -> None:
    assert staircase(np.array([[1.2, 12.0]]), 1.0, 10.0).tolist() == [[1.2, 12.0], [1.2, 12.0], [1.2, 12.0]]


def test_each_panel_keeps_its_own_non_dominated_points(run: RunData) -> None:
    some = front(run, [0.2, 0.4, 0.6], [5.0, 2.0, 1.0], [6.0, 3.0, 3.5])
    info = front_info(dataclasses.replace(run, methods=("nsga2",), fronts={"nsga2": some}))
    search, test = info.panels
    assert search.fronts[0].attained.tolist() == [[0.2, 5.0], [0.4, 2.0], [0.6, 1.0]]
    assert test.fronts[0].attained.tolist() == [[0.2, 6.0], [0.4, 3.0]]
    assert test.fronts[0].dominated.tolist() == [[0.6, 3.5]]
    assert test.float_loss_pp == pytest.approx(-0.3)
    assert search.float_loss_pp is None


def test_only_undominated_uniforms_with_room_are_named(run: RunData) -> None:
    names = ("exact", "good", "beside", "dominated", "beyond")
    energy, loss = np.array([1.0, 0.5, 0.501, 0.6, 0.1]), np.array([0.0, 2.0, 1.99, 4.0, 50.0])
    uniforms = Uniforms(energy, loss, loss, loss, None, None, names, np.zeros((5, 1), dtype=np.int64))
    info = front_info(dataclasses.replace(run, uniforms=uniforms, fronts={}, methods=()))
    assert {label.text for label in info.panels[0].labels} <= {"good", "beside"}
    assert "good" in {label.text for label in info.panels[0].labels}
    assert info.panels[0].beyond == 1


def test_names_cover_neither_each_other_nor_marks(tmp_path: Path) -> None:
    """As they are drawn: a name may be as long as its user likes."""
    names = ["exact8u", *(f"mul8u_of_a_very_long_name_{m}_{'x' * (9 * m)}" for m in range(24))]
    run = load_run(make_run(tmp_path / "run", names=names, multipliers=25, layers=8))
    figure = draw_fronts(front_info(run))
    figure.draw_without_rendering()
    for axes, panel in zip(figure.axes, front_info(run).panels, strict=True):
        boxes = [text.get_window_extent() for text in axes.texts]
        assert len(boxes) == len(panel.labels) >= 3
        marks = axes.transData.transform(np.vstack([panel.uniforms, *(front.attained for front in panel.fronts)]))
        for place, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[place + 1 :])
            assert not any(box.contains(*mark) for mark in marks)
            assert axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1


def test_evaluation_at_which_the_baseline_was_reached(run: RunData) -> None:
    changed = dataclasses.replace(
        run,
        methods=("nsga2", "alwann", "random"),
        evaluations={
            "nsga2": evaluations((0.9, 5.0), (0.5, 5.0), (0.5, 1.0)),
            "alwann": evaluations((0.8, 5.0), (0.5, 5.0), (0.6, 6.0)),
            "random": evaluations((0.9, 9.0)),
        },
    )
    info = hypervolume_info(changed)
    assert info.level == pytest.approx(0.5 * 5)
    assert [c.reached for c in info.curves] == [2, 2, None]
    assert info.curves[0].hypervolume == pytest.approx([0.1 * 5, 0.5 * 5, 0.5 * 9])


def test_no_level_without_the_baseline_and_none_to_reach_at_zero(run: RunData) -> None:
    alone = dataclasses.replace(run, methods=("random",), evaluations={"random": evaluations((0.5, 5.0))})
    assert hypervolume_info(alone).level is None
    useless = dataclasses.replace(run, methods=("alwann",), evaluations={"alwann": evaluations((0.5, 50.0))})
    assert hypervolume_info(useless).curves[0].reached is None


def test_shares_of_the_multiplications(run: RunData) -> None:
    info = robustness_info(dataclasses.replace(run, op_counts=np.array([1.0, 2.0, 5.0])))
    assert info.share.tolist() == [12.5, 25.0, 62.5]


@pytest.mark.parametrize(("smallest", "scale"), [(0.2, "linear"), (0.01, "log"), (0.0, "linear")])
def test_small_bars_are_not_hidden_by_large_ones(run: RunData, smallest: float, scale: str) -> None:
    info = robustness_info(dataclasses.replace(run, sigma=np.array([smallest, 0.4, 0.5])))
    upper = draw_robustness(info).axes[0]
    assert upper.get_yscale() == scale and ("log scale" in upper.get_ylabel()) == (scale == "log")
    assert [text.get_text() for text in upper.texts] == [f"{smallest:.2g}", "0.4", "0.5"]
    low, high = upper.get_ylim()
    assert all(low < value < high for value in info.sigma if value > 0)


def test_lines_strike_through_no_name_and_the_legend_covers_no_panel(tmp_path: Path) -> None:
    methods = ("nsga2", "nsga2-unseeded", "alwann", "matching", "additive", "greedy", "random")
    figure = draw_fronts(front_info(load_run(make_run(tmp_path / "run", methods=methods, multipliers=12, layers=6))))
    figure.draw_without_rendering()
    (legend,) = figure.legends
    for axes in figure.axes:
        assert not legend.get_window_extent().overlaps(axes.bbox)
        drawn = [line.get_xydata() for line in axes.lines if line.get_linestyle() != "None"]
        corners = [axes.transData.transform(points) for points in drawn if len(points) > 2]
        for text in axes.texts:
            assert not any(Path2D(line).intersects_bbox(text.get_window_extent(), filled=False) for line in corners)


def test_seven_methods_differ_by_marker_or_line_in_grey() -> None:
    methods = ("nsga2", "nsga2-unseeded", "alwann", "matching", "additive", "greedy", "random")
    assert len({(look.marker, look.line) for look in looks(methods).values()}) == len(methods)


def test_energies_of_nothing_stay_on_a_linear_axis(run: RunData) -> None:
    loss = np.array([5.0])
    uniforms = Uniforms(np.array([0.0]), loss, loss, loss, None, None, ("zero",), np.zeros((1, 1), dtype=np.int64))
    info = front_info(dataclasses.replace(run, uniforms=uniforms))
    assert [axes.get_xscale() for axes in draw_fronts(info).axes] == ["linear", "linear"]
    assert [axes.get_xscale() for axes in draw_fronts(front_info(run)).axes] == ["log", "log"]


def test_errors_by_falling_power_with_the_exact_multiplier_masked(run: RunData) -> None:
    std = np.array([[0.0, 1.0, 2.0, 3.0]] * 3)
    info = error_info(dataclasses.replace(run, power_mw=np.array([0.4, 0.1, 0.3, 0.2]), error_std=std))
    assert info.multipliers == ("exact8u", "approx2u", "approx3u", "approx1u")
    assert np.isnan(info.std[:, 0]).all()
    assert info.std[0, 1:].tolist() == [2.0, 3.0, 1.0]
    assert info.limits == (1.0, 3.0)


@pytest.mark.parametrize("std", [np.zeros((3, 4)), np.full((3, 4), 0.5), np.full((3, 4), np.nan)])
def test_errors_without_a_range_can_be_drawn(run: RunData, tmp_path: Path, std: np.ndarray) -> None:
    info = error_info(dataclasses.replace(run, error_std=std))
    save(lambda: draw_errors(info), tmp_path, "errors")


def test_assignments_along_the_front(run: RunData) -> None:
    some = dataclasses.replace(
        front(run, [0.2, 0.4], [2.0, 1.0], [3.0, 1.5]), population=np.array([[1, 1, 2], [0, 3, 2]])
    )
    changed = dataclasses.replace(run, fronts={**run.fronts, "nsga2": some}, power_mw=np.array([0.4, 0.1, 0.2, 0.3]))
    info = assignment_info(changed)
    assert info is not None and info.method == "nsga2"
    assert info.names == (("approx1u", "exact8u"), ("approx1u", "approx3u"), ("approx2u", "approx2u"))
    assert info.rel_power == pytest.approx(np.array([[0.25, 1.0], [0.25, 0.75], [0.5, 0.5]]))


def test_assignments_of_the_first_method_with_a_front(run: RunData) -> None:
    empty = front(run, [], [], [])
    info = assignment_info(dataclasses.replace(run, fronts={**run.fronts, "nsga2": empty}))
    assert info is not None and info.method == "alwann"
    assert assignment_info(dataclasses.replace(run, fronts={"nsga2": empty})) is None


def test_a_method_looks_the_same_whoever_else_is_there() -> None:
    assert looks(["nsga2"])["nsga2"] == looks(["mine", "alwann", "nsga2"])["nsga2"]
    many = looks([f"mine{i}" for i in range(12)])
    assert len(set(many.values())) == 12


def test_saving_leaves_the_settings_of_the_caller_alone(run: RunData, tmp_path: Path) -> None:
    info = robustness_info(run)
    with matplotlib.rc_context({"font.size": 3}):
        small = save(lambda: draw_robustness(info), tmp_path, "robustness").read_bytes()
        assert matplotlib.rcParams["font.size"] == 3
    assert hashlib.sha256(save(lambda: draw_robustness(info), tmp_path, "robustness").read_bytes()).digest() == (
        hashlib.sha256(small).digest()
    )


def test_figures_of_a_large_network_have_readable_sizes(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "run", layers=60, multipliers=60, evaluations=40))
    assignments = assignment_info(run)
    assert assignments is not None
    figures = [
        draw_robustness(robustness_info(run)),
        draw_errors(error_info(run)),
        draw_assignments(assignments),
        draw_fronts(front_info(run)),
        draw_hypervolume(hypervolume_info(run)),
    ]
    assert all(max(figure.get_size_inches()) <= 16 for figure in figures)
    assert not figures[1].axes[0].texts  # numbers would not be legible
