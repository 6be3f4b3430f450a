"""The study of operating points, at smoke size."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError

ROOT = Path(__file__).resolve().parents[2]
CHOICES = """
run = "{run}"
set = ["retrain={{epochs = 1}}", "space.training.epochs=1", "space.dataset.train_images=200", "robustness.steps=3",
    "space.dataset.search_images=40", 'space.multipliers.include=["dadda_trunc?u"]']
seeds = 1
fine_tuning_images = 64

[[choices]]
name = "front"
methods = ["ours", "published"]
points = 2
evaluations = 10
schemes = ["none", "batch-norm"]
"""


def study(home: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (home / "tiny.toml").write_text(text.format(run=ROOT / "experiments" / "demo.toml"))
    script = str(ROOT / "experiments" / "operating_points" / "study.py")
    environment = {**os.environ, "DSE_CACHE": str(home / "cache"), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, script, "tiny.toml", "--out", "out", *options]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_smoke(tmp_path: Path) -> None:
    done = study(tmp_path, CHOICES)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "tiny" / "points.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["method"], row["scheme"], row["point"]) for row in rows] == [
        (method, scheme, point) for method in ("ours", "published") for scheme in ("none", "batch-norm") for point in "01"
    ] + [("exact", "batch-norm", "0")]
    assert all(int(row["simulated"]) <= 10 and 0 < float(row["rel_energy"]) <= 1 for row in rows)
    page = (tmp_path / "out" / "tiny" / "README.md").read_text()
    assert (tmp_path / "out" / "tiny" / "summary.md").read_text().count("| tiny | the largest front |") == 2
    assert page.count("ours has the larger hypervolume on") == 2
    assert (tmp_path / "out" / "tiny" / "points-front.png").exists()
    again = study(tmp_path, CHOICES)
    assert again.returncode == 0 and (tmp_path / "out" / "tiny" / "points.csv").read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("points = 2", "point = 2", "point"),
        ('"ours", ', '"theirs", ', "methods"),
        ('"ours", ', '"published", ', "choices 'front': methods: expected each once, got published, published"),
        ("[[choices]]", "[[choice]]", "choice"),
        ("[[choices]]", '[[choices]]\nname = "front"\n[[choices]]', "choices: names: expected each once, got front, front"),
        ("points = 2", "points = 2\nloss_budgets_pp = [1]", "choices 'front': loss budgets: expected 2 numbers"),
        ("evaluations = 10", "evaluations = 1", "choices 'front': evaluations: expected at least 2, got 1"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str) -> None:
    monkeypatch.syspath_prepend(ROOT / "experiments" / "operating_points")
    path = tmp_path / "tiny.toml"
    path.write_text(CHOICES.replace(old, new))
    with pytest.raises(InputError, match=f"tiny.toml: .*{message}"):
        importlib.import_module("choices").read_study(path)


@pytest.mark.parametrize(
    ("old", "new", "option", "message"),
    [
        ("points = 2", "points = 2\ninstances = [4, 1000]", (), "choices 'front': instances: expected at most 10, the"),
        ("{run}", "nowhere.toml", (), "nowhere.toml"),
        ("", "", ("--seeds", "0"), "--seeds: expected at least 1, got 0"),
        ("", "", ("--page-only",), "out/tiny/points.csv: no such file; choose the points first"),
    ],
)
def test_mistakes_end_with_code_2_and_leave_nothing(
    tmp_path: Path, old: str, new: str, option: tuple[str, ...], message: str
) -> None:
    done = study(tmp_path, CHOICES.replace(old, new), *option)
    assert done.returncode == 2 and done.stderr.startswith("study.py: error: ") and message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} <= {"tiny.toml", "cache"}


def test_what_fewer_instances_cost_is_the_mean_over_the_seeds_that_both_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "operating_points"))
    page = importlib.import_module("page")
    energies = {("4", 0): (0.4, 0.2), ("4", 1): (0.5, 0.2), ("36", 0): (0.3, 0.2), ("36", 1): (0.46, 0.1), ("36", 2): (0, 0)}
    rows = [
        {"choice": "a", "method": "ours", "instances": n, "scheme": "none", "seed": str(seed), "rel_energy": str(energy)}
        | {"test_loss_pp": "0", "test_se_pp": "0"}
        for (n, seed), points in energies.items()
        for energy in points
    ]
    (said,) = page.costs(rows)
    assert "with 4 instances instead of 36 the savings change by -7.0, -5.0 per cent points" in said


def test_progress_says_how_many_designs_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "experiments" / "operating_points"))
    spec = importlib.util.spec_from_file_location("points_study", ROOT / "experiments" / "operating_points" / "study.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "points_study", script)  # dataclasses look their module up
    spec.loader.exec_module(script)
    said: list[tuple[int, int]] = []
    display = type("Display", (), {"update": lambda _, done, total: said.append((done, total))})()
    search = script.counted(lambda population: population[:, :2] / 2, display, total=5)
    for designs in (2, 2, 3):
        population = np.arange(3 * designs).reshape(designs, 3)
        np.testing.assert_array_equal(search(population), population[:, :2] / 2)
    assert said == [(2, 5), (4, 5), (5, 5)]
