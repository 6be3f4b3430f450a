"""Retrained designs verified from their folders: whatever is changed in one is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import dse
from dse.config import RetrainConfig
from dse.inputs import load_inputs
from dse.paired import packed, unpacked
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.retrain import Retrainer, RetrainingVerifier, write_retrained

IMAGES = 360
CONFIG: dict = {
    "space": {
        "name": "digits",
        "model": {"name": "digits-cnn"},
        "dataset": {"name": "digits", "train_images": 200, "calibration_images": 24, "search_images": 40},
        "training": {"epochs": 1},
        "multipliers": {"library": "catalogue", "include": ["dadda_trunc?u"]},
    },
    "robustness": {"steps": 3, "compare": []},
    "error_model": {"patches": 16, "truth_images": 16},
    "compensation": {"methods": ["affine"]},
}
HOW = RetrainConfig(epochs=2, lr=0.02, batch_size=32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RetrainingVerifier, Path]:
    """Return what verifies designs of a run, and folders of a design and of one that went on from it."""
    home = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSE_CACHE", str(home / "cache"))
        prepared: Prepared = prepare(load_inputs(dse.parse_config(CONFIG)), ProgressDisplay.silent())
        design = np.array([1, 2, 0, 2, 1, 2])
        write_retrained(Retrainer(prepared, HOW)("first", design), home / "first")
        weights = home / "first" / "weights.safetensors"
        write_retrained(Retrainer(prepared, HOW)("first", design, start=weights), home / "further")
    return RetrainingVerifier(prepared), home


@pytest.fixture
def copy(made: tuple[RetrainingVerifier, Path], tmp_path: Path) -> Path:
    return shutil.copytree(made[1] / "first", tmp_path / "copy")


def test_what_was_written_is_found_again(made: tuple[RetrainingVerifier, Path]) -> None:
    verify, home = made
    found = verify(home / "first")
    assert (found.name, found.verdict, found.faults, found.notes) == ("first", "identical", (), ())
    after = json.loads((home / "first" / "result.json").read_text())["accuracy"]["after"]
    assert found.accuracy == (after, after)


def test_what_went_on_from_other_weights_is_verified_but_for_its_beginning(made: tuple[RetrainingVerifier, Path]) -> None:
    verify, home = made
    found = verify(home / "further")
    assert found.verdict == "identical" and "figures before retraining are not evaluated again" in found.notes[0]


def result(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = json.loads((folder / "result.json").read_text())
        change(data)
        (folder / "result.json").write_text(json.dumps(data))

    return edit


def answers(kind: str, change: Callable[[np.ndarray], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        data = json.loads((folder / "right.json").read_text())
        right = unpacked(data[kind], IMAGES)
        change(right)
        (folder / "right.json").write_text(json.dumps({**data, kind: packed(right)}))

    return edit


def weights(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / "weights.safetensors")
        change(tensors)
        save_file(tensors, folder / "weights.safetensors")

    return edit


def swap(right: np.ndarray) -> None:
    """Exchange a right and a wrong answer."""
    first, second = int(np.flatnonzero(right)[0]), int(np.flatnonzero(~right)[0])
    right[[first, second]] = right[[second, first]]


def flip(right: np.ndarray) -> None:
    right[0] = ~right[0]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (weights(lambda w: w["linear.bias"].__iadd__(np.float32(1e-6))), "hashes.weights: other SHA-256"),
        (weights(lambda w: w.pop("linear.bias")), "missing 'linear.bias'"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"\0" * 50), "not a readable safetensors file"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "weights.safetensors: no such file"),
        *(
            (result(lambda r, key=key, part=part: r[key].update({part: r[key][part] + 0.001})), f"{key}.{part}")
            for key, part in (
                *(("accuracy", kind) for kind in ("float", "exact", "before", "after")),
                *((key, part) for key in ("gain", "loss_before", "loss_after") for part in ("pp", "se_pp")),
            )
        ),
        (result(lambda r: r.update(rel_energy=r["rel_energy"] - 1e-6)), "rel_energy"),
        (result(lambda r: r.update(best_epoch=0 if r["best_epoch"] else 1)), "best_epoch"),
        (result(lambda r: r.update(epochs=3)), "epochs: 3, 2 by log.csv"),
        (result(lambda r: r["hashes"].update(weights="0")), "hashes.weights: other SHA-256"),
        (result(lambda r: r["hashes"].update(test="0")), "hashes.test: other SHA-256"),
        (result(lambda r: r["hashes"]["tables"].popitem()), "hashes.tables: other SHA-256"),
        (result(lambda r: r["assignment"].update(conv1="exact")), "other layers or multipliers"),
        (result(lambda r: r["assignment"].pop("conv1")), "other layers or multipliers"),
        (result(lambda r: r.pop("gain")), "key 'gain' is missing"),
        (lambda folder: (folder / "result.json").unlink(), "result.json: no such file"),
        (lambda folder: (folder / "result.json").write_text("{"), "is no JSON"),
        (lambda folder: (folder / "log.csv").write_text("epoch\n"), "column 'validation_accuracy' is missing"),
        (lambda folder: (folder / "log.csv").write_text("epoch,validation_accuracy,validation_loss\n"), "has no epoch"),
        (answers("after", flip), "accuracy.after"),
        (answers("before", flip), "accuracy.before"),
        (answers("after", swap), "by the answers in right.json"),
        (lambda folder: (folder / "right.json").write_text('{"float": "00"}'), "right.json: expected 90 digits"),
    ],
)
def test_what_is_tampered_with_is_different(
    made: tuple[RetrainingVerifier, Path], copy: Path, tamper: Callable[[Path], object], said: str
) -> None:
    tamper(copy)
    found = made[0](copy)
    assert found.verdict == "different" and any(said in fault for fault in found.faults), found
    assert not any("\n" in fault for fault in found.faults)


def test_other_multipliers_of_the_run_are_different(made: tuple[RetrainingVerifier, Path], copy: Path) -> None:
    """Another known multiplier in one layer: the energy tells, and the answers."""
    names = list(dict.fromkeys(json.loads((copy / "result.json").read_text())["assignment"].values()))
    result(lambda r: r["assignment"].update(conv1=next(n for n in names if n != r["assignment"]["conv1"])))(copy)
    found = made[0](copy)
    assert found.verdict == "different" and any("rel_energy" in fault for fault in found.faults)


def test_a_result_without_answers_is_held_against_the_network_alone(
    made: tuple[RetrainingVerifier, Path], copy: Path
) -> None:
    (copy / "right.json").unlink()
    assert made[0](copy).verdict == "identical"
    result(lambda r: r["accuracy"].update(after=r["accuracy"]["after"] - 0.9 / IMAGES))(copy)
    assert made[0](copy).verdict == "within tolerance"
    result(lambda r: r["accuracy"].update(after=r["accuracy"]["after"] - 0.9 / IMAGES))(copy)
    found = made[0](copy)
    assert found.verdict == "different" and "accuracy.after" in found.faults[0]


def test_the_best_epoch_is_that_of_what_the_settings_keep_by(made: tuple[RetrainingVerifier, Path], copy: Path) -> None:
    """Epoch 1 is the most accurate, epoch 2 the surest; a result that does not say how it kept did so by accuracy."""
    rows = ["epoch,validation_accuracy,validation_loss", "0,0.5,1.0", "1,0.7,0.9", "2,0.6,0.8"]
    (copy / "log.csv").write_text("\n".join(rows))
    for keep, best in (("accuracy", 1), ("loss", 2), (None, 1)):
        result(lambda r, keep=keep, best=best: r.update(best_epoch=best) or r["settings"].update(keep=keep))(copy)
        assert made[0](copy).verdict == "identical"
        result(lambda r, best=best: r.update(best_epoch=3 - best))(copy)
        assert any("best_epoch" in fault for fault in made[0](copy).faults)


def test_hashes_of_what_was_begun_with_are_noted(made: tuple[RetrainingVerifier, Path], copy: Path) -> None:
    result(lambda r: r["hashes"].update(start="0", float_model="0"))(copy)
    found = made[0](copy)
    assert found.verdict == "identical" and len(found.notes) == 2
    result(lambda r: r.pop("start"))(copy)  # as earlier versions wrote it
    assert "began with other weights" in made[0](copy).notes[0]
