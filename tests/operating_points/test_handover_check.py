"""The checker: right about sums against the definition, and about every kind of damage."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import dse.operating_points._handover_check as module
from dse.exceptions import InputError
from dse.operands import FORMATS
from dse.operating_points import HandoverCheck, check_handover, write_handover
from dse.operating_points._handover_check import Operands, accumulators, seal, sha256
from tests.nn import naive
from tests.operating_points.small import NAMES, images, made

Description, Arrays = dict[str, Any], dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_handover(tmp_path_factory.mktemp("handover") / "bundle", made(tuned=True), images(2))


def changed(source: Path, target: Path, change: Callable[[Description, Arrays], None], *, sealed: bool = True) -> Path:
    """Write a bundle again after a change; `sealed`: with hashes that fit it."""
    described = json.loads((source / "handover.json").read_text())
    with np.load(source / "handover.npz") as archive:
        arrays = dict(archive)
    change(described, arrays)
    if sealed:
        shown = {n: {"dtype": a.dtype.name, "shape": list(a.shape), "sha256": sha256(a)} for n, a in arrays.items()}
        described["arrays"] = shown
        described["sha256"] = seal(described)
    target.mkdir()
    (target / "handover.json").write_text(json.dumps(described))
    np.savez_compressed(target / "handover.npz", **arrays)
    return target


@pytest.mark.parametrize("kwargs", [{}, {"tuned": True}, {"format": "u8"}, {"format": "s8"}, {"methods": ()}])
def test_what_is_written_is_found_right(kwargs: dict[str, Any], tmp_path: Path) -> None:
    found = check_handover(write_handover(tmp_path / "bundle", made(**kwargs), images(2)))
    assert found.points == NAMES and found.instances[1:] == ("noisy", "high", "zero")
    each = 2 * (4 * 36 + 8 * 36 + 6 * 9 + 5)
    assert (found.layers, found.images) == (4, 2) and each < found.accumulators <= 3 * each


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(4, 6, 3, padding=1, groups=2),
        nn.Conv2d(4, 4, (3, 2), stride=(2, 1), padding=(1, 2), groups=4),
        nn.Conv2d(4, 3, (2, 3), stride=(1, 3), dilation=(2, 1), padding="valid"),
        nn.Conv2d(4, 3, 2, padding="same"),
    ],
    ids=["groups", "depthwise-strided", "dilated", "same"],
)
def test_accumulators_are_those_of_the_definition(conv: nn.Conv2d, format: str) -> None:
    operands = FORMATS[format]
    x = naive.quantize_activation(naive.inputs(2, 4, 6, 5).numpy(), -1, 2, format)
    w = naive.quantize_weight(conv.weight.detach().numpy(), format, "per-channel")
    table = naive.random_table(operands)
    wanted = naive.conv_sums(x, w, table.astype(np.int64), conv)
    left, right, top, bottom = naive.zero_padding(conv)
    pairs = {"kernel": conv.kernel_size, "stride": conv.stride, "dilation": conv.dilation}
    layer = {
        "kind": "conv2d",
        "groups": conv.groups,
        **pairs,
        "padding": [[top, bottom], [left, right]],
        "x_zero_point": int(x.zero_point),
        "w_zero_point": np.asarray(w.zero_point).reshape(-1),
    }
    meant = Operands.of({"x_signed": operands.x_low < 0, "w_signed": operands.w_low < 0, "w_bits": operands.w_bits})
    codes = x.codes.astype(np.uint8), w.codes.astype(np.int16)
    assert np.array_equal(accumulators(*codes, table, None, layer, meant), wanted)
    linear = {"kind": "linear", "x_zero_point": layer["x_zero_point"], "w_zero_point": layer["w_zero_point"][:3]}
    flat = naive.Quantized(x.values[..., :2], x.codes[..., :2], x.scale, x.zero_point)
    values, weights = (a.reshape(len(w.values), -1)[:3, :2] for a in (w.values, w.codes))
    few = naive.Quantized(values, weights, w.scale[:3], w.zero_point[:3])
    found = accumulators(flat.codes.astype(np.uint8), few.codes.astype(np.int16), table, None, linear, meant)
    assert np.array_equal(found, naive.linear_sums(flat, few, table.astype(np.int64)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, a: a["plain.1.sums"].__setitem__((1, 3, 2, 4), 12345),
         r"layer 'plain', operating point 'middle': 1 of 288 accumulators differ, the first at \(1, 3, 2, 4\): "
         r"expected 12345, codes and table give -?\d+"),
        (lambda d, a: a["plain.w_codes"][0, 0, 0].__ixor__(1), "layer 'plain', operating"),
        (lambda d, a: a["linear.0.x_codes"].__iadd__(1), "layer 'linear', operating point 'best'"),
        (lambda d, a: a["depthwise.1.stored"].fill(7), "layer 'depthwise', operating point 'middle'"),
        (lambda d, a: d["layers"][0].update(stride=[2, 2]), "layer 'plain', .*: expected accumulators .*, the layer has"),
        (lambda d, a: d["layers"][0].update(x_zero_point=3), "layer 'plain'"),
        (lambda d, a: d["points"][2]["assignment"].update(plain="high"),
         "operating point 'eco', layer 'plain': 'high' in 'points' and 'zero' in 'layers'"),
        (lambda d, a: d["choices"][1].update(table_sha256="0"), "choice 'noisy' has another table"),
        (lambda d, a: a["tables.zero"].__setitem__((3, 4), 1), "choice 'zero' has another table"),
        (lambda d, a: d["layers"].pop(), "operating point 'best', layer 'linear'"),
        (lambda d, a: d["layers"][1].pop("groups"), "not of the documented form .*groups"),
        (lambda d, a: d["layers"][1].update(kernel=3), "not of the documented form"),
        (lambda d, a: d.update(points=None), "not of the documented form"),
        (lambda d, a: a.pop("linear.bias") is None or a.pop("plain.1.sums"), "not of the documented form .*plain.1.sums"),
        (lambda d, a: d.update(version=2), "expected version 1, got 2"),
        (lambda d, a: d.update(format="x"), "no description of a hand-over bundle"),
    ],
)  # fmt: skip
def test_changes_are_found_and_named(change: Any, message: str, written: Path, tmp_path: Path) -> None:
    path = changed(written, tmp_path / "bundle", change)
    with pytest.raises(InputError, match=message) as caught:
        check_handover(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, a: d["layers"][0].update(x_scale=1.0), "handover.json: changed since it was written"),
        (lambda d, a: a["linear.bias"].__iadd__(1), "handover.npz: 'linear.bias' is not what was written"),
        (
            lambda d, a: a.update({"linear.bias": a["linear.bias"].astype(np.float64)}),
            "'linear.bias' is not what was written",
        ),
        (lambda d, a: a.pop("linear.bias"), "'linear.bias' is missing here or in handover.json"),
        (lambda d, a: a.update(more=np.zeros(1)), "'more' is missing here or in handover.json"),
    ],
)
def test_hashes_hold_what_no_accumulator_shows(change: Any, message: str, written: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        check_handover(changed(written, tmp_path / "bundle", change, sealed=False))


def test_damaged_and_missing_files_are_said_in_one_line(written: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="handover.json: cannot be read"):
        check_handover(tmp_path / "nothing")
    path = changed(written, tmp_path / "bundle", lambda d, a: None)
    assert isinstance(check_handover(str(path)), HandoverCheck)
    file = path / "handover.npz"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"PK", whole[:1000] + bytes(50) + whole[1050:], b"\x93NUMPY"):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="handover.npz: ") as caught:
            check_handover(path)
        assert "\n" not in str(caught.value)
    file.unlink()
    with pytest.raises(InputError, match="handover.npz: cannot be read"):
        check_handover(path)
    (path / "handover.json").write_text("{")
    with pytest.raises(InputError, match="handover.json: cannot be read"):
        check_handover(path)


def test_the_checker_needs_numpy_and_no_other_library() -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    roots = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    roots |= {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert roots - sys.stdlib_module_names == {"numpy", "dse"}
    modules = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in modules if name.startswith("dse")} == {"dse.exceptions"}
