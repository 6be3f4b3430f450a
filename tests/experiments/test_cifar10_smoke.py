"""The scripts of the CIFAR-10 study from end to end, at smoke size: random images, an untrained network, few circuits."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dse
from dse.config import RetrainConfig
from dse.exceptions import InputError
from dse.nn.models import build_model, save_weights
from dse.run_folder import write_csv
from experiments.cifar10 import ablations, error_model, profile_seeds, profiles, series, study, tables, verify


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return what runs a script's `main` with some arguments, and returns the folder of its results."""
    rng = np.random.default_rng(0)
    images = {f"x_{part}": rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8) for part, n in (("train", 80), ("test", 10))}
    labels = {f"y_{part}": np.arange(n) % 10 for part, n in (("train", 80), ("test", 10))}
    np.savez(tmp_path / "data.npz", **images, **labels)
    save_weights(build_model("resnet8", in_shape=(3, 32, 32), n_classes=10), tmp_path / "resnet8.safetensors")
    monkeypatch.chdir(tmp_path)
    settings = {
        "space.dataset.path": tmp_path / "data.npz",
        "space.dataset.calibration_images": 8,
        "space.dataset.search_images": 8,
        "space.dataset.validation_images": 8,
        "space.multipliers.library": "builtin",
        "space.multipliers.include": '["etm*", "dadda_bam_h1*"]',
        "space.multipliers.variants.tuning": "[]",
        "compensation.images": 8,
        "robustness.steps": 2,
        "robustness.batch_size": 4,
        "search.evaluations": 6,
        "search.population": 3,
        "ladder.designs": 0,
    }

    def main(script: Callable[[], None], *arguments: str, out: bool = True, data: bool = True) -> Path:
        places = ("--out", "out") if out else ()
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")] if data else ()
        given = ("--weights", str(tmp_path)) if out and data else ()
        monkeypatch.setattr(sys, "argv", ["script", *given, *places, *arguments, *options])
        script()
        return tmp_path / "out"

    return main


def test_error_model(run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    few = ("--networks", "resnet8", "resnet14", "--formats", "sm8", "--patches", "8", "16", "--images", "4")
    out = run(error_model.main, *few)
    text = (out / "README.md").read_text()
    assert "direct, 16 patches: kept in" in text and "are not there: resnet14" in text
    assert (out / "predicted.png").exists() and len((out / "resnet8-sm8.csv").read_text().splitlines()) > 8
    monkeypatch.setattr(error_model, "measure", None)  # nothing is measured again
    run(error_model.main, *few)
    assert (out / "README.md").read_text() == text


def test_profiles(run: Callable[..., Path]) -> None:
    out = run(profiles.main, "--steps", "1", "2", "--starts", "0.1", "0.3", "--seeds", "0") / "resnet8"
    text = (out / "README.md").read_text()
    assert "| agn | fisher |" in text and "\n| 2 | " in text
    assert {path.name for path in out.glob("*.csv")} == {
        "convergence.csv", "profiles.csv", "ranks.csv", "sigma.csv", "trajectories.csv"
    }  # fmt: skip
    assert len((out / "sigma.csv").read_text().splitlines()) == 1 + 2 * 2
    assert (out / "trajectories.png").exists() and (out / "profiles.png").exists()


def test_profile_seeds(run: Callable[..., Path], tmp_path: Path) -> None:
    out = run(profile_seeds.main, "--seeds", "2") / "resnet8"
    text = (out / "README.md").read_text()
    for guide in ("agn", "fisher", "sweep", "flat", "nsga2-unseeded"):
        assert f"| `{guide}` | " in text
    assert len((out / "hypervolume.csv").read_text().splitlines()) == 1 + 5 * 2
    assert (out / "hypervolume.png").exists() and (tmp_path / "runs" / "profile-seeds-resnet8" / "study.sqlite").exists()


def test_study_and_its_tables(
    run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One seed of two arms on random images, with retraining; the page says what the CSV files say, and needs no runs."""
    retrain = {"designs": "[99]", "methods": '["nsga2"]', "uniform": '["exact"]', "epochs": 1, "batch_size": 8}
    options = [word for key, value in retrain.items() for word in ("--set", f"retrain.{key}={value}")]
    monkeypatch.setattr(study, "BASELINES", tmp_path)
    run(study.main, "--networks", "resnet8", "--arms", "approximate", "alwann-u8", "--seeds", "0", *options, out=False)
    run(tables.main, "--runs", "runs/cifar10", data=False)
    text = (tmp_path / "out" / "README.md").read_text()
    assert "## resnet8" in text and "| ours, approximate circuits |" in text
    assert "| ALWANN-style search, own format |" in text
    assert "With retraining" in text and "the exact network itself gains" in text
    rows = series.rows_of(tmp_path / "out" / "designs.csv")
    assert {row["arm"] for row in rows} == {"approximate", "alwann-u8"} and (tmp_path / "out" / "resnet8.png").exists()
    for arm, design in (("approximate", "nsga2-0"), ("alwann-u8", "alwann-2"), ("alwann-u8", "uniform-exact")):
        folder = tmp_path / "runs" / "cifar10" / f"resnet8-{arm}-seed0" / "retrained"
        assert (tmp_path / "out" / "retrained" / "resnet8" / f"{arm}-seed0" / f"{design}.safetensors.xz").is_file()
        start, log = (series.rows_of(folder / name / "log.csv") for name in ("uniform-exact", design))
        epochs = [
            row for row in series.rows_of(tmp_path / "out" / "epochs.csv") if (row["arm"], row["design"]) == (arm, design)
        ]
        assert len(epochs) == len(log) == 2
        for found, epoch in zip(epochs, log, strict=True):
            rise, lost = (
                sign * (float(epoch[name]) - float(start[0][name]))
                for sign, name in ((1, "validation_loss"), (-100, "validation_accuracy"))
            )
            assert (float(found["cross_entropy"]), float(found["loss_pp"])) == pytest.approx((rise, lost))
    (stray := tmp_path / "out" / "retrained" / "resnet8" / "widths" / "nsga2-5.safetensors").parent.mkdir()
    stray.touch()
    run(tables.main, "--runs", "runs/cifar10", data=False)
    assert not stray.exists() and len(list((tmp_path / "out" / "retrained").rglob("*.safetensors.xz"))) == 4
    shutil.rmtree(tmp_path / "runs")
    run(tables.main, "--page-only", data=False)
    assert (tmp_path / "out" / "README.md").read_text() == text
    monkeypatch.setattr("study.BASELINES", tmp_path)  # the module as the script beside it imports it
    published = ("--results", "out", "--networks", "resnet8", "--designs", "2")
    with pytest.raises(SystemExit) as stop:
        run(verify.main, *published, out=False)
    said = capsys.readouterr().out.splitlines()
    assert stop.value.code == 0 and said[0].endswith("is what the files beside it say")
    assert all(line.endswith("as published") for line in said[1:])
    assert {line.split(" seed")[0] for line in said[1:]} == {"resnet8 approximate", "resnet8 alwann-u8"}
    retrained = series.rows_of(tmp_path / "out" / "retrained.csv")
    assert sum(any(f" {row['design']}: " in line for row in retrained) for line in said) == len(retrained) == 4
    stray = next((tmp_path / "out" / "retrained").rglob("*.xz")).with_name("nsga2-99.safetensors.xz")
    stray.write_bytes(b"of a design that is retrained no more")
    with pytest.raises(SystemExit) as stop:
        run(verify.main, *published, out=False)
    assert stop.value.code == 1 and "nsga2-99.safetensors.xz: belongs to no row" in capsys.readouterr().out
    rows = series.rows_of(tmp_path / "out" / "designs.csv")
    write_csv(tmp_path / "out" / "designs.csv", list(rows[0]), [{**row, "test_loss_pp": "50"}.values() for row in rows])
    with pytest.raises(SystemExit) as stop:
        run(verify.main, *published, out=False)
    assert stop.value.code == 1 and "pp: DIFFERENT" in capsys.readouterr().out
    write_csv(tmp_path / "out" / "designs.csv", list(rows[0]), [{**row, "assignment": "mine"}.values() for row in rows])
    with pytest.raises(InputError, match="the library has no mine"):
        run(verify.main, *published, out=False)


def test_ablations(run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "BASELINES", tmp_path)
    options = ("--set", "retrain={designs=[], epochs=1, batch_size=8}", "--seeds", "0", "--arms", "approximate")
    run(study.main, "--networks", "resnet8", *options, out=False)
    out = run(ablations.main, "runs/cifar10/resnet8-approximate-seed0", "--levels", "99", data=False) / "resnet8"
    text = (out / "README.md").read_text()
    for name in ("none", "bias", "moments", "affine + moments + batch-norm", *ablations.ways(RetrainConfig(epochs=1))):
        assert f"\n| {name} | " in text
    assert "bias + affine" not in text
    rows = series.rows_of(out / "compensation.csv")
    assert [row["way"] for row in rows] == ["none", *(" + ".join(m) for m in ablations.sets_of_methods() if m)]


def test_every_run_of_the_study_is_a_configuration() -> None:
    found = [
        dse.load_config(study.HERE / "study.toml", overrides=network.overrides(arm, seed, ["retrain.epochs=9"]), seed=seed)
        for network in study.NETWORKS.values()
        for arm in study.ARMS
        for seed in (0, 1)
    ]
    for config in found:
        assert config.retrain is not None and set(config.retrain.methods) <= set(config.search.methods)
        assert config.retrain.epochs == 9 and config.space_seed == 0
    assert {config.search.evaluations for config in found} == {100, 150, 200, 1000}
    libraries = {(config.space.multipliers.library, tuple(config.space.multipliers.also)) for config in found}
    assert len(libraries) == 3  # approximate circuits, reduced widths, both


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        (error_model, ("--networks", "resnet8", "--images", "5"), "--images: expected an even number from 2 to 8"),
        (profile_seeds, ("--seeds", "0"), "expected --seeds of at least 1"),
    ],
)
def test_mistakes(run: Callable[..., Path], script: Any, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(script.main, *arguments)
