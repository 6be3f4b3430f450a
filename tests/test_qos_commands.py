"""`dse qos` on one small run: what is chosen holds, what is written can be served, and mistakes leave nothing."""

from __future__ import annotations

import json
import re
import shutil
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dse
from dse.evaluator import Evaluator, Job
from dse.exceptions import InputError
from dse.executors import SerialExecutor
from dse.inputs import load_inputs
from dse.nn.training import right_answers
from dse.objectives import Figures
from dse.operating_points import PointsRequest, choose_run, open_points, point_accuracies, read_points, write_handover
from dse.operating_points._choice_run import SearchFigures
from dse.preparation import prepare
from dse.progress import ProgressDisplay
from dse.status import open_study
from dse.store import StudyFile
from dse.stored import StoredFigures
from dse.types import Floats, Population
from tests.finished_run import change_network, enter, finish
from tests.operating_points import small
from tests.test_main import call

QUICK = ("--instances", 2, "--points", 2, "--evaluations", 12)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished run, `done`, one of another network, `changed`, and operating points, `points`."""
    folder = tmp_path_factory.mktemp("qos")
    with pytest.MonkeyPatch.context() as patch:
        finish(folder, patch)
        assert call(patch, "qos", "choose", "done", *QUICK, "--out", "points") == 0
    change_network(folder)
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(home, monkeypatch)
    return home


def files(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if not name.startswith("cache") and ".sqlite" not in name}


def test_points_are_what_the_network_does(here: Path) -> None:
    """Energies and losses, from the network up."""
    stored = read_points(here / "points")
    assert len(stored.assignments) == 2 and len(stored.instances) <= 2
    assert {name for row in stored.assignments for name in row} == set(stored.instances)
    prepared = prepare(load_inputs(dse.load_config("tiny.toml")), ProgressDisplay.silent())
    names = prepared.space.multipliers
    designs = np.array([[names.index(name) for name in row] for row in stored.assignments])
    assert stored.points.rel_energy == pytest.approx(prepared.space.energy(designs))
    evaluate = prepared.factory()
    with_exact = np.vstack([np.zeros_like(designs[:1]), designs])
    for part, fidelity in (("search", "lut"), ("test", "test")):
        accuracy = np.array([figures["accuracy"] for figures in evaluate(Job(with_exact, fidelity))])
        assert stored.points.loss_pp[part] == pytest.approx(100 * (accuracy[0] - accuracy[1:]))
        assert stored.facts["exact_accuracy"][part] == pytest.approx(accuracy[0])
    assert stored.points.right.shape == (2, 360) and stored.exact.mean() == stored.facts["exact_accuracy"]["test"]
    assert (np.diff(stored.points.rel_energy) <= 0).all() and (np.diff(stored.points.loss_pp["expected"]) >= 0).all()
    assert set(stored.facts["hashes"]["tables"]) == set(stored.instances)
    assert stored.facts["evaluations"] <= 12 and stored.facts["request"]["instances"] == 2


def test_what_is_expected_of_a_point_follows_from_its_divergence(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def figures(search: SearchFigures, population: Population) -> Floats:
        cheapness = population.sum(axis=1)
        return np.column_stack([0.02 * cheapness, 1e-4 * cheapness])

    monkeypatch.setattr(SearchFigures, "__call__", figures)
    assert call(monkeypatch, "qos", "choose", "done", *QUICK, "--out", "told") == 0
    stored = read_points(here / "told")
    names = prepare(load_inputs(dse.load_config("tiny.toml")), ProgressDisplay.silent()).space.multipliers
    cheapness = np.array([[names.index(name) for name in row] for row in stored.assignments]).sum(axis=1)
    assert stored.points.loss_pp["expected"] == pytest.approx(0.02 * cheapness) and cheapness[-1] > 0


@pytest.mark.parametrize("method", ["ours", "published"])
def test_the_same_command_chooses_the_same_points(here: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    command = ("qos", "choose", "done", *QUICK, "--method", method, "--energy-budgets", "0.99,0.6", "--out", f"of-{method}")
    assert call(monkeypatch, *command) == 0
    before = files(here / f"of-{method}")
    assert call(monkeypatch, *command) == 2
    assert call(monkeypatch, *command, "--overwrite") == 0 and files(here / f"of-{method}") == before
    assert (read_points(here / f"of-{method}").points.rel_energy <= [0.99, 0.6]).all()


def test_a_trace_is_served(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "qos", "simulate", "points", "--trace", "battery", "--requests", 90, "--out", "served") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].startswith("governor ") and out[-2].startswith("exact network ") and "governor.png" in out[-1]
    assert json.loads((here / "served" / "governor.json").read_text())["served"][0]["requests"] == 90


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["choose", "nowhere"], "nowhere: no such folder"),
        (["choose", "changed"], "changed: model changed since the run"),
        (["choose", "done", "--instances", 99], "instances: expected at most"),
        (["choose", "done", "--points", 0], "points: expected at least 1, got 0"),
        (["choose", "done", "--points", 3, "--loss-budgets", "1,2"], "loss budgets: expected 3 numbers, one for each"),
        (["choose", "done", "--loss-budgets", "1,2", "--evaluations", 1], "evaluations: expected at least 2, got 1"),
        (["choose", "done", "--loss-budgets", "3,2,1"], "loss budgets: expected rising numbers"),
        (["choose", "done", "--loss-budgets", "1,2,3", "--energy-budgets", "3,2,1"], "leave one of them out"),
        (["choose", "done", "--energy-budgets", "1,0.5,0.0001"], "energy budgets: point 2 has 0.0001, expected at least"),
        (["choose", "done", "--energy-budgets", "a,b"], "--energy-budgets: expected numbers separated by commas, got 'a,b'"),
        (["choose", "done", "--seed", 5000000000], "seed: expected at most 4294967295, got 5000000000"),
        (["choose", "done", "--evaluations", 2], "evaluations: expected at least 3, got 2"),
        (["choose", "done", "--method", "theirs"], "--method"),
        (["choose", "done", "--instances", 2, "--evaluations", 9, "--out", "tiny.toml/below"], "cannot be written"),
        (["bundle", "nowhere"], "nowhere/points.json: no such file"),
        (["bundle", "points", "--run", "changed"], "points.json: key 'hashes.model': not that of changed"),
        (["bundle", "points", "--images", 0], "images: expected at least 1, got 0"),
        (["bundle", "points", "--images", 361], "images: expected at most 360, the test images, got 361"),
        (["simulate", "done"], "done/points.json: no such file; expected a folder that `dse qos choose` has written"),
        (["simulate", "points", "--requests", 0], "requests: expected at least 1 and at most 1000000, got 0"),
        (["simulate", "points", "--low", 2, "--high", 1], "low and high: expected budgets 0 <= low <= high"),
        (["simulate", "points", "--dwell", 0], "dwell: expected at least 1"),
        (["simulate", "points", "--margin", 1], "margin: expected a share"),
        (["simulate", "points", "--trace", "battery", "--capacity", -1], "capacity: expected a number above 0"),
        (["simulate", "points", "--trace", "battery", "--capacity", 0], "capacity: expected a number above 0"),
        (["simulate", "points", "--trace", "steps", "--capacity", "nan"], "capacity: plays no part in the trace 'steps'"),
        (["simulate", "points", "--trace", "battery", "--low", 0.1], "low: plays no part in the trace 'battery'"),
        (["simulate", "points", "--low", 1e308, "--high", 1.7e308], "low and high: expected budgets"),
        (["simulate", "points", "--requests", 10**14], "at most 1000000, got 100000000000000"),
        (["simulate", "points", "--seed", -1], "seed: expected 0..4294967295"),
    ],
)
def test_mistakes_end_with_code_2_and_leave_nothing(
    arguments: list[object],
    message: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files(here)
    out = () if "--out" in arguments else ("--out", "never")
    assert call(monkeypatch, "qos", *arguments, *out) == 2
    printed, err = capsys.readouterr()
    assert message in err.splitlines()[-1] and printed == "" and files(here) == before


def test_points_become_a_bundle(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "qos", "bundle", "points", "--images", 1, "--out", "bundle") == 0
    assert call(monkeypatch, "qos", "check", "bundle") == 0
    assert "accumulators of 1 images in 6 layers at point 0, point 1" in capsys.readouterr().out
    assert call(monkeypatch, "qos", "bundle", "points", "--run", "done", "--out", "bundle", "--overwrite") == 0
    (here / "bundle" / "notes.txt").touch()
    assert call(monkeypatch, "qos", "bundle", "points", "--out", "bundle", "--overwrite") == 2
    assert "holds 'notes.txt' beside hand-over bundle" in capsys.readouterr().err.splitlines()[-1]


def test_an_opened_model_answers_as_its_points_did(here: Path) -> None:
    opened = open_points("points", "done")
    test = opened.prepared.workload.parts.test
    for point, right in enumerate(opened.stored.points.right):
        with opened.model.at(point):
            assert np.array_equal(right_answers(opened.model, test), right)
    assert [point.name for point in opened.model.points] == ["point 0", "point 1"]


def test_the_example_of_the_documentation(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).resolve().parents[1] / "docs" / "operating_points.md").read_text(encoding="utf-8")
    for name, there in (("my-points", "own"), ("points", "points"), ("tuned", "tuned"), ("mine", "done")):
        text = text.replace(f"runs/{name}", there)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(blocks[0], "operating_points.md", "exec"), namespace)
    assert "% more parameters" in capsys.readouterr().out and namespace["tuned"].operating_point == 1
    tuned, loaded = namespace["tuned"], namespace["opened"].model
    assert point_accuracies(loaded, namespace["parts"].test) == point_accuracies(tuned, namespace["parts"].test)
    namespace = {"network": None, "dataset": None}  # those that the run names
    quick = blocks[1].replace("points=3", "points=2, evaluations=12")
    exec(compile(quick, "operating_points.md", "exec"), namespace)
    assert len(namespace["opened"].model.points) == 2 and len(blocks) == 2


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (("hashes", "model"), "key 'hashes.model': not that of .*done .other SHA-256.; name the run"),
        (("hashes", "tables", "dadda_trunc?u"), "key 'hashes.tables.dadda_trunc[0-9]u': not that of"),
        (("run_folder",), "key 'run_folder': no folder .*; say where that run is"),
    ],
)
def test_points_of_another_run_are_not_opened(here: Path, tmp_path: Path, keys: tuple[str, ...], message: str) -> None:
    shutil.copytree(here / "points", tmp_path / "points")
    path = tmp_path / "points" / "points.json"
    data = json.loads(path.read_text())
    data["run_folder"] = str(here / "done")
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    (last,) = [name for name in inner if fnmatch(name, keys[-1])][:1]
    inner[last] = "another"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message):
        open_points(tmp_path / "points")


def test_layers_in_another_order_are_not_those_of_the_run(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here / "points", tmp_path / "points")
    path = tmp_path / "points" / "points.json"
    data = json.loads(path.read_text())
    data["layers"].reverse()
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="points.json: key 'layers': not those of .*done; name the run"):
        open_points(tmp_path / "points", here / "done")


def test_designs_that_fail_are_told_apart() -> None:
    def evaluate(job: Job) -> list[dict[str, float]]:
        if (job.designs == 3).any():
            raise ArithmeticError("not finite")
        return [{"accuracy": 1 - design.sum() / 10, "kl": float(design.max())} for design in job.designs]

    with StudyFile.create(":memory:", {}, {}) as study:
        stored = StoredFigures(study, SerialExecutor(lambda: evaluate), fidelity="lut", evaluator="toy")
        figures = SearchFigures(stored, ProgressDisplay.silent(), 4)
        designs: Population = np.array([[0, 1], [3, 0], [2, 2]])
        assert figures(designs) == pytest.approx(np.array([[10, 1], [np.nan, np.nan], [40, 2]]), nan_ok=True)
        assert figures(designs[:0]).shape == (0, 2)


@pytest.mark.parametrize("method", ["ours", "published"])
def test_an_interrupted_choice_goes_on(here: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    request = PointsRequest(instances=2, points=2, evaluations=60, seed=1)
    simulated: list[int] = []
    evaluate = Evaluator.__call__

    def interrupted(evaluator: Evaluator, job: Job) -> list[Figures]:
        if job.fidelity == "lut":
            if sum(simulated) >= stop:
                raise KeyboardInterrupt
            simulated.append(len(job.designs))
        return evaluate(evaluator, job)

    monkeypatch.setattr(Evaluator, "__call__", interrupted)
    for name in ("whole", "parts"):
        shutil.copytree("done", f"{method}-{name}")
    stop = 10**9
    choose_run(f"{method}-whole", request, f"{method}-of-whole", method=method)  # type: ignore[arg-type]
    needed = sum(simulated)  # of which the run knows the others
    simulated.clear()
    stop = 1  # goes beyond it within a batch
    with pytest.raises(KeyboardInterrupt):
        choose_run(f"{method}-parts", request, f"{method}-of-parts", method=method)  # type: ignore[arg-type]
    assert 0 < sum(simulated) < needed and not Path(f"{method}-of-parts").exists()
    stop = 10**9
    choose_run(f"{method}-parts", request, f"{method}-of-parts", method=method)  # type: ignore[arg-type]
    assert sum(simulated) == needed
    whole, parts = (files(here / f"{method}-of-{name}") for name in ("whole", "parts"))
    assert parts.pop("points.json") == whole.pop("points.json").replace(b"whole", b"parts") and parts == whole


def test_two_processes_choose_the_same_points(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("--instances", 2, "--points", 2, "--evaluations", 20, "--seed", 2)
    for name, more in (("one", ()), ("two", ("--jobs", 2))):
        shutil.copytree("done", name)
        assert call(monkeypatch, "qos", "choose", name, *command, *more, "--out", f"of-{name}") == 0
    with open_study(Path("two")) as study:
        workers = {e.worker for e in study.evaluations("lut")}
    assert len(workers) > 1, "nothing was simulated beside the run's own process"
    one, two = (files(here / f"of-{name}") for name in ("one", "two"))
    assert two.pop("points.json") == one.pop("points.json").replace(b"/one", b"/two") and two == one


def test_a_bundle_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_handover(tmp_path / "bundle", small.made(methods=()), small.images(1))
    assert call(monkeypatch, "qos", "check", tmp_path / "bundle") == 0
    assert "accumulators of 1 images in 4 layers at best, middle, eco" in capsys.readouterr().out
    (tmp_path / "bundle" / "handover.npz").write_bytes(b"")
    assert call(monkeypatch, "qos", "check", tmp_path / "bundle") == 2
    out, err = capsys.readouterr()
    assert out == "" and "handover.npz" in err.splitlines()[-1]
