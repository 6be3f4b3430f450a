"""`dse retrain` and the last stage of a run, on one small run: figures, files, mistakes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

import dse
from dse.nn.models import build_model, save_weights
from dse.retrain import retrain_run
from tests.finished_run import change_network, enter, finish
from tests.test_main import call

QUICK = ("--epochs", 1, "--set", "batch_size=32", "--set", "lr=0.02")
TABLES = ("front.csv", "evaluations.csv", "uniform.csv", "config.toml")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished run, `done`, one of another network, `changed`, and weights of no run."""
    folder = tmp_path_factory.mktemp("retrain")
    with pytest.MonkeyPatch.context() as patch:
        finish(folder, patch)
    change_network(folder)
    save_weights(build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10, seed=0), folder / "foreign.safetensors")
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    enter(home, monkeypatch)
    return home


def front(folder: Path) -> list[dict[str, str]]:
    """Return the rows of our search's front."""
    with (folder / "front.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["method"] == "nsga2"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_design_of_the_front(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "retrain", "done", "--design", 0, *QUICK) == 0
    said = capsys.readouterr().out
    folder = here / "done" / "retrained" / "nsga2-0"
    assert f"wrote    {folder}" in said and "gain     " in said
    result = json.loads((folder / "result.json").read_text())
    row, metrics = front(here / "done")[0], json.loads((here / "done" / "metrics.json").read_text())
    assert result["accuracy"]["before"] == float(row["accuracy"]) and result["rel_energy"] == float(row["rel_energy"])
    assert result["accuracy"]["exact"] == metrics["baselines"]["quantised_accuracy"]
    assert result["accuracy"]["float"] == metrics["baselines"]["float_accuracy"]
    assert result["loss_before"]["pp"] == pytest.approx(float(row["accuracy_loss_pp"]))
    assert result["assignment"] == {layer: row[layer] for layer in result["assignment"]}
    assert result["images"] == {"train": 180, "validation": 20, "test": 360}
    assert result["settings"]["epochs"] == 1 and result["settings"]["lr"] == 0.02 and result["seed"] == 0
    assert result["accuracy"]["after"] - result["accuracy"]["before"] == pytest.approx(result["gain"]["pp"] / 100)
    log = (folder / "log.csv").read_text().splitlines()
    assert log[0].startswith("epoch,loss,validation_accuracy") and [line.split(",")[0] for line in log[1:]] == ["0", "1"]
    assert sorted(path.name for path in folder.iterdir()) == [
        *("log.csv", "result.json", "right.json", "weights.safetensors")
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["nsga2-0"]


def test_a_retraining_is_kept_unless_told_and_is_not_done_twice(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ("retrain", "done", "--uniform", "exact", *QUICK)
    assert call(monkeypatch, *again) == 0
    folder = here / "done" / "retrained" / "uniform-exact"
    before = files(folder)
    assert json.loads(before["result.json"])["loss_before"] == {"pp": 0.0, "se_pp": 0.0}
    assert call(monkeypatch, *again) == 2
    assert "--overwrite (overwrite=True) replaces it" in capsys.readouterr().err and files(folder) == before
    kept = sorted(path.name for path in (here / "cache").iterdir())
    assert call(monkeypatch, *again, "--overwrite") == 0
    assert sorted(path.name for path in (here / "cache").iterdir()) == kept
    assert {name: files(folder)[name] for name in ("weights.safetensors", "log.csv")} == {
        name: before[name] for name in ("weights.safetensors", "log.csv")  # seconds and all: read, not trained
    }


def test_retrained_designs_are_in_the_report_and_verified(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(here / "done", here / "shown")
    for chosen in (("--design", 0), ("--uniform", "exact")):
        assert call(monkeypatch, "retrain", "shown", *chosen, *QUICK, "--overwrite") == 0
    assert call(monkeypatch, "report", "shown") == 0
    report = (here / "shown" / "report.md").read_text()
    assert "| uniform-exact | 0.0 |" in report and "| nsga2-0 |" in report and "A dash in" not in report
    result = json.loads((here / "shown" / "retrained" / "nsga2-0" / "result.json").read_text())
    assert f"{result['loss_after']['pp']:.2f} ± {result['loss_after']['se_pp']:.2f}" in report
    capsys.readouterr()
    assert call(monkeypatch, "verify", "shown", "--designs", 1) == 0
    said = capsys.readouterr().out
    assert said.count("identical         retrained ") == 2 and "3 of 3 identical" in said
    result["accuracy"]["after"] += 0.01
    (here / "shown" / "retrained" / "nsga2-0" / "result.json").write_text(json.dumps(result))
    (here / "shown" / "retrained" / "foreign").mkdir()
    assert call(monkeypatch, "verify", "shown", "--designs", 1) == 1
    said = capsys.readouterr().out
    assert "different         retrained nsga2-0" in said and "accuracy.after: " in said
    assert "different         retrained foreign: test accuracy nan and nan" in said and "result.json: no such file" in said
    assert call(monkeypatch, "verify", "shown", "--designs", 1, "--retrained", 0) == 0
    assert "1 of 1 identical" in capsys.readouterr().out


def test_weights_of_a_retraining_can_be_begun_with(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = here / "done" / "retrained" / "nsga2-0" / "weights.safetensors"
    if not start.is_file():
        assert call(monkeypatch, "retrain", "done", "--design", 0, *QUICK) == 0
    made, folder = retrain_run(
        here / "done", design=0, overrides=["epochs=1", "forward='noise'"], start=start, out=here / "further"
    )
    first = json.loads((start.parent / "result.json").read_text())
    assert made.accuracy["before"] == first["accuracy"]["after"] and folder == here / "further"
    assert made.facts["hashes"]["start"] == first["hashes"]["weights"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--design", 0], "nowhere: no such folder"),
        (["done", "--design", 99], "--design 99: the front has designs 0 to"),
        (["done", "--design", -1], "--design"),
        (["done", "--design", 0, "--method", "greedy"], "--method greedy: this run has nsga2, alwann, random"),
        (["done"], "expected one of --design NUMBER and --uniform MULTIPLIER"),
        (["done", "--design", 0, "--uniform", "exact"], "expected one of --design"),
        (["done", "--uniform", "dadda_trunc9"], "--uniform: unknown multiplier 'dadda_trunc9'; did you mean"),
        (["done", "--design", 0, "--epochs", 0], "--epochs"),
        (["done", "--design", 0, "--set", "epochs=0"], "retrain.epochs"),
        (["done", "--design", 0, "--set", "epoch=1"], "did you mean 'epochs'"),
        (["done", "--design", 0, "--set", "device=tpu"], "retrain.device"),
        (["done", "--design", 0, "--set", "device=cuda:99"], "retrain.device: 'cuda:99' cannot be used, PyTorch finds"),
        (["done", "--design", 0, "--set", "validation_images=200"], "fewer than the 200 training images"),
        (["done", "--design", 0, "--set", "lr=1e30", "--set", "epochs=1"], "retrain.lr: the loss became"),
        (["done", "--design", 0, "--weights", "foreign.safetensors"], "is this file of another model?"),
        (["done", "--design", 0, "--weights", "missing.safetensors"], "missing.safetensors: no such file"),
        (["done", "--design", 0, "--out", "tiny.toml"], "tiny.toml: exists and holds no retrained design"),
        (["changed", "--design", 0], "changed: model changed since the run"),
    ],
)
def test_mistakes_end_with_code_2_and_leave_nothing(
    arguments: list[object],
    message: str,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = {name: content for name, content in files(here).items() if not name.startswith("cache")}
    assert call(monkeypatch, "retrain", *arguments, "--overwrite") == 2
    out, err = capsys.readouterr()
    assert message in err.splitlines()[-1] and out == ""
    assert {name: content for name, content in files(here).items() if not name.startswith("cache")} == before


def test_the_last_stage_of_a_run_changes_nothing_before_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not (here / "done" / "retrained.csv").exists() and "retrain" not in (here / "done" / "config.toml").read_text()
    table = "retrain={designs = [100.0, 100, -0.0], uniform = ['best', 'exact', 'exact'], epochs = 1, lr = 0.02}"
    less = ("--set", "ladder.designs=0", "--set", "robustness.compare=[]")  # what comes after the searches, or beside them
    assert call(monkeypatch, "run", "tiny.toml", "--out", "staged", "--set", table, *less) == 0
    for name in TABLES[:3]:
        assert (here / "staged" / name).read_bytes() == (here / "done" / name).read_bytes()
    with (here / "staged" / "retrained.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["design"] for row in rows]
    designs = front(here / "staged")
    cheapest = min(range(len(designs)), key=lambda i: float(designs[i]["rel_energy"]))
    with (here / "staged" / "uniform.csv").open(newline="") as file:
        uniform = min(csv.DictReader(file), key=lambda row: float(row["rel_energy"]))["multiplier"]
    assert names[0] == f"nsga2-{cheapest}" and names[-2:] == [f"uniform-{uniform}", "uniform-exact"]
    assert len(set(names)) == len(names)
    assert sorted(path.name for path in (here / "staged" / "retrained").iterdir()) == sorted(names)
    assert float(rows[0]["accuracy_before"]) == float(designs[cheapest]["accuracy"])
    assert "## Retraining" in (here / "staged" / "report.md").read_text()
    before = files(here / "staged" / "retrained")
    assert call(monkeypatch, "resume", "staged") == 0
    assert {name: content for name, content in files(here / "staged" / "retrained").items() if "result" not in name} == {
        name: content for name, content in before.items() if "result" not in name
    }
    capsys.readouterr()
    for wrong, message in (("{methods = ['greedy']}", "retrain.methods"), ("{uniform = ['m']}", "retrain.uniform")):
        assert call(monkeypatch, "run", "tiny.toml", "--out", "never", "--set", f"retrain={wrong}") == 2
        assert message in capsys.readouterr().err and not (here / "never").exists()


def test_from_python_without_a_folder(here: Path) -> None:
    overrides = ["retrain={epochs = 1, validation_images = 30}", "search.methods=['nsga2']"]
    config = dse.load_config("tiny.toml", overrides=overrides)
    outcome = dse.run(config)
    (made,) = outcome.retrained
    assert made.facts["images"]["validation"] == 30 and made.name.startswith("nsga2-")
    position = list(outcome.fronts["nsga2"].rel_energy).index(made.rel_energy)
    assert made.accuracy["before"] == outcome.fronts["nsga2"].accuracy[position]
