"""Operating points in a file: they come back, and what is of something else is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from dse.exceptions import InputError
from dse.nn.models import save_weights
from dse.operating_points import OperatingPointModel, load_operating_points, save_operating_points
from tests.operating_points.small import DESIGNS, all_outputs, factory, library, made, points


def with_designs(designs: Any, **kwargs: Any) -> OperatingPointModel:
    return OperatingPointModel.of(factory(**kwargs), points(np.array(designs)), library().names)


def test_a_file_brings_every_point_with_all_that_is_its_own(tmp_path: Path) -> None:
    model = made()
    model.own_norms()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.mul_(1 + 0.01 * number)
    path = save_operating_points(model, tmp_path / "new" / "points.safetensors")
    other = made(methods=())
    load_operating_points(other, path)
    wanted = zip(all_outputs(model), all_outputs(other), strict=True)
    assert all(torch.equal(a, b) for a, b in wanted) and other.owns_norms


def test_the_header_says_what_is_where(tmp_path: Path) -> None:
    path = save_operating_points(made(tuned=True), tmp_path / "points.safetensors")
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["operating_points"])
    assert [point["name"] for point in header["points"]] == ["best", "middle", "eco"]
    assert header["points"][2]["assignment"]["plain"] == "zero"
    tables = header["tables"]
    assert tables["plain"].keys() == {"dadda8u", "high", "zero"} and tables["depthwise"].keys() == {"dadda8u", "noisy"}
    assert tables["plain"]["high"] == tables["grouped"]["high"]
    assert tables["depthwise"]["noisy"] != tables["linear"]["noisy"]  # each layer stores other weights


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: made(format="u8"), "another table of .* in layer 'plain'"),
        (lambda: made(tuned=True), "another table of 'noisy' in layer 'depthwise'"),
        (
            lambda: with_designs([*DESIGNS[:2], [3, 1, 1, 0]]),
            "'eco' has 'dadda8u' in layer 'linear', the model 'noisy'",
        ),
    ],
)
def test_files_of_other_points_or_tables_are_refused(make: Any, message: str, tmp_path: Path) -> None:
    path = save_operating_points(make(), tmp_path / "points.safetensors")
    with pytest.raises(InputError, match=f"points.safetensors: .*{message}") as caught:
        load_operating_points(made(), path)
    assert "\n" not in str(caught.value)


def test_another_number_of_points_names_and_layers_are_refused(tmp_path: Path) -> None:
    model = made()
    two = OperatingPointModel.of(factory(), points()[:2], library().names)
    path = save_operating_points(two, tmp_path / "two.safetensors")
    with pytest.raises(InputError, match="two.safetensors: has 2 operating points, the model 3"):
        load_operating_points(model, path)
    renamed = OperatingPointModel.of(factory(), points(names=("best", "middle", "low")), library().names)
    path = save_operating_points(renamed, tmp_path / "renamed.safetensors")
    with pytest.raises(InputError, match="operating point 'low' is not the model's 'eco'"):
        load_operating_points(model, path)


def test_damaged_and_foreign_files_are_refused_and_change_nothing(tmp_path: Path) -> None:
    model, path = made(), tmp_path / "points.safetensors"
    wanted = all_outputs(model)
    save_operating_points(model, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable file of operating points"):
        load_operating_points(model, path)
    with pytest.raises(InputError, match="missing.safetensors: not a readable file"):
        load_operating_points(model, tmp_path / "missing.safetensors")
    save_weights(model, path)  # right tensors, no header
    with pytest.raises(InputError, match="no 'operating_points' in its header"):
        load_operating_points(model, path)
    tensors = {name: tensor.clone() for name, tensor in made().state_dict().items()}
    for header, message in (("[]", "damaged"), ("{", "not a readable file"), ('{"points": [{}]}', "damaged")):
        path.write_bytes(safetensors.torch.save(tensors, metadata={"operating_points": header}))
        with pytest.raises(InputError, match=message):
            load_operating_points(model, path)
    assert all(torch.equal(a, b) for a, b in zip(all_outputs(model), wanted, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["points"][0].update(assignment=None), "'operating_points.points.0.assignment' in its header"),
        (lambda h: h["points"][1].update(assignment=["plain"]), "'operating_points.points.1.assignment' in its header"),
        (lambda h: h.update(tables=[]), "'operating_points.tables' in its header is damaged"),
        (lambda h: h.update(tables=None), "'operating_points.tables' in its header is damaged"),
        (lambda h: h["tables"].update({"a\nb": 1}), "in its header is damaged"),
        (lambda h: h.update(points=5), "'operating_points.points' in its header is damaged"),
        (lambda h: h["points"][0].update(name="a\nb"), r"operating point 'a\\nb' is not the model's 'best'"),
        (lambda h: h["points"][0]["assignment"].update(plain="a\nb"), r"has 'a\\nb' in layer 'plain'"),
    ],
)
def test_damaged_headers_are_refused_in_one_line(change: Any, message: str, tmp_path: Path) -> None:
    model, path = made(), save_operating_points(made(), tmp_path / "points.safetensors")
    wanted = all_outputs(model)
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["operating_points"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    change(header)
    path.write_bytes(safetensors.torch.save(tensors, metadata={"operating_points": json.dumps(header)}))
    with pytest.raises(InputError, match=f"points.safetensors: .*{message}") as caught:
        load_operating_points(model, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(all_outputs(model), wanted, strict=True))


def test_files_whose_rows_do_not_exist_are_refused_and_change_nothing(tmp_path: Path) -> None:
    broken, model = made(), made(methods=("bias",))
    wanted = all_outputs(model)
    broken.network.plain.arithmetic.correction_row[2] = 99  # type: ignore[index,union-attr]
    path = save_operating_points(broken, tmp_path / "points.safetensors")
    with pytest.raises(InputError, match=r"points.safetensors: state: 'network.plain.*_row': expected rows -1\.\.1"):
        load_operating_points(model, path)
    assert all(torch.equal(a, b) for a, b in zip(all_outputs(model), wanted, strict=True))


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    broken = made()
    with torch.no_grad():
        broken.network.linear.bias[0] = torch.nan  # type: ignore[index,union-attr]
    path = save_operating_points(broken, tmp_path / "points.safetensors")
    with pytest.raises(InputError, match="'network.linear.bias' holds NaN or infinity"):
        load_operating_points(made(), path)


def test_places_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="change the suffix"):
        save_operating_points(made(), tmp_path / "points.pt")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_operating_points(made(), tmp_path / "file" / "points.safetensors")
