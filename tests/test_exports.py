"""A compensated design from its exported assignment: what hardware gets must be all that it needs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

import dse
from dse.exceptions import InputError
from dse.exports import as_json, design
from dse.inputs import load_inputs
from dse.nn.convert import quantized_layers
from dse.nn.layers import Correction
from dse.nn.training import logits
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.run_folder import FACTORS
from dse.verification import verify

METHODS = (("affine",), ("bias", "batch-norm"), ("moments", "batch-norm"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(autouse=True)
def _private_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSE_CACHE", str(home / "cache"))


def compensated(home: Path, *methods: str) -> tuple[Path, Prepared]:
    """Return the folder of a small run, made once, and what it was made with."""
    data: dict = {
        "space": {
            "name": "digits",
            "model": {"name": "digits-cnn"},
            "dataset": {"name": "digits", "train_images": 200, "calibration_images": 24, "search_images": 40},
            "training": {"epochs": 1},
            "multipliers": {"library": "catalogue", "include": ["dadda_trunc?u", "drum4u"]},
        },
        "robustness": {"steps": 3, "compare": []},
        "error_model": {"patches": 16, "truth_images": 16},
        "search": {"evaluations": 6, "population": 3, "methods": ["nsga2"]},
        "ladder": {"designs": 0},
        "compensation": {"methods": list(methods)},
    }
    config, folder = dse.parse_config(data), home / "-".join(methods)
    if not folder.exists():
        dse.run(config, out=folder)
    return folder, prepare(load_inputs(config), ProgressDisplay.silent())


def rebuilt(prepared: Prepared, exported: dict) -> nn.Module:
    """Return the network that multiplies as an exported design says, put right by its factors alone."""
    multipliers = [prepared.space.multipliers.index(exported["assignment"][layer]) for layer in prepared.space.layers]
    model = replace(prepared.factory, compensation=None).network(np.array(multipliers))
    layers = quantized_layers(model)
    for module, numbers in exported["factors"].items():
        values = {what: torch.tensor(column, dtype=torch.float32) for what, column in numbers.items()}
        if module in layers:
            layers[module].correction = Correction(**values)
        else:
            norm = model.get_submodule(module)
            norm.running_mean, norm.running_var = values["mean"], values["variance"]
    return model


def outputs(model: nn.Module, prepared: Prepared) -> Tensor:
    return logits(model, prepared.workload.parts.test.x[:100])


@pytest.mark.parametrize("methods", METHODS, ids="-".join)
def test_factors_make_of_the_plain_network_the_compensated_one(home: Path, methods: tuple[str, ...]) -> None:
    folder, prepared = compensated(home, *methods)
    corrected = 0
    for number in range(len(dse.report.load_run(folder).fronts["nsga2"].population)):
        exported = json.loads(as_json(design(folder, "nsga2", number)))
        assert list(exported)[-1] == "factors"
        chosen = np.array([prepared.space.multipliers.index(name) for name in exported["assignment"].values()])
        found = outputs(rebuilt(prepared, exported), prepared)
        assert torch.equal(found, outputs(prepared.factory.network(chosen), prepared))
        corrected += not torch.equal(found, outputs(replace(prepared.factory, compensation=None).network(chosen), prepared))
    assert corrected > 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; `dse resume"),
        (b"", "not readable as factors"),
        (b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ", "not readable as factors"),
    ],
)
def test_a_run_without_its_factors_says_how_to_get_them(home: Path, content: bytes | None, message: str) -> None:
    folder, _ = compensated(home, "affine")
    kept = (folder / FACTORS).read_bytes()
    try:
        (folder / FACTORS).unlink()
        if content is not None:
            (folder / FACTORS).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            design(folder, "nsga2", 0)
        assert FACTORS in str(caught.value) and "\n" not in str(caught.value)
        dse.resume(folder)
        assert (folder / FACTORS).read_bytes() == kept
    finally:
        (folder / FACTORS).write_bytes(kept)


def test_factors_that_were_changed_are_found(home: Path) -> None:
    folder, _ = compensated(home, "affine")
    assert set(verify(folder, designs=99).verdicts) == {"identical"}
    kept = (folder / FACTORS).read_bytes()
    arrays = load_file(folder / FACTORS)
    try:
        for factor, verdict in ((1 + 1e-6, "within tolerance"), (1.01, "different")):
            save_file({k: a if k == "designs" else a * np.float32(factor) for k, a in arrays.items()}, folder / FACTORS)
            assert verdict in verify(folder, designs=99).verdicts
        (folder / FACTORS).write_bytes(b"damaged")
        assert set(verify(folder, designs=99).verdicts) == {"different"}
    finally:
        (folder / FACTORS).write_bytes(kept)


def test_lists_of_numbers_stand_in_one_line_and_texts_stay() -> None:
    data = {"a": [1.5, -2e-30], "b": ["[\n1,\n2\n]", "x"], "c": [], "d": {"e": [0.1]}}
    text = as_json(data)
    assert json.loads(text) == data and '"a": [ 1.5, -2e-30 ]' in text
