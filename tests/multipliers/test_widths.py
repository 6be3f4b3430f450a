"""Exact multipliers of fewer operand bits, held against a quantiser in plain Python and against the estimator."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from dse.circuits import Builder, figures, product_table
from dse.circuits.parts import STRUCTURES, add_rows, partial_products
from dse.config import PACKAGED as NAMES
from dse.exceptions import InputError
from dse.multipliers import PACKAGED, Multiplier, clipped, load_library, twins, widths
from dse.multipliers._widths import _array
from dse.operands import FORMATS
from dse.variants import choice_tables, expand
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

BITS = range(3, 9)


def named(x_bits: int, w_bits: int) -> Multiplier:
    return widths()[f"exact{x_bits}x{w_bits}"]


def quantised(code: int, bits: int) -> Fraction:
    """Return the level nearest to a code, of all levels the one that a search finds; the higher of two."""
    step = Fraction(255, 2**bits - 1)
    return min((q * step for q in range(2**bits)), key=lambda level: (abs(level - code), -level))


@pytest.mark.parametrize(("x_bits", "w_bits"), [(8, 7), (8, 3), (6, 5), (5, 4), (3, 3)])
def test_tables_are_products_of_levels(x_bits: int, w_bits: int) -> None:
    table = named(x_bits, w_bits).table
    rows = [quantised(code, x_bits) for code in range(256)]
    columns = [quantised(code, w_bits) for code in range(256)]
    half = Fraction(1, 2)
    for a in range(0, 256, 5):
        for b in range(256):
            assert abs(int(table[a, b]) - rows[a] * columns[b]) <= half


def test_every_circuit_is_there_once() -> None:
    library = widths()
    assert set(library.names) == {f"exact{x}x{w}" for x in BITS for w in BITS if w <= x} and len(library) == 21
    assert library.names[0] == "exact8x8" and library[0].is_exact and sum(m.is_exact for m in library) == 1
    assert (np.diff(library.power_mw) <= 0).all()
    assert twins(library) == {}
    for m in library:
        assert (m.table[0] == 0).all() and (m.table[:, 0] == 0).all()


def test_with_both_orders_every_pair_of_widths_is_a_choice() -> None:
    choices = expand(widths(), order=True)
    found = set()
    for choice in choices:
        bits = tuple(map(int, choice.circuit.removeprefix("exact").split("x")))
        found.add(bits[::-1] if choice.swapped else bits)
    assert found == set(product(BITS, BITS)) and len(choices) == 36


@pytest.mark.parametrize("clip", [50, 75])
def test_clipped_levels_are_those_of_the_part_that_is_covered(clip: int) -> None:
    """Rounding to the 8-bit codes in between moves a level by half a code of the part at most."""
    table = clipped(named(4, 3), clip, 100).table[:, 255].astype(float)
    step = clip / 100 * 255 / 15
    nearest = np.minimum(np.round(np.arange(256) / step), 15) * step * 255
    assert np.abs(table - nearest).max() <= step * 255 + 1  # where rounding twice takes the other level
    assert np.isclose(table, nearest, atol=1).mean() > 0.97


@pytest.mark.parametrize("bits", [3, 4, 5, 6, 7])
def test_errors_are_those_of_rounding(bits: int) -> None:
    """Rounding errors are uniform between half steps: d / 4 in the mean and d^2 / 12 in the square."""
    step, codes = 255 / (2**bits - 1), np.arange(256)
    errors = named(8, bits).errors
    assert errors.mae == pytest.approx(step / 4 * codes.mean(), rel=0.03)
    assert errors.std_error**2 == pytest.approx(step**2 / 12 * (codes**2).mean(), rel=0.04)
    assert abs(errors.mean_error) < 1e-3 * errors.mae


@pytest.mark.parametrize("rows", [(8, 5), (3, 4)])
def test_circuits_are_exact(rows: tuple[int, int]) -> None:
    assert np.array_equal(product_table(_array(*rows)), np.multiply.outer(*map(np.arange, (2 ** rows[0], 2 ** rows[1]))))


@pytest.mark.parametrize(("x_bits", "w_bits"), [(8, 8), (8, 7), (5, 4), (3, 3)])
def test_figures_are_the_estimators(x_bits: int, w_bits: int) -> None:
    found = []
    for swap in (False, True):
        builder = Builder(x_bits, w_bits)
        operands = (builder.w, builder.x) if swap else (builder.x, builder.w)
        found.append(figures(builder.netlist(add_rows(builder, partial_products(builder, *operands)))))
    least = min(found, key=lambda f: f.power_mw)
    m = named(x_bits, w_bits)
    # glitches are sampled, so that exchanging the operands of an estimate changes it a little
    assert m.power_mw == pytest.approx(least.power_mw, rel=0.02)
    assert (m.area_um2, m.delay_ns) == pytest.approx((least.area_um2, least.delay_ns), rel=0.02)


def test_power_falls_with_each_bit() -> None:
    power = np.array([[named(max(x, w), min(x, w)).power_mw for w in BITS] for x in BITS])
    assert (np.diff(power, axis=0) > 0).all() and (np.diff(power, axis=1) > 0).all()


def test_the_reference_is_the_published_exact_circuit() -> None:
    m = widths()[0]
    assert (m.power_mw, m.area_um2, m.delay_ns) == pytest.approx((0.391, 709.6, 1.43), rel=2e-3)


def test_the_documented_powers() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "hardware.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| (\d) x (\d) \| (\d\.\d+) \| (\d\.\d+) ", text)
    assert len(rows) == 10
    for x, w, array, tree in rows:
        m = named(int(x), int(w))
        assert f"{widths().rel_energy[widths().index(m.name)]:.3f}" == array
        assert f"{_tree_power(int(x), int(w)) / widths().power_mw[0]:.3f}" == tree


def _tree_power(x_bits: int, w_bits: int) -> float:
    found = []
    for rows, columns in ((x_bits, w_bits), (w_bits, x_bits)):
        builder = Builder(rows, columns)
        products = partial_products(builder, builder.w, builder.x)
        found.append(figures(builder.netlist(STRUCTURES["dadda"](builder, products))).power_mw)
    return min(found)


@needs_evoapprox
def test_energies_compare_with_those_of_the_published_library() -> None:
    published = load_library(FOLDER, signed=False)
    assert widths().power_mw[0] == pytest.approx(published.power_mw[0], rel=2e-3)


@pytest.mark.parametrize("format", ["sm8", "u8"])
def test_layers_tune_their_weights_on_top(format: str) -> None:
    """Where activations are small, a clipped range costs nothing, and no stored weight makes up for what is not lost."""
    chosen = expand(widths().select(["exact4x3"]), x_clip=[50], tuning=["histogram"])
    histogram = np.zeros((1, 256))
    histogram[0, :120] = 1
    operands = FORMATS[format]
    left, tables = choice_tables(chosen, operands, histogram)
    error = {}
    for m, choice in enumerate(left):
        table = tables.table(0, m)
        if table is not None:
            error[choice.multiplier.name] = float((table.astype(float) - operands.exact)[:120].__pow__(2).sum())
    assert error["exact4x3.x50"] < error["exact4x3"]
    for name in ("exact4x3", "exact4x3.x50"):
        assert error.get(f"{name}.histogram", error[name]) <= error[name]


def test_signed_operands_are_refused() -> None:
    with pytest.raises(InputError, match="its operands are unsigned, got signed ones asked for; use format 'sm8'"):
        widths(signed=True)


def test_every_packaged_library_can_be_named_in_a_configuration() -> None:
    assert tuple(PACKAGED) == NAMES and PACKAGED["widths"] is widths
