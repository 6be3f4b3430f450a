"""The network that switches: what its points compute, what they share, and that every way of handing it on keeps them."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dse.compensation import Folded
from dse.exceptions import InputError
from dse.multipliers import spread_codes
from dse.nn.arithmetic import IntegerArithmetic
from dse.nn.convert import approximable_layers, quantize, simulate
from dse.nn.layers import Correction
from dse.operands import operand_format
from dse.operating_points import OperatingPoint, OperatingPointModel
from dse.operating_points._overhead import stored_bytes
from dse.operating_points._tables import integer, trainable
from dse.variants import expand, plain_tables
from tests.operating_points.small import (
    DESIGNS,
    LAYERS,
    all_outputs,
    alone,
    clipped_choices,
    factory,
    images,
    library,
    made,
    network,
    outputs,
    points,
)


def same(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"methods": ()},
        {"methods": ("bias",)},
        {"methods": ("moments", "batch-norm")},
        {"tuned": True},
        {"format": "u8"},
        {"format": "s8"},
    ],
)
def test_every_point_computes_what_its_design_computes_alone(kwargs: dict[str, Any]) -> None:
    model = made(**kwargs)
    found = all_outputs(model)
    assert same(found, [alone(point, **kwargs)(images(seed=7)) for point in range(3)])
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[1], found[2])
    assert same(all_outputs(model)[::-1], found[::-1])  # and again after the others


def test_points_are_switched_by_index_and_name_between_batches() -> None:
    model, wanted = made(), [outputs(alone(point)) for point in range(3)]
    assert model.operating_point == 0 and torch.equal(outputs(model), wanted[0])
    for point in (2, "middle", np.int64(1), "best"):
        model.operating_point = point  # type: ignore[assignment]
        assert torch.equal(outputs(model), wanted[model.operating_point])
    with model.at("eco"):
        assert torch.equal(outputs(model), wanted[2])
    assert model.operating_point == 0


@pytest.mark.parametrize("point", [3, -1, True, 1.0, None, "turbo"])
def test_what_is_no_point_is_refused_and_the_one_in_use_stays(point: Any) -> None:
    model = made()
    model.operating_point = 1
    with pytest.raises(InputError, match="operating.point.*(best, middle, eco|best, eco, middle)"):
        model.operating_point = point
    assert model.operating_point == 1


def test_switching_prepares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made()
    wanted = all_outputs(model)
    monkeypatch.setattr(IntegerArithmetic, "_prepare", lambda *_: pytest.fail("prepared again"))
    assert same(all_outputs(model), wanted)


def test_points_with_one_multiplier_in_a_layer_share_what_is_prepared() -> None:
    for name, column in zip(LAYERS, made().arithmetics(integer), strict=True):
        choices = DESIGNS[:, LAYERS.index(name)].tolist()
        for i in range(3):
            for j in range(3):
                assert (column[i] is column[j]) == (choices[i] == choices[j])


def test_points_that_are_corrected_alike_share_a_row() -> None:
    state = made(methods=("affine",)).state_dict()
    rows = [state[f"network.{name}.arithmetic.correction_row"].tolist() for name in LAYERS]
    assert rows == [[-1, 0, 1], [-1, 0, 0], [0, 0, 1], [-1, 0, 0]]


def test_a_state_has_every_point_whichever_is_in_use() -> None:
    model = made()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.operating_point = 2
    after = model.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def test_a_state_brings_corrections_statistics_weights_and_norms_of_its_own() -> None:
    model = made()
    model.own_norms()
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.mul_(1 + 0.01 * number)
    other = made(methods=())  # no corrections, one gamma and beta
    other.operating_point = 1
    other.load_state_dict(model.state_dict())
    assert same(all_outputs(other), all_outputs(model)) and other.owns_norms
    assert torch.equal(outputs(other), all_outputs(model)[1])  # at once, at the point in use


def test_a_state_is_also_loaded_as_part_of_another_network() -> None:
    source, target = nn.Sequential(made()), nn.Sequential(made(methods=()))
    target[0].operating_point = 2
    target.load_state_dict(source.state_dict())
    assert torch.equal(outputs(target), all_outputs(made())[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: OperatingPointModel.of(factory(), points()[:2], library().names),
            "expected 3 operating points, got 2",
        ),
        (lambda: alone(0), "expected that of an OperatingPointModel"),
        (lambda: nn.Linear(2, 2), "expected that of an OperatingPointModel"),
    ],
)
def test_states_of_others_are_refused_in_one_line(change: Any, message: str) -> None:
    model = made()
    before = all_outputs(model)
    with pytest.raises(InputError, match=message) as caught:
        model.load_state_dict(change().state_dict())
    assert "\n" not in str(caught.value) and same(all_outputs(model), before)


def test_states_of_another_network_are_refused_with_the_first_name() -> None:
    state = made().state_dict()
    with pytest.raises(InputError, match="missing 'network.linear.bias'; is it of another network"):
        made().load_state_dict({name: t for name, t in state.items() if name != "network.linear.bias"})
    with pytest.raises(InputError, match="unexpected 'network.more'"):
        made().load_state_dict({**state, "network.more": torch.zeros(1)})
    with pytest.raises(InputError, match=r"'network.linear.weight': expected \(5, 54\), got \(5, 53\)"):
        made().load_state_dict({**state, "network.linear.weight": state["network.linear.weight"][:, 1:]})
    correction = "network.plain.arithmetic.correction_scale"
    with pytest.raises(InputError, match=f"'{correction}': expected .*; is it of another network"):
        made().load_state_dict({**state, correction: torch.ones(2, 9)})


PLAIN, NORM = "network.plain.arithmetic.correction", "network.bn1.norms.1.running_var"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (f"{PLAIN}_row", lambda t: torch.tensor([-1, 0, 99]), r"expected rows -1\.\.1 .*, got \[-1, 0, 99\]"),
        (f"{PLAIN}_row", lambda t: torch.tensor([-5, 0, 1]), r"expected rows -1\.\.1"),
        (f"{PLAIN}_row", lambda t: t.float(), "expected integers, got torch.float32"),
        (f"{PLAIN}_row", lambda t: t[0], r"expected \(3,\), got \(\)"),
        (f"{PLAIN}_scale", lambda t: t[:1], "correction_scale' has 1 rows, '.*correction_offset' 2"),
        (f"{PLAIN}_offset", lambda t: t * torch.nan, "expected finite numbers"),
        ("network.plain.weight", lambda t: t.to(torch.int8), "expected floats, got torch.int8"),
        ("network.plain.weight", lambda t: t.to(torch.complex64), "expected floats, got torch.complex64"),
        ("network.plain.weight", lambda t: None, "expected a tensor, got NoneType"),
        (NORM, lambda t: -t, "expected numbers of 0 or more"),
        ("network.linear.x_quantizer.scale", torch.zeros_like, "expected numbers above 0"),
        ("network.linear.x_quantizer.scale", lambda t: t * torch.inf, "expected finite numbers"),
        ("network.linear.x_quantizer.zero_point", lambda t: t + 999, "expected codes, -128 to 255"),
        ("network.plain.weight", lambda t: t * torch.nan, "expected finite numbers"),
        ("network.bn2.norms.2.running_mean", lambda t: t / 0, "expected finite numbers"),
    ],
)
def test_states_with_a_damaged_entry_are_refused_and_change_nothing(
    name: str, change: Any, message: str, strict: bool
) -> None:
    model, other = made(), nn.Sequential(made())
    wanted, state = all_outputs(model), made(methods=("affine",)).state_dict()
    state = {**state, name: change(state[name])}
    for load in (
        lambda: model.load_state_dict(state, strict=strict),
        lambda: other.load_state_dict({f"0.{key}": value for key, value in state.items()}, strict=strict),
    ):
        with pytest.raises(InputError, match=message) as caught:
            load()
        assert name.rpartition("_")[0] in str(caught.value) and "\n" not in str(caught.value)
    assert same(all_outputs(model), wanted) and same(all_outputs(other[0]), wanted)  # type: ignore[arg-type]


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(InputError, match="expected the state dict of an OperatingPointModel, got NoneType"):
        made().load_state_dict(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("owned", [False, True])
def test_a_state_that_is_assigned_keeps_what_points_share(owned: bool) -> None:
    source, model = made(), made(methods=())
    if owned:
        source.own_norms()
        with torch.no_grad():
            source.norms[0].norms[2].weight.mul_(2)  # type: ignore[operator,union-attr]
    for state in (source.state_dict(), {name: tensor.clone() for name, tensor in source.state_dict().items()}):
        model.load_state_dict(state, assign=True)
        assert same(all_outputs(model), all_outputs(source))
        assert [norm.owned for norm in model.norms] == [owned, False]
        assert model.overhead() == source.overhead() and model.overhead().norms == (4 if owned else 0)
    copy.deepcopy(model).load_state_dict(source.state_dict(), assign=True)
    assert len(list(model.norms[1].parameters())) == 2


def test_a_copy_has_a_life_of_its_own() -> None:
    model = made()
    wanted = all_outputs(model)
    other = copy.deepcopy(model)
    other.operating_point = 2
    assert model.operating_point == 0 and torch.equal(outputs(model), wanted[0])
    assert torch.equal(outputs(other), wanted[2])
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    other.load_state_dict(other.state_dict())
    assert same(all_outputs(model), wanted) and not torch.equal(all_outputs(other)[0], wanted[0])


def test_the_given_network_stays_as_it_was() -> None:
    model = network()
    before, kept = list(model.state_dict()), approximable_layers(model)["plain"].arithmetic
    tables = plain_tables(library(), operand_format("sm8"))
    OperatingPointModel(model, points(), library().names, tables).operating_point = 2
    assert list(model.state_dict()) == before and approximable_layers(model)["plain"].arithmetic is kept


def test_points_switch_in_inference_mode_and_train_afterwards() -> None:
    model, wanted = made(), all_outputs(made())
    with torch.inference_mode():
        for point in (1, 2):
            model.operating_point = point
            assert torch.equal(model(images(seed=7)), wanted[point])
    model.give(model.arithmetics(trainable("straight-through", 0)))
    model.train()(images(seed=7)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def loaded() -> OperatingPointModel:
    model = made(methods=())
    model.load_state_dict(made().state_dict())
    return model


def owning() -> OperatingPointModel:
    model = made()
    model.own_norms()
    return model


def copied() -> OperatingPointModel:
    model: OperatingPointModel = copy.deepcopy(made())
    return model


@pytest.mark.parametrize("make", [made, loaded, owning, copied])
def test_what_is_made_in_inference_mode_trains_afterwards(make: Any) -> None:
    with torch.inference_mode():
        model = make()
    assert same(all_outputs(model), all_outputs(made()))
    model.give(model.arithmetics(trainable("straight-through", 0)))
    for point in range(3):
        model.operating_point = point
        model.train()(images(seed=7)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_training_passes_move_the_statistics_of_the_point_in_use_alone() -> None:
    model = made()
    model.operating_point = 1
    before = [copy.deepcopy(norm.state_dict()) for norm in model.norms]
    model.train()(images(seed=7))
    for norm, old in zip(model.norms, before, strict=True):
        moved = {name for name, tensor in norm.state_dict().items() if not torch.equal(tensor, old[name])}
        assert moved == {f"norms.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}


def test_pickles_and_worker_processes_keep_the_points() -> None:
    model = made()
    wanted = all_outputs(model)
    model.operating_point = 1
    assert same(all_outputs(pickle.loads(pickle.dumps(model))), wanted)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert torch.equal(pool.submit(outputs, model).result(), wanted[1])
        assert same(pool.submit(all_outputs, model).result(), wanted)


def test_what_is_prepared_moves_along() -> None:
    model = made()
    wanted, before = all_outputs(model), model.network.plain.arithmetic.at(0)  # type: ignore[operator,union-attr]
    assert model.to("cpu").network.plain.arithmetic.at(0) is before  # type: ignore[operator,union-attr]
    model._device = torch.device("meta")  # as if it had been elsewhere
    model.to("cpu")
    assert model.network.plain.arithmetic.at(0) is not before  # type: ignore[operator,union-attr]
    assert same(all_outputs(model), wanted)
    if torch.cuda.is_available():
        moved = made().to("cuda")
        there = [y.cpu() for y in all_outputs(moved, images(seed=7).cuda())]
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(there, wanted, strict=True))
        assert same(all_outputs(moved.to("cpu")), wanted)


def test_overhead_counts_rows_beyond_the_first_points_and_norms_as_the_paper_does() -> None:
    base = sum(parameter.numel() for parameter in network().parameters())
    plain, biased, scaled = (made(methods=m).overhead() for m in ((), ("bias",), ("affine",)))
    assert (plain.base_parameters, plain.parameters, plain.statistics, plain.nbytes) == (base, 0, 0, 0)
    channels = {"plain": 4, "depthwise": 8, "grouped": 6, "linear": 5}
    rows = {"plain": 2, "depthwise": 1, "grouped": 1, "linear": 1}  # beyond the first point's, by layer
    offsets = sum(channels[name] * rows[name] for name in LAYERS)
    assert biased.corrections == offsets
    # an error that is always 1 leaves the slope at 1, and channels that are always zero have none: two rows of offsets alone
    assert scaled.corrections == 2 * offsets - 2 * channels["plain"]
    model = made()
    assert model.overhead().statistics == 2 * 2 * (4 + 8) and model.overhead().norms == 0
    model.own_norms()
    assert model.overhead() == made().overhead()  # as long as they are what the first point has
    with torch.no_grad():
        for value, norm in enumerate(part for switched in model.norms for part in switched.norms):
            for parameter in norm.parameters():
                parameter.fill_(value)
    found = model.overhead()
    assert found.base_parameters == base and found.norms == 2 * 2 * (4 + 8)  # gamma and beta of two points more
    assert found.rel_parameters == (found.norms + found.corrections) / base
    assert found.nbytes == 4 * (found.norms + found.corrections + found.statistics)


def test_overhead_counts_the_weights_that_points_store_besides() -> None:
    assert made(methods=()).overhead().stored_bytes == 0
    found = made(methods=(), tuned=True).overhead()
    # depthwise, grouped and linear store a second set of 9-bit weights: fewer codes than three maps of 512
    weights = sum(approximable_layers(network())[name].weight.numel() for name in LAYERS[1:])
    assert weights < 3 * 512 and found.stored_bytes == -(-weights * 9 // 8)
    assert found.parameters == 0 and found.nbytes == found.stored_bytes


def test_overhead_counts_maps_where_they_are_smaller_equal_ones_once() -> None:
    first, second = np.arange(512, dtype=np.int16)[::-1].copy(), np.zeros(512, dtype=np.int16)
    layers = [(9_000, [None, first, None]), (8_000, [first, first, second]), (7_000, [second, second, second])]
    assert stored_bytes(layers, 512) == 2 * 512 * 9 // 8  # type: ignore[arg-type]
    assert stored_bytes([(10, [None, first, second])], 512) == -(-2 * 10 * 9 // 8)
    assert stored_bytes([(10, [None, np.arange(512, dtype=np.int16)])], 512) == 0


def test_overhead_knows_weights_tuned_once_for_all_layers_by_the_choices() -> None:
    choices = expand(library(), weight_tuning=True)
    tables = plain_tables(choices.library, operand_format("sm8"))
    model = OperatingPointModel(network(), points(), library().names, tables)
    assert model.overhead().stored_bytes == 0
    assert model.overhead(choices).stored_bytes > 0
    assert model.overhead(choices).parameters == model.overhead().parameters


def test_overhead_counts_other_weights_and_factors_where_operands_are_clipped() -> None:
    choices, tables = clipped_choices("sm8")
    circuit = choices.items[-1].circuit
    names = [circuit, f"{circuit}.w80", f"{circuit}.x50", f"{circuit}.x50"]
    at = [OperatingPoint(str(n), dict.fromkeys(LAYERS, name), 1.0) for n, name in enumerate(names)]
    model = OperatingPointModel(network(), at, choices.library.names, tables)
    assert model.overhead().stored_bytes == 0 and model.overhead().ranges == 0  # as far as is known without choices
    found = model.overhead(choices)
    # one map for all layers, of weights spread over 100/80 of their codes: fewer codes than the weights again
    weights = sum(approximable_layers(network())[name].weight.numel() for name in LAYERS)
    assert found.stored_bytes == -(-min(weights, 512) * 9 // 8)
    assert found.ranges == found.parameters == 2 * 2 * len(LAYERS)


def test_memory_holds_what_the_circuit_multiplies_by() -> None:
    choices, tables = clipped_choices("sm8")
    name, operands = f"{choices.items[-1].circuit}.x50w80.histogram", operand_format("sm8")
    model = OperatingPointModel(
        network(), [OperatingPoint("one", dict.fromkeys(LAYERS, name), 1.0)], choices.library.names, tables
    )
    (wiring,), tuned = model.tables.wirings(choices, operands), model.tables.stored("plain", 0)
    spread = spread_codes(operands.w_values, 80)
    assert tuned is not None and np.array_equal(wiring.held_in(tuned, operands), spread[tuned])
    assert np.array_equal(wiring.held_in(None, operands), spread)
    assert operands.w_values[spread[operands.w_values == -202]] == -253  # -252.5: halves go away from 0


def test_norms_of_their_own_start_as_what_they_were() -> None:
    model = made()
    wanted = all_outputs(model)
    assert not model.owns_norms
    for _ in range(2):
        model.own_norms()
        assert model.owns_norms and same(all_outputs(model), wanted)
    with torch.no_grad():
        model.norms[0].norms[1].weight.add_(1.0)  # type: ignore[operator,union-attr]
    found = all_outputs(model)
    assert (
        torch.equal(found[0], wanted[0]) and not torch.equal(found[1], wanted[1]) and torch.equal(found[2], wanted[2])
    )


def test_layers_that_stay_exact_and_networks_without_norms() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    quantised = quantize(net, images(), exclude=["3"])
    tables = plain_tables(library(), operand_format("sm8"))
    two = [replace(point, assignment={"0": m}) for point, m in zip(points()[:2], ("noisy", "zero"), strict=True)]
    model = OperatingPointModel(quantised, two, library().names, tables)
    for point, name in enumerate(("noisy", "zero")):
        simulate(quantised, {"0": library()[name]})
        with model.at(point):
            assert torch.equal(outputs(model, images()), outputs(quantised, images()))
    assert model.norms == () and model.owns_norms and model.overhead().parameters == 0


def test_what_does_not_fit_together_is_refused() -> None:
    tables, names = plain_tables(library(), operand_format("sm8")), library().names
    with pytest.raises(InputError, match="expected a quantised network"):
        OperatingPointModel(nn.Linear(2, 2), points(), names, tables)
    with pytest.raises(InputError, match="a name for each of 4 choices, got 3"):
        OperatingPointModel(network(), points(), names[:3], tables)
    with pytest.raises(InputError, match="compensates each of 3 points, got 1"):
        OperatingPointModel(network(), points(), names, tables, folded=[Folded.of(network())])
    wrong = Folded.of(network())
    wrong = replace(wrong, corrections={**wrong.corrections, "plain": Correction(torch.ones(3), torch.zeros(3))})
    with pytest.raises(InputError, match=r"expected scale and offset \(4,\)"):
        OperatingPointModel(network(), points()[:1], names, tables, folded=[wrong])
    foreign = Folded({"conv9": None}, {})
    with pytest.raises(InputError, match="what compensates them is of other layers"):
        OperatingPointModel(network(), points()[:1], names, tables, folded=[foreign])
    with pytest.raises(InputError, match="unknown layer in operating point 'best'"):
        OperatingPointModel(network(), [replace(points()[0], assignment={"conv9": names[0]})], names, tables)
