"""The commands about studies, on one small run."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dse.run_folder import STUDY
from dse.store import StudyFile
from tests.finished_run import enter, finish
from tests.test_main import call

LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "linear")
TABLES = ("front.csv", "evaluations.csv", "uniform.csv")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished run of six evaluations, `done`, and the cache that it trained into."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        finish(folder, patch)
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(home, monkeypatch)
    return home


def same_tables(a: Path, b: Path) -> bool:
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in TABLES)


def test_status(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "status", "done") == 0
    said = capsys.readouterr().out
    assert "tiny, seed 0: finished" in said and "nsga2        6 of 6 designs" in said
    assert call(monkeypatch, "status", "done", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["state"] == "finished" and found["methods"]["alwann"] == {"done": 6, "budget": 6}
    assert found["fidelities"]["lut"]["done"] > 6 and found["fidelities"]["lut"]["failed"] == 0


def test_resuming_a_finished_run_evaluates_nothing_and_changes_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (here / "done" / name).read_bytes() for name in TABLES}
    assert call(monkeypatch, "status", "done", "--format", "json") == 0
    done = json.loads(capsys.readouterr().out)["fidelities"]
    assert call(monkeypatch, "resume", "done") == 0
    assert {name: (here / "done" / name).read_bytes() for name in TABLES} == before
    capsys.readouterr()
    assert call(monkeypatch, "status", "done", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["fidelities"] == done


def test_a_larger_budget_is_that_of_one_run_and_workers_change_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "run", "tiny.toml", "--out", "short", "--set", "search.evaluations=4") == 0
    assert call(monkeypatch, "resume", "short", "--budget", 6, "--jobs", 2) == 0
    assert same_tables(here / "short", here / "done")


NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(1, 4, 3), nn.Linear(144, 10)

    def forward(self, x):
        return self.linear(self.conv(x).relu().flatten(1))

def build():
    torch.manual_seed(0)
    return Net()
"""
METHODS = """
import numpy as np

class Method:
    def __init__(self, space, guidance, *, population, seed):
        self.layers, self.choices = len(space.layers), len(space.multipliers)
    def tell(self, population, objectives): pass

class Raises(Method):
    def ask(self): raise KeyError("no idea")

class Deaf(Method):
    def ask(self): return np.zeros((1, self.layers), dtype=np.int64)
    def tell(self, population, objectives): return 1 / 0

class Beyond(Method):
    def ask(self): return np.full((1, self.layers), self.choices)

class Below(Method):
    def ask(self): return np.full((1, self.layers), -1)

class Wide(Method):
    def ask(self): return np.zeros((1, self.layers + 1), dtype=np.int64)

class Ragged(Method):
    def ask(self): return [[0], [0, 1]]

class Floats(Method):
    def ask(self): return np.zeros((1, self.layers))

class Many(Method):
    def ask(self): return np.arange(self.layers)[None] % self.choices
"""


def test_a_network_class_in_a_file_of_the_users_works_in_workers(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "net.py").write_text(NETWORK)
    own = ("--set", "space.model={factory = 'net.py:build'}", "--set", "search.timeout_s=120")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "own1", *own[:2], "--set", "search.evaluations=4") == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "own2", *own, "--set", "search.evaluations=4", "--jobs", 2) == 0
    assert same_tables(here / "own1", here / "own2")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("Raises", "ask failed: KeyError: 'no idea'"),
        ("Deaf", "tell failed: ZeroDivisionError"),
        ("Beyond", "expected multipliers 0 to"),
        ("Below", "expected multipliers 0 to"),
        ("Wide", "expected designs (P, 6) int64, got (1, 7)"),
        ("Ragged", "ask failed: ValueError"),
        ("Floats", "expected designs (P, 6) int64, got (1, 6) float64"),
        ("Many", "the space does not permit"),
        ("Missing", "has no function 'Missing'"),
    ],
)
def test_a_method_of_the_users_that_misbehaves(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, complaint: str
) -> None:
    (here / "methods.py").write_text(METHODS)
    sets = ("--set", f"search.methods=['methods.py:{name}']", "--set", "space.tiles=2")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "user", "--overwrite", *sets) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert complaint in said and said.count("search.methods") == 1


def test_going_on_with_a_larger_budget_keeps_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "run", "tiny.toml", "--out", "grown", "--set", "search.evaluations=4") == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "grown", "--go-on") == 0  # six
    assert call(monkeypatch, "resume", "grown") == 0
    assert same_tables(here / "grown", here / "done")


def test_a_budget_that_was_edited_is_not_ignored(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = here / "done" / "config.toml"
    before = file.read_text()
    try:
        file.write_text(before.replace("evaluations = 6", "evaluations = 9"))
        assert call(monkeypatch, "resume", "done") == 2
        assert "give --budget 9" in capsys.readouterr().err
    finally:
        file.write_text(before)


def test_a_budget_below_what_the_run_has_is_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "resume", "done", "--budget", 3) == 2
    assert "--budget 3: expected at least 6" in capsys.readouterr().err


def test_what_cannot_be_run_leaves_no_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = ("--set", "space.constraints.max_rel_energy=0.001")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "never", *limit) == 2
    assert "max_rel_energy" in capsys.readouterr().err and not (here / "never").exists()


def test_the_workers_of_a_dask_scheduler_give_the_same(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    from tests.executors.dask_cluster import started

    with started(2, tmp_path) as (address, _):
        assert call(monkeypatch, "run", "tiny.toml", "--out", "dask", "--scheduler", address) == 0
    assert same_tables(here / "dask", here / "done")
    with StudyFile.open(here / "dask" / STUDY) as study:
        workers = {evaluation.worker for evaluation in study.evaluations("lut")}
    assert workers and f"{socket.gethostname()}:{os.getpid()}" not in workers


def test_run_goes_on_where_an_equal_run_is(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "run", "tiny.toml", "--out", "done", "--go-on") == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "done", "--go-on", "--set", "search.population=5") == 2
    assert "search.population (3 there, 5 here)" in capsys.readouterr().err
    assert call(monkeypatch, "run", "tiny.toml", "--out", "done") == 2
    assert "`dse resume done` continues that run" in capsys.readouterr().err


def test_two_processes_begin_and_share_one_run(here: Path) -> None:
    command = [sys.executable, "-m", "dse", "run", "tiny.toml", "--out", "shared", "--go-on"]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # as here: a learned profile depends on it in its last digits
    processes = [subprocess.Popen(command, env=one_thread, **streams) for _ in range(2)]
    ends = [process.communicate(timeout=240) for process in processes]
    assert all(process.returncode == 0 for process in processes), ends
    assert same_tables(here / "shared", here / "done")


def test_what_another_run_has_evaluated_is_taken_over(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--set", "fixed_seed=0", "--set", "search.evaluations=3", "--seed", 1)
    assert call(monkeypatch, "run", "tiny.toml", "--out", "alone", *other) == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "knowing", *other, "--known", "done") == 0
    assert same_tables(here / "alone", here / "knowing")
    tallies = []
    for name in ("done", "alone", "knowing"):
        with StudyFile.open(here / name / STUDY) as study:
            tallies.append({(e.fidelity, e.assignment): e.finished for e in study.evaluations()})
    done, alone, knowing = tallies
    assert set(knowing) == set(done) | set(alone) and all(knowing[key] == done[key] for key in done)

    changed = (*other, "--set", "space.dataset.search_images=41")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "stranger", *changed, "--known", "done") == 0
    with StudyFile.open(here / "stranger" / STUDY) as study:  # nothing of other images
        assert not {e.finished for e in study.evaluations()} & set(done.values())

    capsys.readouterr()
    assert call(monkeypatch, "run", "tiny.toml", "--out", "never", "--known", "nowhere") == 2
    assert "nowhere: no study there" in capsys.readouterr().err and not (here / "never").exists()


def test_a_failing_objective_is_a_row_and_in_no_front(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dse.evaluator import Evaluator

    whole = Evaluator.__call__

    def broken(self: Evaluator, job: object) -> object:
        if any(design.any() and design.sum() % 3 == 0 for design in job.designs):  # type: ignore[attr-defined]
            raise RuntimeError("no luck")
        return whole(self, job)  # type: ignore[arg-type]

    monkeypatch.setattr(Evaluator, "__call__", broken)
    assert call(monkeypatch, "run", "tiny.toml", "--out", "broken") == 0
    with (here / "broken" / "evaluations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    failed = [row for row in rows if not row["rel_energy"]]
    assert 0 < len(failed) < len(rows) and all(row["accuracy_loss_pp"] == "" for row in failed)
    with (here / "broken" / "front.csv").open(newline="") as file:
        assert all(row["accuracy"] and row["rel_energy"] for row in csv.DictReader(file))
    metrics = json.loads((here / "broken" / "metrics.json").read_text())
    assert sum(metrics["failed"].values()) == len(failed)


def test_verify(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "verify", "done", "--designs", 3) == 0
    said = capsys.readouterr().out
    assert said.count("identical") >= 1 and "different" not in said
    forged = (here / "done" / "front.csv").read_text()
    try:
        rows = forged.splitlines()
        cells = rows[1].split(",")
        cells[1] = "0.5"
        (here / "done" / "front.csv").write_text("\n".join([rows[0], ",".join(cells), *rows[2:]]) + "\n")
        assert call(monkeypatch, "verify", "done", "--designs", 99) == 1
        assert "different" in capsys.readouterr().out
    finally:
        (here / "done" / "front.csv").write_text(forged)


def test_export_tables(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "export", "done", "--format", "csv") == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["fidelity"] for row in rows} == {"lut", "test"} and all(0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert call(monkeypatch, "export", "done", "--format", "jsonl", "--out", "all.jsonl") == 0
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert len(lines) == len(rows) and all(line["state"] == "done" for line in lines)
    with (here / "done" / "front.csv").open(newline="") as file:
        front = list(csv.DictReader(file))
    named = {tuple(row[layer] for layer in LAYERS) for row in rows if row["fidelity"] == "test"}
    assert {tuple(row[layer] for layer in LAYERS) for row in front} <= named
    assert named == {tuple(line["layers"][layer] for layer in LAYERS) for line in lines if line["fidelity"] == "test"}


def test_export_a_design(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "export", "done", "--format", "assignment", "--design", 0) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["assignment"]) == {"conv1", "conv2", "conv3", "conv4", "conv5", "linear"}
    assert set(found["tables"]) == set(found["assignment"].values()) and found["compensation"] == []
    with (here / "done" / "front.csv").open(newline="") as file:
        ours = [row for row in csv.DictReader(file) if row["method"] == "nsga2"]
    for number, row in enumerate(ours):
        assert call(monkeypatch, "export", "done", "--format", "assignment", "--design", number) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["assignment"] == {layer: row[layer] for layer in LAYERS}
        assert found["rel_energy"] == float(row["rel_energy"])
    assert call(monkeypatch, "export", "done", "--format", "assignment", "--design", 999) == 2
    assert "has designs 0 to" in capsys.readouterr().err


def test_an_export_replaces_no_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "done" / STUDY).read_bytes()
    for kind in (["csv"], ["jsonl"], ["optuna"], ["assignment", "--design", 0]):
        for place in (f"done/{STUDY}", "tiny.toml"):
            assert call(monkeypatch, "export", "done", "--format", *kind, "--out", place) == 2
            assert "exists already; choose another file" in capsys.readouterr().err
    assert (here / "done" / STUDY).read_bytes() == before


def test_a_network_whose_code_has_changed_is_not_mixed_with_what_it_was(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import torch\nfrom torch import nn\n\nclass Net(nn.Sequential):\n    def forward(self, x):\n"
        "        return super().forward(x){}\n\ndef build():\n    torch.manual_seed(0)\n"
        "    return Net(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))\n"
    )
    (here / "net.py").write_text(code.format(""))
    own = ("--set", 'space.model={factory="net.py:build"}', "--set", "space.training={epochs=1}")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "net", *own, "--set", "search.evaluations=4") == 0
    (here / "net.py").write_text(code.format(".roll(3, 1)"))
    assert call(monkeypatch, "resume", "net", "--budget", 8) == 2
    assert "behaviour changed since the study was begun" in capsys.readouterr().err
    assert call(monkeypatch, "run", "tiny.toml", "--out", "new", *own, "--known", "net") == 0
    with StudyFile.open(here / "net" / STUDY) as old, StudyFile.open(here / "new" / STUDY) as new:
        assert not {e.finished for e in old.evaluations()} & {e.finished for e in new.evaluations()}


def test_noise_is_known_by_the_errors_that_it_stands_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rungs = ("--set", 'ladder.rungs=["noise-20"]', "--set", "ladder.designs=4")
    coarse = ("--set", "error_model.grade=global", "--set", "error_model.patches=2")
    assert call(monkeypatch, "run", "tiny.toml", "--out", "coarse", *rungs, *coarse) == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "fine", *rungs, "--known", "coarse") == 0
    assert call(monkeypatch, "run", "tiny.toml", "--out", "alone", *rungs, "--overwrite") == 0
    assert (here / "fine" / "ladder.csv").exists()
    figures = []
    for name in ("fine", "alone"):
        with StudyFile.open(here / name / STUDY) as study:
            figures.append({e.assignment: e.figures for e in study.evaluations("noise-20")})
    assert figures[0] == figures[1] and len(figures[0]) > 1
    with StudyFile.open(here / "coarse" / STUDY) as study:
        others = {e.assignment: e.figures for e in study.evaluations("noise-20")}
    assert any(others[design] != figures[0][design] for design in others.keys() & figures[0].keys())


def test_a_users_method_keeps_to_the_space_and_leaves_nothing_where_it_does_not(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "rude.py").write_text(
        "import numpy as np\n\nclass Rude:\n    def __init__(self, space, guidance, **_):\n        self.space = space\n"
        "    def tell(self, *_):\n        pass\n\nclass Dear(Rude):\n    def ask(self):\n"
        "        return np.zeros((1, len(self.space.layers)), dtype=np.int64)\n\nclass Writes(Rude):\n    def ask(self):\n"
        "        self.space.rel_energy[:] = 0.01\n\nclass Leaves(Rude):\n    def ask(self):\n        raise SystemExit(0)\n"
    )
    bound = ("--set", "space.constraints.max_rel_energy=0.5")
    for name, said in (("Dear", "does not permit"), ("Writes", "read-only"), ("Leaves", "SystemExit")):
        method = ("--set", f'search.methods=["rude.py:{name}"]')
        assert call(monkeypatch, "run", "tiny.toml", "--out", "rude", *method, *bound) == 2
        assert said in capsys.readouterr().err and not (here / "rude").exists()


def test_an_earlier_run_stays_where_the_new_one_is_a_mistake_from_the_start(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "done" / "front.csv").read_bytes()
    assert call(monkeypatch, "run", "tiny.toml", "--out", "done", "--overwrite", "--known", "nowhere") == 2
    assert "nowhere: no study there" in capsys.readouterr().err
    with StudyFile.open(here / "done" / STUDY) as study:
        study.claim(np.ones((1, len(LAYERS)), dtype=np.int64), "lut", "somebody")
        assert call(monkeypatch, "run", "tiny.toml", "--out", "done", "--overwrite") == 2
        assert "a living process is at work there" in capsys.readouterr().err
    assert (here / "done" / "front.csv").read_bytes() == before


def test_export_to_optuna(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    assert call(monkeypatch, "export", "done", "--format", "optuna", "--out", "optuna.db") == 0
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{here / 'optuna.db'}")
    with (here / "done" / "evaluations.csv").open(newline="") as file:
        rows = {tuple(list(row.values())[5:]): row for row in csv.DictReader(file)}
    found = {tuple(trial.params.values()): trial for trial in study.trials}
    assert rows.keys() <= found.keys()
    for design, row in rows.items():
        values = [float(row["rel_energy"]), float(row["search_accuracy"])]  # the latter from a loss and back
        assert found[design].values == pytest.approx(values, rel=1e-12)


def test_export_to_where_nothing_can_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna")
    assert call(monkeypatch, "export", "done", "--format", "optuna", "--out", here / "no" / "such" / "optuna.db") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_export_without_optuna(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert call(monkeypatch, "export", "done", "--format", "optuna", "--out", "other.db") == 2
    assert "pip install 'dse[optuna]'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "resume", "verify"])
def test_what_is_no_run(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, command, "nowhere") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_salvage(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = here / "damaged"
    damaged.mkdir()
    content = bytearray((here / "done" / STUDY).read_bytes())
    content[:100] = bytes(100)  # the header
    (damaged / STUDY).write_bytes(content)
    assert call(monkeypatch, "status", "damaged") == 2
    assert "dse doctor --salvage" in capsys.readouterr().err
    assert call(monkeypatch, "doctor", "--salvage", damaged / STUDY) == 0
    assert "evaluations kept, 0 known to be lost" in capsys.readouterr().out
    (damaged / f"{STUDY}.salvaged").replace(damaged / STUDY)
    assert call(monkeypatch, "resume", "damaged") == 0
    assert same_tables(damaged, here / "done")
