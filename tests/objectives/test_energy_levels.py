"""Energy levels with a pocket calculator."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.nn.tracing import LayerShape, Trace
from dse.objectives import (
    DEFAULT_ENERGY_TABLE,
    ENERGY_LEVELS,
    EnergyTable,
    NetworkEnergy,
    RelativeEnergy,
    network_energy,
    product_energy,
)
from dse.space import SearchSpace

TABLE = EnergyTable(
    source="made up",
    multiplier_pj=1,
    adder_pj_per_bit=0.01,
    register_pj_per_bit=0.02,
    wire_pj_per_bit_mm=0.1,
    pitch_mm=0.1,
    sram_pj_per_bit=0.5,
    rows=4,
    columns=4,
)
CONV = LayerShape("conv", op_count=480, fan_in=8, channels=6, positions=10)
HEAD = LayerShape("head", op_count=10, fan_in=5, channels=2, positions=1)  # stays exact in these tests
# With 8-bit weights, 16 + 3 bits of accumulator: 19 * 0.03 = 0.57; 16 bits moved by 0.1 mm: 16 * (0.02 + 0.01) = 0.48.
# conv: 6 channels in 2 turns, 10 positions in 3: 8 bits serve 3 products, 8 bits 10 / 3, and 8 bits are written for 8.
CONV_PJ = [1, 1.57, 2.05, 2.05 + 0.5 * (8 / 3 + 2.4 + 1)]
HEAD_PJ = [1, 1.57, 2.05, 2.05 + 0.5 * (4 + 8 + 1.6)]
TOTAL_PJ = dict(zip(ENERGY_LEVELS, (490, 769.3, 1004.5, 2528.5), strict=True))


def two_layers(table: EnergyTable = TABLE) -> NetworkEnergy:
    return network_energy(Trace((), "u8", (CONV, HEAD), 1), table)


def space(overhead: float) -> SearchSpace:
    return SearchSpace(("conv",), ("exact", "cheap"), np.array([480]), np.array([1, 0.3]), 10, overhead=overhead)


def test_products_by_hand() -> None:
    assert two_layers().product_pj == pytest.approx(np.array([CONV_PJ, HEAD_PJ]))
    signed = product_energy(CONV, TABLE, w_bits=9) - product_energy(CONV, TABLE, w_bits=8)
    assert signed == pytest.approx(
        [0, 0.03, 0.03 + 0.03, 0.06 + 0.5 * 0.3]
    )  # one more bit, of the sum and of the weight


def test_the_example_of_the_docs() -> None:
    spent = product_energy(LayerShape("conv4", 55296, 144, 24, 16), DEFAULT_ENERGY_TABLE, w_bits=9)
    text = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(encoding="utf-8")
    said = re.findall(r"^(\w+) +[\d.]+ .*= ([\d.]+) +share (\d+) %$", text, re.MULTILINE)
    assert [name for name, *_ in said] == list(ENERGY_LEVELS[1:])
    for (_, pj, share), found in zip(said, spent[1:], strict=True):
        assert (float(pj), int(share)) == (round(found, 3), round(100 * 0.2 / found))


@pytest.mark.parametrize(("fan_in", "bits"), [(1, 16), (2, 17), (3, 18), (4, 18), (255, 24), (256, 24), (257, 25)])
def test_width_of_the_accumulator(fan_in: int, bits: int) -> None:
    accumulate = np.diff(product_energy(replace(CONV, fan_in=fan_in), TABLE, w_bits=8))[0]
    assert accumulate == pytest.approx(0.03 * bits)
    assert 2**bits > fan_in * 255 * 255  # and the sums fit


@pytest.mark.parametrize(
    ("channels", "positions", "bits"),
    [
        (4, 4, 8 / 4 + 8 / 4),
        (8, 40, 8 / 4 + 8 / 4),
        (1, 4, 8 + 8 / 4),  # depthwise: nobody shares the activation
        (4, 1, 8 / 4 + 8),  # fully connected: nobody shares the weight
        (5, 4, 8 / 2.5 + 8 / 4),  # one full and one nearly empty turn
    ],
)
def test_operands_read_for_a_product(channels: int, positions: int, bits: float) -> None:
    shape = replace(CONV, channels=channels, positions=positions)
    assert np.diff(product_energy(shape, TABLE, w_bits=8))[2] == pytest.approx(0.5 * (bits + 1))


@pytest.mark.parametrize("level", ENERGY_LEVELS)
def test_savings_by_hand(level: str) -> None:
    energy = two_layers()
    assert energy.share(level) == pytest.approx(490 / TOTAL_PJ[level])
    assert energy.overhead(level) == pytest.approx(TOTAL_PJ[level] - 490)
    exact, cheap = RelativeEnergy(space(energy.overhead(level)))(np.array([[0], [1]]))
    assert exact == 1
    assert cheap == pytest.approx(1 - 480 * 0.7 / TOTAL_PJ[level])
    assert 1 - cheap == pytest.approx((1 - RelativeEnergy(space(0.0))(np.array([[1]]))[0]) * energy.share(level))


def test_the_multiplier_level_is_what_it_was_to_the_last_bit() -> None:
    energy = two_layers(DEFAULT_ENERGY_TABLE)
    assert energy.overhead("multiplier") == 0 and energy.share("multiplier") == 1


@pytest.mark.parametrize("table", [TABLE, DEFAULT_ENERGY_TABLE])
def test_savings_shrink_with_every_level(table: EnergyTable) -> None:
    shares = [two_layers(table).share(level) for level in ENERGY_LEVELS]
    assert shares == sorted(set(shares), reverse=True) and len(set(shares)) == 4
    free = replace(
        table, adder_pj_per_bit=0, register_pj_per_bit=0, wire_pj_per_bit_mm=0, sram_pj_per_bit=0
    )  # where additions cost nothing, nothing shrinks
    assert [two_layers(free).share(level) for level in ENERGY_LEVELS] == [1, 1, 1, 1]


def test_only_ratios_to_the_multiplier_count() -> None:
    per_bit = {key: 7 * getattr(TABLE, key) for key in ("adder_pj_per_bit", "register_pj_per_bit", "sram_pj_per_bit")}
    scaled = two_layers(replace(TABLE, multiplier_pj=7, wire_pj_per_bit_mm=0.7, **per_bit))
    for level in ENERGY_LEVELS:
        assert scaled.share(level) == pytest.approx(two_layers().share(level))
        assert scaled.overhead(level) == pytest.approx(two_layers().overhead(level))


@pytest.mark.parametrize("method", ["share", "overhead"])
def test_an_unknown_level_is_named_with_the_nearest(method: str) -> None:
    with pytest.raises(InputError, match="unknown energy level 'memroy'; did you mean 'memory'?"):
        getattr(two_layers(), method)("memroy")
