"""The script behind `results/demo/`, at smoke size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_smoke(tmp_path: Path) -> None:
    smaller = {
        "search.evaluations": 8,
        "search.population": 4,
        "robustness.steps": 3,
        "space.training.epochs": 1,
        "space.dataset.train_images": 200,
        "space.dataset.search_images": 40,
    }
    options = [word for key, value in smaller.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, str(ROOT / "experiments" / "demo_seeds.py"), "--seeds", "2", "--out", "out", *options]
    environment = {**os.environ, "DSE_CACHE": str(tmp_path / "cache"), "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out" / "README.md").read_text()
    assert "of 2 seeds" in text and "40 search" in text and "One search image is 2.5 pp" in text
    assert len((tmp_path / "out" / "seeds.csv").read_text().splitlines()) == 3
    assert (tmp_path / "out" / "figures" / "fronts.png").exists()
    assert (tmp_path / "out" / "seed1" / "front.csv").exists()
