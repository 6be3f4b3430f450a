"""What a hand-over bundle says, against the network it was written from."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.circuits import from_verilog, product_table
from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, builtin, swapped
from dse.nn.convert import quantize, quantized_layers
from dse.operands import operand_format
from dse.operating_points import OperatingPoint, OperatingPointModel, check_handover, write_handover
from dse.operating_points._tables import trainable
from dse.variants import Choices, choice_tables, expand, plain_tables
from tests.multipliers.test_clip import nearest
from tests.operating_points.small import LAYERS, all_outputs, clipped_choices, images, library, made, network


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


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_a_choice_comes_with_its_circuit_as_table_and_verilog(format: str, tmp_path: Path) -> None:
    """Each choice in a bundle of its own: none leans on what another one says of the circuit."""
    choices, tables = clipped_choices(format)
    chosen, names = builtin(signed=format == "s8"), choices.library.names
    assert len(names) > 8
    for number, known in enumerate(choices):
        point = OperatingPoint("one", dict.fromkeys(LAYERS, names[number]), 1.0)
        model = OperatingPointModel(network(format), [point], names, tables)
        path = write_handover(tmp_path / str(number), model, images(1), choices=choices)
        check_handover(path)
        described, arrays = bundle(path)
        (instance,), (choice,) = described["instances"], described["choices"]
        said = [choice[key] for key in ("instance", "first_operand", "x_clip", "w_clip")]
        assert said == [known.circuit, "weight" if known.swapped else "activation", known.x_clip, known.w_clip]
        assert np.array_equal(arrays[instance["table"]], chosen[known.circuit].table)
        assert instance["signed"] == (format == "s8")
        netlist = from_verilog(path / "verilog" / f"{instance['verilog']}.v", signed=format == "s8")
        assert np.array_equal(product_table(netlist), chosen[known.circuit].table)


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_circuit_sums_are_what_the_circuit_accumulates(format: str, tmp_path: Path) -> None:
    """Of the last layer, product by product, from the words of docs/handover.md; scaled they are the network's sums."""
    choices, tables = clipped_choices(format)
    names, operands = choices.library.names, operand_format(format)
    wanted = [c for c in choices if (c.x_clip, c.w_clip) != (100, 100)]
    points = [OperatingPoint(c.multiplier.name, dict.fromkeys(LAYERS, c.multiplier.name), 1.0) for c in wanted]
    model = OperatingPointModel(network(format), points, names, tables)
    described, arrays = bundle(write_handover(tmp_path / "bundle", model, images(2), choices=choices))
    layer, circuit = described["layers"][-1], arrays[described["instances"][0]["table"]]
    most = 127 if format == "s8" else 255

    def q(value: int, clip: int) -> int:
        return value if clip == 100 else min(max(nearest(Fraction(100 * value, clip)), -most), most)

    for choice, at in zip(wanted, layer["points"], strict=True):
        x_codes, sums, raw = (arrays[at[key]] for key in ("x_codes", "sums", "circuit_sums"))
        weights = arrays[layer["w_codes"]] if at["stored"] is None else arrays[at["stored"]][arrays[layer["w_codes"]]]
        w_values = operands.w_values[arrays[layer["w_codes"]]]
        zero_x, zero_w = layer["x_zero_point"], arrays[layer["w_zero_point"]].astype(np.int64)
        for image, channel in np.ndindex(*raw.shape):
            total = 0
            for x, code in zip(x_codes[image].tolist(), weights[channel].tolist(), strict=True):
                w = int(operands.w_values[code])
                pair = q(int(operands.x_values[x]), choice.x_clip), q(w, choice.w_clip)
                sign = int(np.sign(w)) if format == "sm8" else 1
                pair = pair[0], pair[1] * sign if format == "sm8" else pair[1]
                total += sign * int(circuit[pair[::-1] if choice.swapped else pair])  # a negative index is its code
            assert raw[image, channel] == total
        x = operands.x_values[x_codes]
        zeros = x.sum(axis=1, keepdims=True) * zero_w + zero_x * (w_values.sum(axis=1) - x.shape[1] * zero_w)
        shares = choice.x_clip * choice.w_clip / 10_000
        assert (np.abs(sums + zeros - shares * raw) <= x.shape[1] / 2).all()


def test_clipped_operands_of_a_circuit_that_is_not_known_are_refused(tmp_path: Path) -> None:
    choices, tables = clipped_choices("sm8")
    alone = next(c for c in choices if c.x_clip == 50)
    point = OperatingPoint("one", dict.fromkeys(LAYERS, alone.multiplier.name), 1.0)
    model = OperatingPointModel(network("sm8"), [point], choices.library.names, tables)
    with pytest.raises(InputError, match=f"choice '{alone.multiplier.name}' clips operands of the circuit .*; hand in"):
        write_handover(tmp_path / "bundle", model, images(1), choices=[alone])
    write_handover(tmp_path / "bundle", model, images(1), choices=[alone], library=builtin(signed=False))


def tuned_once(format: str) -> tuple[OperatingPointModel, MultiplierLibrary, Choices]:
    """Return a network whose multipliers are tuned once for all layers, one point each, as runs are by default."""
    circuits = [m for m in builtin(signed=False) if m.name in ("dadda8u", "dadda_trunc_c7u", "strollo_c9u", "trunc_v10u")]
    assert len(circuits) == 4
    choices = expand(MultiplierLibrary(circuits), order=True, weight_tuning=True, tuning=["histogram"])
    seen = np.random.default_rng(0).dirichlet(np.ones(256), len(LAYERS))
    choices, tables = choice_tables(choices, operand_format(format), seen)
    names = choices.library.names
    points = [OperatingPoint(name, dict.fromkeys(LAYERS, name), 1.0) for name in names]
    return OperatingPointModel(network(format), points, names, tables), MultiplierLibrary(circuits), choices


@pytest.mark.parametrize("format", ["sm8", "u8", "s8"])
def test_weights_tuned_once_for_all_layers_come_as_the_circuit_and_what_it_stores(format: str, tmp_path: Path) -> None:
    model, circuits, choices = tuned_once(format)
    operands = operand_format(format)
    path = write_handover(tmp_path / "bundle", model, images(1), choices=choices)
    check_handover(path)
    described, arrays = bundle(path)
    modules = {instance["name"]: instance["verilog"] for instance in described["instances"]}
    assert set(modules) == set(circuits.names) and None not in modules.values()
    tuned, beyond = 0, 0
    for choice, known in zip(described["choices"], choices, strict=True):
        circuit = circuits[choice["instance"]]
        netlist = from_verilog(path / "verilog" / f"{modules[choice['instance']]}.v")
        assert np.array_equal(product_table(netlist), circuit.table)
        table, levels = arrays[choice["table"]], 2**operands.w_bits
        assert np.array_equal(table[:, :levels], operands.table(swapped(circuit) if known.swapped else circuit))
        stored = [layer["points"][model.tables.choices.index(choice["name"])]["stored"] for layer in described["layers"]]
        if choice["tuning"] == "uniform":  # one map for all layers, and through it what the network multiplies with
            (name,) = set(stored)
            assert np.array_equal(table[:, arrays[name]], operands.table(known.multiplier))
            tuned += 1
        if choice["words"] is not None:
            signs, magnitudes = arrays[choice["words"]].T
            circuit = swapped(circuit) if known.swapped else circuit
            of_x = np.sign(operands.x_values) if format == "s8" else np.ones(256, dtype=np.int64)
            products = of_x[:, None] * signs * circuit.table[np.abs(operands.x_values)[:, None], magnitudes]
            assert np.array_equal(table[:, levels:], products)
            beyond += 1
    assert tuned >= 2 and (beyond > 0) == (format != "u8")


def test_a_library_of_tuned_circuits_alone_tells_what_their_gates_store(tmp_path: Path) -> None:
    model, circuits, choices = tuned_once("u8")
    path = write_handover(tmp_path / "bundle", model, images(1), library=choices.library)
    check_handover(path)
    described, arrays = bundle(path)
    found = {choice["name"]: choice for choice in described["choices"]}
    for name in circuits.names:
        assert np.array_equal(arrays[found[name]["table"]], circuits[name].table)
    assert found["strollo_c9u"]["tuning"] == "uniform"
    verilog = {instance["name"]: instance["verilog"] for instance in described["instances"]}
    assert None not in [verilog[name] for name in circuits.names]


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
    with pytest.raises(InputError, match="exists and holds no hand-over bundle"):
        write_handover(tmp_path / "other", made(), images(1), overwrite=True)
    for given, message in (
        (images(0), "at least one image"),
        (images(1).numpy(), "images: expected a float32 tensor .*, got ndarray"),
        (images(1).double(), "images: expected a float32 tensor .*, got torch.float64"),
        (images(1) * torch.nan, "images: expected finite numbers"),
    ):
        with pytest.raises(InputError, match=message):
            write_handover(tmp_path / "none", made(), given)  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_handover(tmp_path / "file" / "bundle", made(), images(1))


def test_a_model_in_training_is_refused(tmp_path: Path) -> None:
    model = made()
    model.give(model.arithmetics(trainable("straight-through", 0)))
    with pytest.raises(InputError, match="layer 'plain' has the arithmetic of a training"):
        write_handover(tmp_path / "bundle", model, images(1))
    assert list(tmp_path.iterdir()) == []


def test_a_choice_that_only_says_it_is_exact_is_refused(tmp_path: Path) -> None:
    point, tables = OperatingPoint("one", {"conv": "exact"}, 1.0), plain_tables(library(), operand_format("sm8"))
    names = [{"noisy": "exact"}.get(name, name) for name in library().names]
    model = OperatingPointModel(quantize(Branching(), images(), exclude=["linear"]), [point], names, tables)
    with pytest.raises(InputError, match="choice 'exact' is not exact"):
        write_handover(tmp_path / "bundle", model, images(1))


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_handover(tmp_path / name, made(), images(1))
    for file in ("handover.json", "handover.npz"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "second" / file).read_bytes()
