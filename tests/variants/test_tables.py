"""Weights tuned for layers, against loops over values; twins; and a network whose weights were replaced offline."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
import torch

import dse.objectives._simulation as simulation
from dse.error_model import measure_errors, predict_errors
from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, load_library
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, simulate
from dse.nn.datasets import Part
from dse.nn.tracing import layer_inputs, trace
from dse.nn.training import logits
from dse.objectives import Simulator
from dse.operands import FORMATS
from dse.types import Floats
from dse.variants import Choices, LayerTables, choice_tables, described, expand
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox
from tests.small import images, library, network

FORMAT_NAMES = ("sm8", "u8", "s8")


def histograms(layers: int = 2) -> Floats:
    """Return activations of few codes, small ones first, and none beyond 127 so that they serve signed formats too."""
    drawn = np.random.default_rng(0).random((layers, 256)) * np.exp(-np.arange(256) / 30)
    drawn[:, 128:] = 0
    return drawn / drawn.sum(axis=1, keepdims=True)


def varied(format: str) -> tuple[Choices, LayerTables]:
    choices = expand(library(signed=format == "s8"), order=True, tuning=["uniform", "histogram"])
    return choice_tables(choices, FORMATS[format], histograms())


@pytest.mark.parametrize("format", FORMAT_NAMES)
@pytest.mark.parametrize("name", ["noisy.uniform", "noisy.histogram", "noisy.swap.histogram"])
def test_stored_weights_are_brute_force_over_the_formats_values(format: str, name: str) -> None:
    choices, tables = varied(format)
    operands, share = FORMATS[format], histograms()
    m = choices.library.index(name)
    plain = operands.table(choices.library[name])
    weights = range(operands.w_low, operands.w_high + 1)
    for layer in range(2):
        codes = tables.codes(layer, m)
        assert codes is not None
        for w in list(weights)[:: 29 if format == "sm8" else 17]:
            cost = {}
            for stored in weights:
                miss = (plain[:, stored % len(operands.w_values)] - operands.x_values * w).astype(np.float64)
                if name.endswith("uniform"):
                    used = (operands.x_low <= operands.x_values) & (operands.x_values <= operands.x_high)
                    cost[stored] = float(np.abs(miss[used]).sum())
                else:
                    cost[stored] = float((share[layer] * miss**2).sum())
            chosen = int(operands.w_values[codes[w % len(operands.w_values)]])
            assert chosen in cost
            assert cost[chosen] == pytest.approx(min(cost.values()), rel=1e-9)
            if cost[w] == min(cost.values()):
                assert chosen == w


def test_zero_stays_gated_and_signs_stay_in_sm8() -> None:
    choices, tables = varied("sm8")
    assert any(tables.codes(0, m) is not None for m in range(len(tables)))
    for m in range(1, len(tables)):
        for layer in range(2):
            table, codes = tables.table(layer, m), tables.codes(layer, m)
            assert table is not None and not table[:, 0].any()
            if codes is not None:
                values = FORMATS["sm8"].w_values[codes]
                assert values[0] == 0
                assert all(values[-w % 512] == -values[w] and values[w] >= 0 for w in range(256))


def test_uniform_tuning_knows_no_layer_and_histograms_do() -> None:
    choices, tables = varied("sm8")
    uniform, fitted = (tables.stored[choices.library.index(f"noisy.{kind}")] for kind in ("uniform", "histogram"))
    assert uniform is not None and fitted is not None
    assert np.array_equal(uniform[0], uniform[1]) and not np.array_equal(fitted[0], fitted[1])


def test_twins_are_dropped_and_remembered() -> None:
    choices, tables = varied("u8")
    # whatever weight is stored, the zero multiplier says zero, and the exact one needs no tuning
    names = choices.library.names
    assert len(tables) == len(choices) and [n for n in names if n.startswith("zero")] == ["zero"]
    assert dict(choices.twins)["zero.histogram"] == names.index("zero")
    tables_of = [[tables.table(layer, m) for layer in range(2)] for m in range(1, len(choices))]
    circuits = choices.circuits[1:].tolist()
    for a in range(len(tables_of)):
        for b in range(a):
            if circuits[a] == circuits[b]:
                assert any(not np.array_equal(p, q) for p, q in zip(tables_of[a], tables_of[b], strict=True))  # type: ignore[arg-type]
    without = choice_tables(expand(library()), FORMATS["u8"], histograms())
    assert without[0].twins == () and len(without[1].tables) == 4


def test_a_circuit_whose_tunings_agree_has_one_of_them() -> None:
    exact = library()[0]
    table = exact.table.copy()
    table[:, [3, 200]] = table[:, [200, 3]]  # two columns have changed places: both tunings put them back
    made = MultiplierLibrary([exact, Multiplier("crossed", table, power_mw=0.1)])
    choices, tables = choice_tables(expand(made, tuning=["uniform", "histogram"]), FORMATS["u8"], histograms())
    assert choices.library.names == (exact.name, "crossed", "crossed.uniform")
    assert choices.twins == (("crossed.histogram", 2),)
    assert np.array_equal(tables.table(0, 2), exact.table)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [np.ones((2, 255)), np.ones(256), np.zeros((2, 256))])
def test_histograms_refused(given: Floats) -> None:
    choices = expand(library(), tuning=["histogram"])
    with pytest.raises(InputError, match="histogram"):
        choice_tables(choices, FORMATS["sm8"], given)


# -- in a network ------------------------------------------------------------------------------------------------------


def offline(plain, codes, x, w_codes, x_zero, w_zero):  # type: ignore[no-untyped-def]
    """Return the corrected sums `(R, G, N)` of a layer whose stored weights were replaced, product by product."""
    operands, table = plain
    sums = np.zeros((x.shape[0], x.shape[1], w_codes.shape[2]), dtype=np.int64)
    for r, g, n in np.ndindex(sums.shape):
        for k in range(x.shape[2]):
            meant = int(operands.w_values[w_codes[g, k, n]])
            a, zw = int(operands.x_values[x[r, g, k]]), int(w_zero[g, n])
            product = int(table[x[r, g, k], codes[w_codes[g, k, n]]])  # the stored weight goes through the circuit
            sums[r, g, n] += product - zw * a - x_zero * meant + x_zero * zw  # what is meant is taken out
    return sums


@pytest.mark.parametrize("weights", ["per-channel", "per-tensor"])
@pytest.mark.parametrize("format", FORMAT_NAMES)
def test_a_simulated_layer_is_one_whose_weights_were_replaced_offline(format: str, weights: str) -> None:
    model = network(format, weights)
    seen = trace(model, images(), patches=8)
    choices = expand(library(signed=format == "s8"), order=True, tuning=["uniform", "histogram"])
    left, tables = choice_tables(choices, seen.operands, seen.x_histograms)
    inputs = layer_inputs(model, images(2))
    corrected = 0
    for name in ("noisy.histogram", "noisy.swap.uniform"):
        m = left.library.index(name)
        plain = seen.operands, seen.operands.table(left.library[name])
        for l, (layer_name, layer) in enumerate(approximable_layers(model).items()):
            codes = tables.codes(l, m)
            assert codes is not None and (codes != np.arange(len(codes))).any()
            weight = layer.matrices()
            x_codes = inputs[layer_name][0]
            x = layer.patches(x_codes).numpy()[:5]
            zero, w_zero = int(layer.x_quantizer.zero_point), weight.zero_point.numpy()
            corrected += bool(zero) + bool(w_zero.any())
            expected = offline(plain, codes, x, weight.codes.numpy(), zero, w_zero)
            table = torch.from_numpy(plain[1].copy())
            stored = IntegerArithmetic(layer, table, stored=torch.from_numpy(codes))
            remade = IntegerArithmetic(layer, torch.from_numpy(tables.table(l, m)))  # type: ignore[arg-type]
            assert stored.sums(layer, x_codes)[:5].numpy().tolist() == expected.tolist()
            if l == 0:  # the whole layer, from real input
                assert torch.equal(stored(layer, images(2)), remade(layer, images(2)))
    assert corrected > 0 or format == "s8"


def test_predicted_and_measured_errors_are_those_of_the_layers_tables() -> None:
    model = network()
    seen = trace(model, images(), patches=12)
    left, tables = choice_tables(expand(library(), tuning=["histogram"]), seen.operands, seen.x_histograms)
    m = left.library.index("noisy.histogram")
    for grade in ("direct", "global", "multi-distribution"):
        found = predict_errors(seen, left.library, grade=grade, tables=tables)  # type: ignore[arg-type]
        for l in range(len(seen.layers)):
            alone = [tables.table(l, i) for i in range(len(tables))]
            same = predict_errors(seen, left.library, grade=grade, tables=LayerTables.of(alone))  # type: ignore[arg-type]
            assert np.array_equal(found.std[l], same.std[l]) and np.array_equal(found.mean[l], same.mean[l])
        assert (found.std[:, m] < found.std[:, left.library.index("noisy")]).all()
    measured = measure_errors(model, images(), seen, left.library, tables=tables)
    assert (measured.std[:, m] < measured.std[:, left.library.index("noisy")]).all()
    with pytest.raises(InputError, match=f"tables: expected those of {len(left)} multipliers, got 1"):
        predict_errors(seen, left.library, tables=LayerTables.of([None]))


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
@pytest.mark.parametrize("format", FORMAT_NAMES)
def test_designs_are_those_of_fresh_networks_with_the_layers_tables(
    monkeypatch: pytest.MonkeyPatch, format: str, cache_bytes: int
) -> None:
    monkeypatch.setattr(simulation, "_TABLE_BYTES", cache_bytes)
    model = network(format)
    seen = trace(model, images(), patches=8)
    choices = expand(library(signed=format == "s8"), order=True, tuning=["uniform", "histogram"])
    _, tables = choice_tables(choices, seen.operands, seen.x_histograms)
    x = torch.randn(20, *images(1).shape[1:], generator=torch.Generator().manual_seed(3))
    simulator = Simulator(model, Part(x, torch.arange(20) % 5), tables)
    designs = np.random.default_rng(0).integers(0, len(tables), (6, 3))
    found = simulator.evaluate(designs)
    for row, accuracy in zip(designs, found.accuracy, strict=True):
        fresh = network(format)
        made = {name: tables.table(l, int(m)) for l, (name, m) in enumerate(zip(seen.names, row, strict=True))}
        simulate(fresh, {name: table for name, table in made.items() if table is not None})
        assert simulator.accuracy(row) == accuracy
        assert logits(model, x).numpy().tobytes() == logits(fresh, x).numpy().tobytes()


def test_stored_codes_refused() -> None:
    model = network()
    layer = next(iter(approximable_layers(model).values()))
    table = torch.zeros((256, 512), dtype=torch.int32)
    for given, stored in (
        (None, torch.zeros(512, dtype=torch.int16)),
        (table, torch.zeros(256, dtype=torch.int16)),
        (table, torch.zeros(512)),
    ):
        with pytest.raises(InputError, match=r"stored: expected \(512,\) int16 and a table"):
            IntegerArithmetic(layer, given, stored=stored)
    simulate(model)


def test_what_a_layer_is_built_of() -> None:
    choices, tables = varied("sm8")
    m = choices.library.index("noisy.swap.histogram")
    found = described(choices.items[m], tables, FORMATS["sm8"], layer=1, choice=m)
    assert (found["circuit"], found["first_operand"], found["tuning"]) == ("noisy", "weight", "histogram")
    assert (found["x_clip"], found["w_clip"]) == (100, 100)
    circuit, stored = library()["noisy"].table, found["stored_weights"]
    rebuilt = np.zeros((256, 512), dtype="<i4")
    for w in range(-255, 256):
        kept = stored.get(str(w), w)
        rebuilt[:, w % 512] = np.sign(kept) * circuit[abs(kept), :]  # the weight is the first operand
    assert found["table_sha256"] == sha256(rebuilt.tobytes()).hexdigest()
    exact = described(choices.items[0], tables, FORMATS["sm8"], layer=0, choice=0)
    assert exact["stored_weights"] == {} and exact["first_operand"] == "activation" and exact["tuning"] == "none"


def test_what_a_clipped_choice_is_built_of() -> None:
    choices, tables = choice_tables(expand(library(), x_clip=[50], w_clip=[80]), FORMATS["u8"], np.full((1, 256), 1 / 256))
    m = choices.library.index("noisy.x50w80")
    found = described(choices.items[m], tables, FORMATS["u8"], layer=0, choice=m)
    assert (found["circuit"], found["x_clip"], found["w_clip"]) == ("noisy", 50, 80)


@needs_evoapprox
def test_the_order_of_operands_matters_as_is_known() -> None:
    """Swapped operands change JQQ's std far more than 1AGV's (in a trained ResNet-20, up to 33 times)."""
    seen = trace(network(), images())
    made = load_library(FOLDER / "mul8u.npz").select(["mul8u_JQQ", "mul8u_1AGV"])
    choices, tables = choice_tables(expand(made, order=True), seen.operands, seen.x_histograms)
    errors = predict_errors(seen, choices.library, tables=tables)
    std = {name: errors.std[:, m] for m, name in enumerate(choices.library.names)}
    ratio = std["mul8u_JQQ.swap"] / std["mul8u_JQQ"]
    assert ratio.max() > 3 and (std["mul8u_1AGV.swap"] / std["mul8u_1AGV"]).max() < 2
