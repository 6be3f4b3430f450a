"""The comparison of the two choices of operating points, at smoke size."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_smoke(tmp_path: Path) -> None:
    smaller = {
        "robustness.steps": 3,
        "space.training.epochs": 1,
        "space.dataset.train_images": 200,
        "space.dataset.search_images": 40,
        "space.multipliers.include": '["dadda_trunc?u"]',
    }
    options = [word for key, value in smaller.items() for word in ("--set", f"{key}={value}")]
    script = str(ROOT / "experiments" / "operating_points" / "joint_vs_published.py")
    command = [sys.executable, script, "--seeds", "1", "--points", "2", "--evaluations", "10", "--out", "out", *options]
    environment = {**os.environ, "DSE_CACHE": str(tmp_path / "cache"), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["point"]) for row in rows] == [(m, p) for m in ("ours", "published") for p in "01"]
    assert all(int(row["simulated"]) <= 10 and 0 < float(row["rel_energy"]) <= 1 for row in rows)
