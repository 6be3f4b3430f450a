"""What the governor's figure shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dse.report import GovernorInfo, ServedLine, draw_governor
from dse.report._governor import moving_mean


def info(kind: str = "energy", lines: int = 3) -> GovernorInfo:
    requests = 30
    rng = np.random.default_rng(0)
    made = [
        ServedLine(name, rng.random(requests), rng.random(requests), rng.random(requests) < 0.9)
        for name in ("governor", "best point, always", "exact network")
    ]
    levels = {"point 0": (0.5, 0.1), "point 1": (0.2, 2.0)}
    shown = made if lines == 3 else [made[0], made[-1]]
    return GovernorInfo("Steps", kind, np.linspace(0.2, 0.6, requests), levels, tuple(shown), "thirty requests")


@pytest.mark.parametrize("window", [1, 2, 3, 10, 99])
def test_moving_mean(window: int) -> None:
    values = np.random.default_rng(1).random(12)
    found = moving_mean(values, window)
    for i, mean in enumerate(found):
        assert mean == pytest.approx(values[max(0, i - window // 2) : i + (window + 1) // 2].mean())


@pytest.mark.parametrize("lines", [2, 3])
@pytest.mark.parametrize("kind", ["energy", "loss", "battery"])
def test_the_budget_stands_where_it_bounds(kind: str, lines: int) -> None:
    figure = draw_governor(info(kind, lines))
    power, loss, accuracy = figure.axes
    bounded, free = (loss, power) if kind == "loss" else (power, loss)
    assert [line.get_label() for line in bounded.lines].count("budget") == 1
    assert "budget" not in [line.get_label() for line in free.lines]
    assert [line.get_label() for line in accuracy.lines][-1] == "exact network" and len(accuracy.lines) == lines
    assert {text.get_text() for text in power.texts} == {"point 0", "point 1"}
    figure.draw_without_rendering()


def test_the_measured_accuracy_is_in_per_cent() -> None:
    all_right = replace(info().lines[0], right=np.ones(30, dtype=bool))
    figure = draw_governor(replace(info(), lines=(all_right, info().lines[-1])))
    shown = np.asarray(figure.axes[2].lines[0].get_ydata(), dtype=float)
    assert shown[1:-1] == pytest.approx(100) and np.isnan(shown[[0, -1]]).all()  # means of fewer requests are not shown


def test_levels_that_nearly_coincide_are_named_apart() -> None:
    levels = {"point 0": (0.5, 0.001), "point 1": (0.2, 0.0), "point 2": (0.19, 0.002)}
    for axes in draw_governor(replace(info(), levels=levels)).axes[:2]:
        places = sorted(text.xy[1] for text in axes.texts)  # type: ignore[attr-defined]
        assert len(places) == 3 and min(np.diff(places)) > 0.07
