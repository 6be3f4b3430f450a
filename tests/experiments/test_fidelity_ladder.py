"""The script that measures the rungs, at smoke size."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dse.report._ladder import ladder_text
from dse.report._profiles import profiles_info

ROOT = Path(__file__).resolve().parents[2]


def test_smoke(tmp_path: Path) -> None:
    smaller = {
        "search.evaluations": 8,
        "search.population": 4,
        "search.reference.accuracy_loss_pp": 100,
        "robustness.steps": 3,
        "space.training.epochs": 1,
        "space.dataset.train_images": 200,
        "space.dataset.search_images": 40,
    }
    options = [word for key, value in smaller.items() for word in ("--set", f"{key}={value}")]
    script = str(ROOT / "experiments" / "fidelity_ladder.py")
    command = [sys.executable, script, str(ROOT / "experiments" / "demo.toml"), "--out", "out", "--designs", "12"]
    command += ["--rungs", "noise-20,lut-20,lut"]
    environment = {
        **os.environ,
        "DSE_CACHE": str(tmp_path / "cache"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    text = ladder_text(tmp_path / "out" / "ladder.csv")
    assert text is not None and "| noise-20 | kl |" in text and "test images" in text
    info = profiles_info(tmp_path / "out" / "profiles.csv")
    assert info is not None and list(info.shares) == ["agn", "fisher", "sweep"] and len(info.layers) == 6
