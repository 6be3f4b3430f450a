"""What points use of all the choices that there are, under the names and hashes that the rest of the package gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dse.nn.convert import quantized_layers
from dse.operands import operand_format
from dse.operating_points import OperatingPoint
from dse.operating_points._tables import PointTables, integer, trainable
from dse.variants import choice_tables, described, expand, plain_tables
from tests.operating_points.small import LAYERS, images, library, made, points


def test_choices_that_no_point_uses_are_not_kept() -> None:
    names, tables = library().names, plain_tables(library(), operand_format("sm8"))
    two = points()[:1]  # the exact multiplier and the one that is too high
    found = PointTables.of(two, LAYERS, names, tables, operand_format("sm8").exact)
    assert found.choices == ("dadda8u", "high") and found.designs.tolist() == [[0, 0, 1, 0]]
    assert len(found.tables) == len(found.tables.tables) == 2
    assert np.array_equal(found.looked_up(1), operand_format("sm8").table(library()["high"]))
    assert np.array_equal(found.looked_up(0), operand_format("sm8").exact)


def test_hashes_are_those_of_designs_that_are_described_alone() -> None:
    operands = operand_format("u8")
    choices, tables = choice_tables(
        expand(library(), order=True, tuning=("histogram",)),
        operands,
        np.random.default_rng(0).dirichlet(np.ones(256), len(LAYERS)),
    )
    names = choices.library.names
    chosen = {choice.circuit: name for name, choice in zip(names, choices, strict=True) if choice.tuning}
    made_points = [OperatingPoint(n, dict.fromkeys(LAYERS, n), 1.0) for n in (*chosen.values(), "noisy.swap")]
    hashes = PointTables.of(made_points, LAYERS, names, tables, operands.exact).hashes()
    for layer, name in enumerate(LAYERS):
        for choice, digest in hashes[name].items():
            position = names.index(choice)
            alone = described(choices.items[position], tables, operands, layer=layer, choice=position)
            assert alone["table_sha256"] == digest
    assert len({hashes[name][chosen["noisy"]] for name in LAYERS}) > 1  # layers store other weights


@pytest.mark.parametrize("tuned", [False, True])
def test_training_passes_compute_what_simulation_computes(tuned: bool) -> None:
    model = made(tuned=tuned)
    layers = quantized_layers(model.network)
    simulated, training = (model.arithmetics(make) for make in (integer, trainable("straight-through", 2)))
    x = {
        "plain": images(2),
        "depthwise": torch.rand(2, 4, 6, 6),
        "grouped": torch.rand(2, 8, 6, 6),
        "linear": torch.rand(2, 54),
    }
    for name, first, second in zip(layers, simulated, training, strict=True):
        for a, b in zip(first, second, strict=True):
            given = x[name].clone().requires_grad_()
            y = b(layers[name], given)
            assert torch.equal(a(layers[name], x[name]), y.detach())
            y.sum().backward()
            assert given.grad is not None and given.grad.abs().sum() > 0
