"""Runs with validation images: what is scored on them, what they choose, and that runs without them stay as they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dse
from dse.comparison import compare_runs
from dse.evaluator import Evaluator, Job
from dse.exceptions import InputError
from dse.exports import design
from dse.inputs import load_inputs
from dse.nn.datasets import Part, load_dataset
from dse.nn.models import build_model
from dse.objectives import Figures, FigureSums
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.retrain import retrain_run
from dse.store import StudyFile
from dse.types import Floats
from dse.verification import verify

LEVELS = [2.0, 5.0]
TABLES = ("front.csv", "uniform.csv", "evaluations.csv", "savings.csv", "retrained.csv")


def config(validation: int | None = 50, **tables: Any) -> dse.RunConfig:
    images = {"train_images": 200, "calibration_images": 32, "search_images": 60, "validation_images": validation}
    return dse.parse_config(
        {
            "space": {
                "model": {"name": "digits-cnn"},
                "dataset": {"name": "digits", **{name: n for name, n in images.items() if n is not None}},
                "training": {"epochs": 2},
                "multipliers": {"include": ["dadda_trunc?u"]},
            },
            "robustness": {"steps": 5, "compare": []},
            "error_model": {"patches": 32, "truth_images": 16},
            "search": {"methods": ["nsga2", "random"], "evaluations": 12, "population": 4},
            "ladder": {"designs": 0},
            **tables,
        }
    )


def retraining() -> dse.RunConfig:
    return config(retrain={"designs": LEVELS, "epochs": 1, "batch_size": 32})


@pytest.fixture(scope="module", autouse=True)
def _undrawn() -> Iterator[None]:
    """Save no figures: they take most of a small run's time, and none shows validation images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dse.report._report.save", lambda figure, folder, name: folder / f"{name}.png")
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dse.Outcome]]:
    """Return the folder and outcome of a run with validation images and a last stage of retraining."""
    home = tmp_path_factory.mktemp("validated")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSE_CACHE", str(home / "cache"))
        yield home / "run", dse.run(retraining(), out=home / "run")


@pytest.fixture(scope="module")
def prepared(finished: tuple[Path, dse.Outcome]) -> Prepared:
    return prepare(load_inputs(retraining()), ProgressDisplay.silent())


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def right(network: nn.Module, part: Part) -> Floats:
    with torch.no_grad():
        said = network(part.x).argmax(dim=1).tolist()
    return np.array([a == b for a, b in zip(said, part.y.tolist(), strict=True)], dtype=float)


def test_the_tables_hold_what_networks_say_image_by_image(
    finished: tuple[Path, dse.Outcome], prepared: Prepared
) -> None:
    folder, outcome = finished
    parts, space = prepared.workload.parts, prepared.space
    assert parts.validation is not None and len(parts.validation) == 50
    exact = prepared.factory.network(np.zeros(len(space.layers), dtype=np.int64))
    reference = {name: right(exact, part) for name, part in parts.by_name.items() if name in ("validation", "test")}
    designs = [([row[layer] for layer in space.layers], row) for row in rows(folder / "front.csv")]
    designs += [([row["multiplier"]] * len(space.layers), row) for row in rows(folder / "uniform.csv")]
    for names, row in designs[:: len(designs) // 6]:
        network = prepared.factory.network(np.array([space.multipliers.index(name) for name in names]))
        lost = {name: reference[name] - right(network, parts.by_name[name]) for name in reference}
        assert float(row["validation_loss_pp"]) == pytest.approx(100 * lost["validation"].mean(), abs=1e-9)
        assert float(row["accuracy_loss_pp"]) == pytest.approx(100 * lost["test"].mean(), abs=1e-9)
        assert float(row["accuracy_loss_se_pp"]) == pytest.approx(100 * lost["test"].std() / 360**0.5, abs=1e-9)
    assert outcome.metrics["images"] == {"train": 200, "calibration": 32, "search": 60, "validation": 50, "test": 360}
    assert outcome.metrics["baselines"]["quantised_validation_accuracy"] == reference["validation"].mean()
    assert outcome.manifest["hashes"]["data"] == parts.content_hash


def test_validation_figures_have_a_fidelity_and_an_evaluator_of_their_own(
    finished: tuple[Path, dse.Outcome], prepared: Prepared
) -> None:
    folder, outcome = finished
    with StudyFile.open(folder / "study.sqlite") as study:
        designs = {name: {e.assignment for e in study.evaluations(name)} for name in ("test", "validation")}
        evaluators = {e.fidelity: e.evaluator for e in study.evaluations()}
    reported = [*outcome.fronts.values(), outcome.uniform]
    assert designs["validation"] == designs["test"] == {tuple(row) for s in reported for row in s.population.tolist()}
    assert evaluators["lut"] == evaluators["test"] == outcome.manifest["evaluator"] != evaluators["validation"]
    assert evaluators["validation"] == prepared.evaluator_of("validation")


def test_validation_images_choose_designs_and_epochs(finished: tuple[Path, dse.Outcome]) -> None:
    folder, outcome = finished
    front = [row for row in rows(folder / "front.csv") if row["method"] == "nsga2"]
    wanted = []
    for level in LEVELS:
        allowed = [i for i, row in enumerate(front) if float(row["validation_loss_pp"]) <= level + 1e-9]
        if allowed:
            wanted.append(f"nsga2-{min(allowed, key=lambda i: float(front[i]['rel_energy']))}")
    assert [made.name for made in outcome.retrained] == list(dict.fromkeys(wanted)) != []
    for made in outcome.retrained:
        assert made.facts["images"] == {"train": 200, "validation": 50, "test": 360}  # the whole training part trains
    saved = {row["design"] for row in rows(folder / "savings.csv") if (row["method"], row["level_pp"]) == ("nsga2", "2.0")}
    assert saved == {wanted[0].removeprefix("nsga2-")}
    assert {row["chosen_by"] for row in rows(folder / "savings.csv")} == {"validation"}
    with pytest.raises(InputError, match=r"retrain: expected one of retrain.validation_images and space.dataset") as caught:
        retrain_run(folder, design=0, overrides=["validation_images=20"])
    assert "\n" not in str(caught.value)


def test_readers_of_a_run_know_the_validation_images(finished: tuple[Path, dse.Outcome], tmp_path: Path) -> None:
    folder, outcome = finished
    row = next(row for row in rows(folder / "front.csv") if row["method"] == "nsga2")
    assert design(folder, "nsga2", 0)["validation_loss_pp"] == pytest.approx(float(row["validation_loss_pp"]), abs=1e-8)
    checked = verify(folder, designs=3).designs
    assert [(v.verdict, list(v.loss_pp)) for v in checked] == [("identical", ["search", "validation", "test"])] * 3
    assert {m.series.method for m in compare_runs([folder]).measured} == set(outcome.fronts)
    assert "on the 50 validation images" in (folder / "report.md").read_text()


def test_a_run_that_was_interrupted_at_its_validation_images_goes_on_as_if_nothing_had_happened(
    finished: tuple[Path, dse.Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, asked = Evaluator.__call__, []

    def interrupted(self: Evaluator, job: Job) -> list[Figures]:
        if job.fidelity == "validation":
            asked.append(job)
            if len(asked) == 3:
                raise KeyboardInterrupt
        return whole(self, job)

    monkeypatch.setattr(Evaluator, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        dse.run(retraining(), out=tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setenv("DSE_CACHE", str(finished[0].parent / "cache"))
    assert not (tmp_path / "run" / "front.csv").exists()
    dse.resume(tmp_path / "run")
    for name in TABLES:
        assert (tmp_path / "run" / name).read_bytes() == (finished[0] / name).read_bytes()
    whole, resumed = (json.loads((run / "metrics.json").read_text()) for run in (finished[0], tmp_path / "run"))
    assert whole["known_evaluations"] == 0 < resumed["known_evaluations"] and whole["kept_profiles"] == []
    said = f"which found done before: {resumed['known_evaluations']} evaluations and profiles (agn"
    assert said in (tmp_path / "run" / "report.md").read_text()


def test_without_the_key_nothing_is_known_of_validation_images(tmp_path: Path) -> None:
    """The network is handed in, so that both runs have the same: what scores its designs on other images is the same too."""
    network, data = build_model("digits-cnn", in_shape=(1, 8, 8), n_classes=10, seed=0), load_dataset("digits")
    plain = dse.run(config(None), out=tmp_path / "run", model=network, dataset=data)
    validated = dse.run(config(), model=network, dataset=data)
    assert plain.manifest["evaluator"] == validated.manifest["evaluator"]
    assert plain.manifest["hashes"]["data"] != validated.manifest["hashes"]["data"]
    with StudyFile.open(tmp_path / "run" / "study.sqlite") as study:
        assert {e.fidelity for e in study.evaluations()} == {"lut", "test"}
    for name in ("front.csv", "uniform.csv"):
        assert "validation_loss_pp" not in rows(tmp_path / "run" / name)[0]
    for name in ("config.toml", "metrics.json"):
        assert "validation" not in (tmp_path / "run" / name).read_text()
    assert {row["chosen_by"] for row in rows(tmp_path / "run" / "savings.csv")} == {"search"}


def test_a_study_from_before_standard_errors_goes_on_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = FigureSums.figures
    older = {"accuracy", "kl", "worst_class", "top5"}
    with monkeypatch.context() as patch:
        patch.setattr(
            FigureSums, "figures", lambda self: tuple({k: f[k] for k in f if k in older} for f in figures(self))
        )
        dse.run(config(None), out=tmp_path / "run")
    before = (tmp_path / "run" / "front.csv").read_bytes()
    dse.resume(tmp_path / "run")
    assert (tmp_path / "run" / "front.csv").read_bytes() == before
    assert {row["accuracy_loss_se_pp"] for row in rows(tmp_path / "run" / "front.csv")} == {""}
    assert "Where the standard error is missing" in (tmp_path / "run" / "report.md").read_text()
