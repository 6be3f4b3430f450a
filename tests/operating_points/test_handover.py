"""What a hand-over bundle says, against the network it was written from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from dse.circuits import from_verilog, product_table
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, builtin, is_symmetric
from dse.nn.convert import quantize, quantized_layers
from dse.operands import operand_format
from dse.operating_points import OperatingPoint, OperatingPointModel, check_handover, write_handover
from dse.variants import choice_tables, expand, plain_tables
from tests.operating_points.small import LAYERS, all_outputs, images, library, made, network


def bundle(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with np.load(path / "handover.npz") as archive:
        return json.loads((path / "handover.json").read_text()), dict(archive)


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_codes_sums_scales_and_corrections_give_what_layers_and_network_give(format: str, tmp_path: Path) -> None:
    model, x = made(format=format), images(2, seed=9)
    described, arrays = bundle(write_handover(tmp_path / "bundle", model, x))
    assert np.array_equal(arrays[described["images"]], x.numpy())
    for point, wanted in zip(described["points"], all_outputs(model, x), strict=True):
        assert np.array_equal(arrays[point["outputs"]], wanted.numpy())
    last = next(layer for layer in described["layers"] if layer["name"] == "linear")
    for point, at in zip(described["points"], last["points"], strict=True):  # the last layer's output is the network's
        real = arrays[at["sums"]] * np.float32(last["x_scale"]) * arrays[last["w_scale"]]
        if at["scale"] is not None:
            real = real * arrays[at["scale"]] + arrays[at["offset"]]
        assert np.allclose(real + arrays[last["bias"]], arrays[point["outputs"]], rtol=1e-5, atol=1e-5)


def test_it_says_what_is_where(tmp_path: Path) -> None:
    model = made(tuned=True)
    described, arrays = bundle(write_handover(tmp_path / "bundle", model, images(2)))
    assert [point["assignment"] for point in described["points"]] == [dict(point.assignment) for point in model.points]
    assert [layer["name"] for layer in described["layers"]] == list(LAYERS)
    grouped = described["layers"][2]
    shape = {"groups": 2, "kernel": [2, 2], "stride": [2, 2], "dilation": [1, 1], "padding": [[0, 0], [0, 0]]}
    assert {key: grouped[key] for key in shape} == shape and described["layers"][3]["kind"] == "linear"
    layer = quantized_layers(model.network)["grouped"]
    assert np.array_equal(arrays[grouped["w_codes"]], layer.w_quantizer.quantize(layer.weight).values.numpy() % 512)
    at = grouped["points"][2]  # the noisy multiplier, for which each layer stores other weights
    assert at["choice"] == "noisy" and np.array_equal(arrays[at["stored"]], np.minimum(np.arange(512) + 3, 511))
    tables = {choice["name"]: arrays[choice["table"]] for choice in described["choices"]}
    assert np.array_equal(tables["noisy"], operand_format("sm8").table(library()["noisy"]))
    assert {norm["name"] for norm in described["norms"]} == {"bn1", "bn2"}
    means = [arrays[point["mean"]] for point in described["norms"][0]["points"]]
    for mean, norm in zip(means, model.norms[0].norms, strict=True):
        assert np.array_equal(mean, norm.running_mean.numpy())  # type: ignore[operator,union-attr]


def test_what_points_share_is_kept_once(tmp_path: Path) -> None:
    described, arrays = bundle(write_handover(tmp_path / "bundle", made(methods=()), images(1)))
    first, *others = (layer["points"] for layer in described["layers"])
    assert len({at["x_codes"] for at in first}) == 1 and len({at["sums"] for at in first}) == 3
    assert all(len({at["x_codes"] for at in points}) == 3 for points in others)
    assert set(described["arrays"]) == set(arrays)


def test_circuits_with_gates_come_as_verilog_that_computes_their_tables(tmp_path: Path) -> None:
    chosen = builtin(signed=False)
    circuit = next(m for m in chosen if not m.is_exact and not is_symmetric(m))
    choices = expand(MultiplierLibrary([chosen[0], circuit]), order=True)
    seen = np.full((len(LAYERS), 256), 1 / 256)
    choices, tables = choice_tables(choices, operand_format("u8"), seen)
    names = choices.library.names
    assert names == (chosen[0].name, circuit.name, f"{circuit.name}.swap")
    points = [OperatingPoint(name, dict.fromkeys(LAYERS, name), 1.0) for name in names]
    model = OperatingPointModel(network("u8"), points, names, tables)
    path = write_handover(tmp_path / "bundle", model, images(1), library=chosen, choices=choices)
    check_handover(path)
    described, _ = bundle(path)
    assert [(choice["instance"], choice["first_operand"]) for choice in described["choices"]] == [
        (chosen[0].name, "activation"),
        (circuit.name, "activation"),
        (circuit.name, "weight"),
    ]
    assert len(described["instances"]) == 2
    for instance in described["instances"]:
        netlist = from_verilog(path / "verilog" / f"{instance['verilog']}.v")
        assert np.array_equal(product_table(netlist), chosen[instance["name"]].table)


def test_circuits_of_the_same_name_that_compute_something_else_do_not_come(tmp_path: Path) -> None:
    model = made()
    impostor = next(m for m in builtin(signed=False) if not m.is_exact)
    others = [type(impostor)("noisy", impostor.table, power_mw=0.1, netlist=impostor.netlist), *library()]
    described, _ = bundle(write_handover(tmp_path / "bundle", model, images(1), library=others))
    verilog = {instance["name"]: instance["verilog"] for instance in described["instances"]}
    assert verilog == {"dadda8u": "dadda8u", "noisy": None, "high": None, "zero": None}


class Branching(nn.Module):
    """A dilated convolution with reflected borders, and a linear layer that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=(1, 0), dilation=2, padding_mode="reflect")
        self.linear = nn.Linear(32, 3)
        self.whole = True

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x).flatten(1)
        return self.linear(y) if self.whole else y


def branching() -> OperatingPointModel:
    """Return a model whose linear layer stays exact, with one point."""
    point = OperatingPoint("one", {"conv": "noisy"}, 1.0)
    tables = plain_tables(library(), operand_format("sm8"))
    quantised = quantize(Branching(), images(), exclude=["linear"])
    return OperatingPointModel(quantised, [point], library().names, tables)


def test_layers_that_stay_exact_and_other_paddings_are_replayed(tmp_path: Path) -> None:
    path = write_handover(tmp_path / "bundle", branching(), images(2))
    found = check_handover(path)
    assert (found.layers, found.accumulators) == (2, 2 * 4 * 4 * 2 + 2 * 3)
    described, _ = bundle(path)
    assert [layer["approximable"] for layer in described["layers"]] == [True, False]
    assert described["layers"][1]["points"][0]["choice"] == "exact"


def test_a_layer_that_the_images_do_not_reach_is_named(tmp_path: Path) -> None:
    model = branching()
    model.network.whole = False  # type: ignore[assignment]
    with pytest.raises(InputError, match="layer 'linear' is not reached by the images"):
        write_handover(tmp_path / "bundle", model, images(2))
    assert list(tmp_path.iterdir()) == []


def test_places_that_are_taken_are_refused_and_a_bundle_is_replaced_whole(tmp_path: Path) -> None:
    path = write_handover(tmp_path / "new" / "bundle", made(), images(1))
    with pytest.raises(InputError, match="bundle: exists already"):
        write_handover(path, made(), images(1))
    assert write_handover(path, made(), images(2), overwrite=True) == path and check_handover(path).images == 2
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="exists and is no hand-over bundle"):
        write_handover(tmp_path / "other", made(), images(1), overwrite=True)
    with pytest.raises(InputError, match="at least one image"):
        write_handover(tmp_path / "none", made(), images(0))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_handover(tmp_path / "file" / "bundle", made(), images(1))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_handover(tmp_path / name, made(), images(1))
    for file in ("handover.json", "handover.npz"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
