"""A trace served in every way, and its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.operating_points._governor import Designs, Policy
from dse.operating_points._governor_run import Setting, _info, compare_served, shown_static, simulate_folder
from dse.operating_points._points_file import write_points
from tests.operating_points.test_points_file import stored

TRACES: list[dict[str, Any]] = [
    {"trace": "steps"},
    {"trace": "daily"},
    {"trace": "daily", "budget": "loss"},
    {"trace": "battery"},
]


@pytest.mark.parametrize("trace", TRACES)
def test_default_traces_can_be_served_and_make_the_governor_switch(trace: dict[str, Any]) -> None:
    points = stored()
    setting = Setting(**trace, requests=200)
    made = setting.made_for(points.designs(points.points))
    found = compare_served(points, made, Policy(), seed=0)
    governor, exact = found.served[0], found.served[-1]
    assert governor.violations == 0 and governor.switches > 0
    assert exact.name == "exact network" and exact.violations == (0 if trace.get("budget") == "loss" else exact.violations)
    names = [served.name for served in found.served]
    assert any("point, on average" in name for name in names) and len(set(names)) == len(names)
    for served in found.served[1:]:
        assert served.switches == 0 and np.array_equal(served.designs.rel_energy, served.designs.rel_energy[:1])
        assert "always" not in served.name or served.violations == 0


@pytest.mark.parametrize("trace", TRACES)
def test_the_figure_shows_the_best_single_design_of_the_table(trace: dict[str, Any]) -> None:
    points = stored()
    found = compare_served(
        points, Setting(**trace, requests=200).made_for(points.designs(points.points)), Policy(), seed=0
    )
    shown, kind = shown_static(found), found.trace.kind
    assert shown is not None and [line.name for line in _info(found).lines][1] == shown.name
    for other in found.served[1:-1]:
        if other.violations == 0:
            better = shown.rel_energy <= other.rel_energy
            accurate = shown.expected_accuracy(0.9) >= other.expected_accuracy(0.9)
            assert shown.violations == 0 and (better if kind == "loss" else accurate)
    if trace == {"trace": "daily"}:  # from 0.3 on: point 1, and on average the front's design at 0.4
        assert shown.name == "best point, always: point 1"
        wider = Setting("daily", requests=200, low=0.5).made_for(points.designs(points.points))
        best = shown_static(compare_served(points, wider, Policy(), seed=0))
        assert best is not None and best.name == "best design of the front, always: nsga2 4"  # 1 pp, the point's is 2 pp


@pytest.mark.parametrize(
    ("setting", "used"),
    [
        (Setting("steps"), {"budget": "energy", "low": 0.3, "high": 1.05 * 0.6, "capacity": None}),
        (Setting("daily", "loss", high=5.0), {"budget": "loss", "low": 0.1, "high": 5.0, "capacity": None}),
        (Setting("battery"), {"budget": None, "low": None, "high": None, "capacity": 4 / 3 * 0.45}),
    ],
)
def test_what_was_used_is_written(tmp_path: Path, setting: Setting, used: dict[str, Any]) -> None:
    write_points(stored(), [], tmp_path / "points")
    simulate_folder(tmp_path / "points", setting, Policy(), tmp_path / "served")
    result = json.loads((tmp_path / "served" / "governor.json").read_text())
    assert {name: result[name] for name in used} == pytest.approx(used)


def test_files_say_what_is_printed(tmp_path: Path) -> None:
    write_points(stored(), [], tmp_path / "points")
    setting = Setting("steps", requests=60, low=0.25, high=0.7, seed=3)
    table, figure = simulate_folder(tmp_path / "points", setting, Policy(dwell=2), tmp_path / "served")
    result = json.loads((tmp_path / "served" / "governor.json").read_text())
    assert result["served"] == table and result["dwell"] == 2 and result["requests"] == 60 and result["high"] == 0.7
    with (tmp_path / "served" / "trace.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 and table[0]["violations"] == sum(int(row["violated"]) for row in rows) > 0
    assert table[0]["rel_energy"] == pytest.approx(np.mean([float(row["rel_energy"]) for row in rows]))
    assert table[0]["accuracy"] == pytest.approx(np.mean([int(row["right"]) for row in rows]))
    assert {row["point"] for row in rows} == {"point 0", "point 1"}
    assert figure.is_file() and figure.read_bytes()[1:4] == b"PNG" and figure.with_suffix(".pdf").is_file()
    before = {path.name: path.read_bytes() for path in figure.parent.iterdir()}
    with pytest.raises(InputError, match="exists already; --overwrite .overwrite=True. replaces it"):
        simulate_folder(tmp_path / "points", setting, Policy(dwell=2), tmp_path / "served")
    simulate_folder(tmp_path / "points", setting, Policy(dwell=2), tmp_path / "served", overwrite=True)
    assert {path.name: path.read_bytes() for path in figure.parent.iterdir()} == before


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed: expected 0..4294967295, got -1"):
        Setting("daily", seed=-1)
    with pytest.raises(InputError, match="trace: expected steps, daily or battery, got 'night'"):
        Setting("night")
    with pytest.raises(InputError, match="budget: expected energy or loss, got 'power'"):
        Setting("daily", "power")  # type: ignore[arg-type]
    for unused in ({"low": 0.1}, {"high": 0.1}, {"budget": "energy"}):
        with pytest.raises(InputError, match=f"{next(iter(unused))}: plays no part in the trace 'battery'; leave it out"):
            Setting("battery", **unused)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="capacity: plays no part in the trace 'steps'; leave it out"):
        Setting("steps", capacity=float("nan"))
    lossless = Designs(("a",), np.array([0.5]), np.array([-0.1]), np.ones((1, 3), dtype=bool))
    with pytest.raises(InputError, match=r"high: no point has any loss that a range could follow; give .* \(--high\)"):
        Setting("daily", "loss").made_for(lossless)
    assert Setting("daily", "loss", high=1.0).made_for(lossless).amounts.max() <= 1
    with pytest.raises(InputError, match="exists and holds no served trace"):
        write_points(stored(), [], tmp_path / "points")
        simulate_folder(tmp_path / "points", Setting("daily"), Policy(), tmp_path / "points", overwrite=True)
