"""Savings against losses: a series after retraining looks like the one before, hollow."""

from __future__ import annotations

import numpy as np

from dse.report import Tradeoff, draw_tradeoffs


def test_what_is_like_another_series_has_its_colour_and_is_hollow() -> None:
    before = Tradeoff("ours", np.array([[80.0, 1.0], [60.0, 0.5], [95.0, 9.0]]), line=True)
    series = [before, Tradeoff("theirs", np.array([[50.0, 2.0]])), Tradeoff("after", np.array([[80.0, 0.3]]), like="ours")]
    figure = draw_tradeoffs(series, "caption", 99.0)
    ours, theirs, after, _, floor = figure.axes[0].lines
    assert [str(line.get_label()) for line in (ours, theirs)] == ["ours (1 beyond 5 pp)", "theirs"]
    assert list(floor.get_xdata()) == [99.0, 99.0]
    assert ours.get_xydata().tolist() == [[60, 0.5], [80, 1]]  # by saving; what loses more than 5 pp is not shown
    assert ours.get_color() == after.get_color() != theirs.get_color() and ours.get_marker() == after.get_marker()
    assert (after.get_markerfacecolor(), ours.get_markerfacecolor()) == ("none", ours.get_color())
    assert ours.get_linestyle() != "None" and theirs.get_linestyle() == after.get_linestyle() == "None"


def test_a_label_looks_the_same_in_all_figures_of_a_study() -> None:
    points = np.array([[80.0, 1.0]])
    both = draw_tradeoffs([Tradeoff("ours", points), Tradeoff("theirs", points)], "caption").axes[0].lines[1]
    alone = draw_tradeoffs([Tradeoff("theirs", points)], "caption", labels=["ours", "theirs"]).axes[0].lines[0]
    assert (alone.get_color(), alone.get_marker()) == (both.get_color(), both.get_marker())


def test_runs_lie_faint_behind_their_means() -> None:
    runs = np.array([[60.0, 0.4], [60.0, 0.6], [60.0, 9.0]])
    figure = draw_tradeoffs([Tradeoff("ours", np.array([[60.0, 0.5]]), runs=runs)], "caption")
    dots, means, _ = figure.axes[0].lines
    assert dots.get_xydata().tolist() == [[60, 0.4], [60, 0.6]] and dots.get_linestyle() == "None"
    assert dots.get_color() == means.get_color() and dots.get_alpha() and not str(means.get_label()).startswith("_")
    assert str(dots.get_label()).startswith("_")  # not in the legend


def test_what_became_of_designs_stands_in_a_panel_of_its_own() -> None:
    """Each label is in the legend once; hollow is what was before, at the same saving."""
    designs = Tradeoff("ours", np.array([[80.0, 1.0], [90.0, 7.0]]), panel="without")
    after = np.array([[90.0, 2.0], [80.0, 0.3], [95.0, 6.0]])
    retrained = Tradeoff("ours", after, before=np.array([7.0, 1.0, 9.0]), panel="with")
    series = [designs, retrained, Tradeoff("new", after, panel="with")]
    figure = draw_tradeoffs(series, "caption", 99.0)
    without, within = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["without", "with"]
    first, second, hollow, ours, *_ = within.lines
    assert first.get_xydata().tolist() == [[80, 1], [80, 0.3]] and hollow.get_xydata().tolist() == [[80, 1]]
    assert second.get_xydata().tolist() == [[90, 5], [90, 2]]  # its hollow marker would lie beyond
    assert ours.get_xydata().tolist() == [[80, 0.3], [90, 2]]
    assert ours.get_color() == without.lines[0].get_color() == hollow.get_color() and hollow.get_markerfacecolor() == "white"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "ours (1 beyond 5 pp)", "least power in the library", "new (1 beyond 5 pp)"
    ]  # fmt: skip
