"""The checker: right about sums against the definition, and about every kind of damage."""

from __future__ import annotations

import ast
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import dse.operating_points._handover_check as module
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, builtin
from dse.operands import FORMATS, operand_format
from dse.operating_points import HandoverCheck, OperatingPoint, OperatingPointModel, check_handover, write_handover
from dse.operating_points._handover_check import seal, sha256
from dse.operating_points._handover_replay import Operands, accumulators
from dse.variants import plain_tables
from tests.nn import naive
from tests.operating_points.small import LAYERS, NAMES, clipped_choices, images, made, network

Description, Arrays = dict[str, Any], dict[str, Any]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_handover(tmp_path_factory.mktemp("handover") / "bundle", made(tuned=True), images(2))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of the exact circuit and another in two clipped variants, one point each."""
    choices, tables = clipped_choices("sm8")
    kept = [c for c in choices if c.multiplier.name.endswith(("x50w80", ".x50w80.histogram")) and not c.swapped]
    names = (choices.library.names[0], *(choice.multiplier.name for choice in kept))
    points = [OperatingPoint(name, dict.fromkeys(LAYERS, name), 1.0) for name in names]
    model = OperatingPointModel(network("sm8"), points, choices.library.names, tables)
    return write_handover(tmp_path_factory.mktemp("clips") / "bundle", model, images(2), choices=choices)


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
    shutil.copytree(source, target)
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
    signs = {"x_signed": operands.x_low < 0, "w_signed": operands.w_low < 0}
    meant = Operands.of({**signs, "w_bits": operands.w_bits, "x_range": [operands.x_low], "w_range": [operands.w_low]})
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
        (lambda d, a: d["choices"][1].update(table_sha256="0" * 64), "choice 'noisy' has another table"),
        (lambda d, a: a["tables.zero"].__setitem__((3, 4), 1), "choice 'zero' has another table"),
        (lambda d, a: d["layers"].pop(), "operating point 'best', layer 'linear'"),
        (lambda d, a: d["layers"][1].pop("groups"), r"not of the documented form: layers\[1\]: expected the key 'groups'"),
        (lambda d, a: d.update(more=1), "not of the documented form: the whole: expected no key 'more', got one"),
        (lambda d, a: d["layers"][1].update(kernel=3), "not of the documented form"),
        (lambda d, a: d.update(points=None), "not of the documented form"),
        (lambda d, a: a.pop("linear.bias") is None or a.pop("plain.1.sums"), r"points\[1\].sums: .*plain.1.sums"),
        (lambda d, a: d.update(version=1), "expected version 4, got 1"),
        (lambda d, a: d.update(version="a\nb"), r"expected version 4, got 'a\\nb'"),
        (lambda d, a: d["layers"][0].update(stride=[0, 0]), r"layers\[0\].stride\[0\]: expected an integer 1\.\."),
        (lambda d, a: d["layers"][0].update(groups=0), r"layers\[0\].groups: expected an integer 1\.\..*, got 0"),
        (lambda d, a: d["layers"][0].update(groups=3), "are not those of a convolution"),
        (lambda d, a: d["layers"][0].update(kernel=[1, 1]), "are not those of a convolution"),
        (lambda d, a: d["layers"][0].update(x_zero_point=10**30), r"layers\[0\].x_zero_point: expected an integer 0\.\.255"),
        (lambda d, a: d["layers"][0].update(x_scale=10**400), r"layers\[0\].x_scale: expected a finite number above 0"),
        (lambda d, a: d["layers"][0].update(x_scale=float("nan")), r"layers\[0\].x_scale: expected a finite number above 0"),
        (lambda d, a: d["layers"][0].update(padding=[[10**6] * 2] * 2), r"padding.*: expected an integer 0\.\.1024"),
        (lambda d, a: d["layers"][0].update(padding=[[999] * 2] * 2), "expected accumulators .*, the layer has"),
        (lambda d, a: d["layers"][0].update(kind="foo"), r"layers\[0\].kind: expected one of linear, conv2d, got foo"),
        (lambda d, a: d["layers"][0].update(kind="linear"), r"layers\[0\]: expected no key"),
        (lambda d, a: d["operands"].update(w_bits=40), "operands.w_bits: expected an integer 2..12, got 40"),
        (lambda d, a: d.update(layers=[]), "layers: expected a list of 1 or more"),
        (lambda d, a: d.update(points=[]), "points: expected a list of 1 or more"),
        (lambda d, a: d.update(instances=[]), "instances: expected a list of 1 or more"),
        (lambda d, a: d["instances"].pop(), "instances: 'zero' is missing here or in 'choices'"),
        (lambda d, a: d["instances"].append(d["instances"][0]), "instances: expected each name once"),
        (lambda d, a: d["choices"][0].update(instance="foo"), "instances: '.*' is missing here or in 'choices'"),
        (lambda d, a: d["points"][1].update(name="best"), "points: expected each name once"),
        (lambda d, a: d.update(norms=[]), "array 'bn1.0.beta' is referred to by nothing"),
        (lambda d, a: d["norms"][0]["points"].pop(), "'bn1' has 2 points; expected the 3"),
        (lambda d, a: d["norms"][0]["points"][0].update(gamma="nope"), r"points\[0\].gamma: expected the name of an"),
        (lambda d, a: d["layers"][0].update(bias="nope"), r"layers\[0\].bias: expected the name of an array, got nope"),
        (lambda d, a: d["layers"][0]["points"][1].update(scale="nope"), r"points\[1\].scale: expected the name of an array"),
        (lambda d, a: d["layers"][0]["points"][1].update(offset=None), "expected scale and offset, or null for both"),
        (lambda d, a: d["norms"][0]["points"][1].update(variance=None), "'bn1': expected mean and variance, or null"),
        (lambda d, a: d["instances"][0].update(verilog="a"), "expected verilog and verilog_sha256, or null for both"),
        (lambda d, a: d["points"][0].update(outputs="nope"), r"points\[0\].outputs: expected the name of an array"),
        (lambda d, a: d["layers"][0].update(w_scale="images"), r"layers\[0\].w_scale: expected an array of floats"),
        (lambda d, a: a.update({"plain.w_scale": a["plain.w_scale"][:2]}), r"expected arrays \(4,\) for its channels"),
        (lambda d, a: d["layers"][0]["points"][0].update(choice="turbo"), "layer 'plain' has the choice 'turbo'"),
        (lambda d, a: a["points.0.outputs"].fill(np.nan), r"points\[0\].outputs: expected finite numbers"),
        (lambda d, a: a.update({"plain.0.sums": a["plain.0.sums"] * 1.0}), "sums: expected an array of int64, got"),
        (lambda d, a: a["plain.w_codes"].__isub__(600), "w_codes: expected 0..511"),
        (lambda d, a: a["depthwise.1.stored"].fill(600), "layer 'depthwise' stores a code that 'noisy' does not have"),
        (lambda d, a: a.update({"tables.zero": a["tables.zero"][:100]}), "table: expected an array of int32"),
        (lambda d, a: d["points"][0].update(name="a\nb"), r"points\[0\].name: expected a printable text, got 'a\\nb'"),
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
        (lambda d, a: d["choices"][1].update(x_clip=37), "choice '.*x50w80' has a table that the circuit .* does not give"),
        (lambda d, a: d["choices"][2].update(w_clip=81), "choice '.*x50w80.histogram' has a table that the circuit"),
        (lambda d, a: d["choices"][1].update(first_operand="weight"), "has a table that the circuit"),
        (lambda d, a: a.update(none=np.zeros((0, 2), dtype=np.int16)) or d["choices"][1].update(words="none", x_clip=37),
         "choice '.*x50w80' has a table that the circuit"),
        (lambda d, a: d["instances"][1].update(signed=True), "choice '.*' has a table that the circuit"),
        (lambda d, a: d["instances"][1].update(signed=None), "expected signed and table, or null for both"),
        (lambda d, a: d["instances"][1].update(signed=None, table=None, table_sha256=None), "which has no table"),
        (lambda d, a: d["instances"][1].update(table_sha256="0" * 64), "circuit '.*' has another table"),
        (lambda d, a: d["instances"][1].update(verilog=d["instances"][0]["verilog"].upper()), "differ by more than case"),
        (lambda d, a: a[d["layers"][3]["points"][1]["circuit_sums"]].__iadd__(1),
         "layer 'linear', operating point '.*x50w80', circuit_sums: 10 of 10 accumulators differ"),
        (lambda d, a: d["layers"][3]["points"][1].update(circuit_sums=None) or a.pop("linear.1.circuit_sums"),
         "expected circuit_sums where operands are"),
        (lambda d, a: d["layers"][3]["points"][0].update(circuit_sums=d["layers"][3]["points"][0]["sums"]),
         "expected circuit_sums where operands are clipped, and null elsewhere"),
        (lambda d, a: a.update({n: a[n][:1] for n in [d["layers"][3]["points"][1]["circuit_sums"]]}),
         r"expected \(2, 5\) accumulators, got \(1, 5\)"),
    ],
)  # fmt: skip
def test_tables_and_sums_of_clipped_choices_are_those_of_the_circuit(
    change: Any, message: str, clips: Path, tmp_path: Path
) -> None:
    path = changed(clips, tmp_path / "bundle", change)
    with pytest.raises(InputError, match=message):
        check_handover(path)


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
    for text, message in (("{", "handover.json: cannot be read"), ("[" * 100_000, "asks for too much .RecursionError")):
        (path / "handover.json").write_text(text)
        with pytest.raises(InputError, match=message):
            check_handover(path)


def test_verilog_is_held_by_hashes_and_has_names_that_stay_apart(tmp_path: Path) -> None:
    circuits = [m for m in builtin(signed=False) if m.netlist is not None][:4]
    names = ("a-b", "a.b", "A.B")
    chosen = MultiplierLibrary([circuits[0], *(replace(m, name=n) for m, n in zip(circuits[1:], names, strict=True))])
    tables = plain_tables(chosen, operand_format("sm8"))
    points = [OperatingPoint(name, dict.fromkeys(LAYERS, name), 1.0) for name in names]
    model = OperatingPointModel(network(), points, chosen.names, tables)
    path = write_handover(tmp_path / "bundle", model, images(1), library=chosen)
    found = check_handover(path)
    assert sorted(found.instances) == sorted(names)
    files = sorted((path / "verilog").iterdir())
    assert len({file.name.casefold() for file in files}) == 3
    text = files[0].read_bytes()
    files[0].write_bytes(text + b"\n")
    with pytest.raises(InputError, match=f"verilog/{files[0].name}: not what was written"):
        check_handover(path)
    files[0].write_bytes(text)
    (path / "verilog" / "other.v").touch()
    with pytest.raises(InputError, match="verilog/'other.v' is of no circuit of handover.json; remove it"):
        check_handover(path)
    (path / "verilog" / "other.v").unlink()
    files[0].unlink()
    with pytest.raises(InputError, match=f"verilog/{files[0].name}: cannot be read"):
        check_handover(path)


@pytest.mark.parametrize("part", ["check", "form", "circuits", "replay"])
def test_the_checker_needs_numpy_and_no_other_library(part: str) -> None:
    tree = ast.parse((Path(module.__file__).parent / f"_handover_{part}.py").read_text())
    roots = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    roots |= {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    assert roots - sys.stdlib_module_names == {"numpy", "dse"}
    used = {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    checker = {f"dse.operating_points._handover_{part}" for part in ("form", "circuits", "replay")}
    assert {name for name in used if name.startswith("dse")} <= {"dse.exceptions", *checker}
