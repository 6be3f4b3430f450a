"""The study of operating points, at smoke size."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def study(home: Path, text: str) -> subprocess.CompletedProcess[str]:
    (home / "tiny.toml").write_text(text.format(run=ROOT / "experiments" / "demo.toml"))
    script = str(ROOT / "experiments" / "operating_points" / "study.py")
    environment = {**os.environ, "DSE_CACHE": str(home / "cache"), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, script, "tiny.toml", "--out", "out"]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_smoke(tmp_path: Path) -> None:
    done = study(tmp_path, CHOICES)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "tiny" / "points.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row["method"], row["scheme"], row["point"]) for row in rows] == [
        (method, scheme, point) for method in ("ours", "published") for scheme in ("none", "batch-norm") for point in "01"
    ]
    assert all(int(row["simulated"]) <= 10 and 0 < float(row["rel_energy"]) <= 1 for row in rows)
    page = (tmp_path / "out" / "tiny" / "README.md").read_text()
    assert page.count("ours has the larger hypervolume on") == 2 and (tmp_path / "out" / "tiny" / "points.png").exists()
    again = study(tmp_path, CHOICES)
    assert again.returncode == 0 and (tmp_path / "out" / "tiny" / "points.csv").read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("points = 2", "point = 2", "point"), ('"ours", ', '"theirs", ', "methods"), ("[[choices]]", "[[choice]]", "choice")],
)
def test_wrong_files_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    done = study(tmp_path, CHOICES.replace(old, new))
    assert done.returncode != 0 and "tiny.toml: " in done.stderr and message in done.stderr
    assert not (tmp_path / "out").exists()
