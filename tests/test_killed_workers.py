"""A whole run whose worker processes are killed at random, 25 times (DSE_HEAVY=1, some minutes)."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dse.run_folder import STUDY
from dse.store import Evaluation, StudyFile
from tests.executors.jobs import workers_of

KILLS = 25
SPACED = 20  # evaluations from one kill to the next, so that the run outlasts them
CONFIG = """
space = {name = "tiny", model = {name = "digits-cnn"}, dataset = {name = "digits", train_images = 300}, \
training = {epochs = 2}, multipliers = {include = ["dadda_trunc?u", "evolved*"]}}
robustness = {steps = 5}
error_model = {patches = 16, truth_images = 16}
ladder = {designs = 0}
search = {methods = ["random", "nsga2-unseeded"], evaluations = 400, population = 16}
"""

pytestmark = pytest.mark.skipif(os.environ.get("DSE_HEAVY") != "1", reason="DSE_HEAVY=1")


def begun(folder: Path, out: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dse", "run", "run.toml", "--out", out, "--jobs", "2"]
    environment = os.environ | {"DSE_CACHE": str(folder / "cache"), "PYTHONPATH": os.getcwd()}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def acknowledged(study: Path) -> dict[bytes, bytes]:
    """Return key and checksum of every evaluation in a study that another process writes, empty before it is there."""
    if not study.exists():
        return {}
    connection = sqlite3.connect(f"file:{study}?mode=ro", uri=True, timeout=60)
    try:
        return dict(connection.execute("SELECT key, checksum FROM evaluation").fetchall())
    except sqlite3.OperationalError:  # begun, and not there yet
        return {}
    finally:
        connection.close()


def settled(study: Path) -> dict[tuple[str, str, tuple[int, ...]], Evaluation]:
    with sqlite3.connect(f"file:{study}?mode=ro", uri=True) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    with StudyFile.open(study) as file:
        every = list(file.evaluations())
    found = {(e.fidelity, e.evaluator, e.assignment): e for e in every}
    assert len(found) == len(every)  # none twice
    return found


def test_killing_a_random_worker_25_times_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG)
    calm = begun(tmp_path, "calm")
    said, _ = calm.communicate(timeout=300)
    assert calm.returncode == 0, said
    rng, killed = random.Random(0), 0
    known: dict[bytes, bytes] = {}
    due = SPACED
    run = begun(tmp_path, "killed")
    deadline = time.monotonic() + 900
    try:
        while run.poll() is None and time.monotonic() < deadline:
            now = acknowledged(tmp_path / "killed" / STUDY)
            assert known.items() <= now.items(), "an acknowledged evaluation was lost or changed"
            known = now
            workers = workers_of(run.pid)
            if killed < KILLS and len(known) >= due and workers:
                time.sleep(rng.uniform(0, 0.2))
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed, due = killed + 1, len(known) + SPACED
            time.sleep(0.02)
        said, _ = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert (run.returncode, killed) == (0, KILLS), said
    assert known.items() <= acknowledged(tmp_path / "killed" / STUDY).items()
    undisturbed, disturbed = (settled(tmp_path / out / STUDY) for out in ("calm", "killed"))
    assert disturbed.keys() == undisturbed.keys()
    assert all((e.figures, e.error) == (undisturbed[k].figures, None) for k, e in disturbed.items())
    assert 0 < sum(e.attempt - 1 for e in disturbed.values()) <= KILLS  # some were hit at work, and begun again once each
    for name in ("evaluations.csv", "front.csv", "uniform.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
