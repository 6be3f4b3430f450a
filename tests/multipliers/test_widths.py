"""Exact multipliers of fewer operand bits, held against a quantiser in plain Python and against the estimator."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from dse.circuits import Builder, figures, product_table
from dse.circuits.parts import STRUCTURES, add_rows, partial_products
from dse.config import PACKAGED as NAMES
from dse.exceptions import InputError
from dse.multipliers import PACKAGED, Multiplier, import_library, load_library, twins, widths, write_library
from dse.multipliers._widths import _array
from dse.operands import FORMATS
from dse.variants import choice_tables, expand
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

BITS = range(3, 9)


def named(x_bits: int, w_bits: int, ranges: str = "") -> Multiplier:
    return widths()[f"exact{x_bits}x{w_bits}{ranges}"]


def quantised(code: int, bits: int, covered: str) -> Fraction:
    """Return the level nearest to a code, of all levels the one that a search finds; the higher of two."""
    step = Fraction(covered) * 255 / (2**bits - 1)
    return min((q * step for q in range(2**bits)), key=lambda level: (abs(level - code), -level))


@pytest.mark.parametrize(
    ("name", "x", "w"),
    [
        ("exact7x8", (7, "1"), (8, "1")),
        ("exact8x3.w75", (8, "1"), (3, "0.75")),
        ("exact6x5.x50w85", (6, "0.5"), (5, "0.85")),
        ("exact5x4", (5, "1"), (4, "1")),
        ("exact4x5.x35w75", (4, "0.35"), (5, "0.75")),
        ("exact3x3.x75", (3, "0.75"), (3, "1")),
    ],
)
def test_tables_are_products_of_levels(name: str, x: tuple[int, str], w: tuple[int, str]) -> None:
    table = widths()[name].table
    rows = [quantised(code, *x) for code in range(256)]
    columns = [quantised(code, *w) for code in range(256)]
    half = Fraction(1, 2)
    for a in range(0, 256, 5):
        for b in range(256):
            assert abs(int(table[a, b]) - rows[a] * columns[b]) <= half


def test_every_width_and_range_is_there_once() -> None:
    library = widths()
    assert len(library) == (1 + 2 * 3 + 3 * 4) * (3 + 3 * 3) == len({m.table_hash for m in library})
    assert library.names[0] == "exact8x8" and library[0].is_exact and sum(m.is_exact for m in library) == 1
    assert (np.diff(library.power_mw) <= 0).all()
    assert {m.circuit for m in library} == {f"exact{x}x{w}" for x in BITS for w in BITS}
    assert twins(library) == {}
    for m in library:
        assert m.name.partition(".")[0] == m.circuit and (m.table[0] == 0).all() and (m.table[:, 0] == 0).all()


@pytest.mark.parametrize("bits", [3, 4, 5, 6, 7])
def test_errors_are_those_of_rounding(bits: int) -> None:
    """Rounding errors are uniform between half steps: d / 4 in the mean and d^2 / 12 in the square."""
    step, codes = 255 / (2**bits - 1), np.arange(256)
    errors = named(bits, 8).errors
    assert errors.mae == pytest.approx(step / 4 * codes.mean(), rel=0.03)
    assert errors.std_error**2 == pytest.approx(step**2 / 12 * (codes**2).mean(), rel=0.04)
    assert abs(errors.mean_error) < 1e-3 * errors.mae


@pytest.mark.parametrize("rows", [(8, 5), (3, 4)])
def test_circuits_are_exact(rows: tuple[int, int]) -> None:
    assert np.array_equal(product_table(_array(*rows)), np.multiply.outer(*map(np.arange, (2 ** rows[0], 2 ** rows[1]))))


@pytest.mark.parametrize(("x_bits", "w_bits"), [(8, 8), (7, 8), (5, 4), (3, 3)])
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


def test_power_falls_with_each_bit_and_is_the_same_either_way_round() -> None:
    power = np.array([[named(x, w).power_mw for w in BITS] for x in BITS])
    assert (np.diff(power, axis=0) > 0).all() and (np.diff(power, axis=1) > 0).all()
    assert np.array_equal(power, power.T)
    for m in widths():
        assert m.power_mw == widths()[m.circuit].power_mw
    assert np.array_equal(named(5, 4).table, named(4, 5).table.T)


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


def test_ranges_of_an_operand_are_one_circuit_to_a_search() -> None:
    choices = expand(widths().select(["exact4x4*", "exact4x5"]))
    assert len(choices) == 1 + 4 * 3 + 1 and len(set(choices.circuits.tolist())) == 3 and choices.varied
    names = [choice.circuit for choice in choices]
    assert names == ["exact8x8", "exact4x5", *["exact4x4"] * 12]


@pytest.mark.parametrize("format", ["sm8", "u8"])
def test_layers_tune_their_weights_on_top(format: str) -> None:
    """Where activations are small, a clipped range costs nothing, and no stored weight makes up for what is not lost."""
    chosen = expand(widths().select(["exact4x3", "exact4x3.x50"]), tuning=["histogram"])
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


def test_a_library_file_keeps_circuits(tmp_path: Path) -> None:
    few, written, imported = widths().select(["exact3x3*"]), tmp_path / "w.npz", tmp_path / "i.npz"
    write_library(written, list(few))
    import_library([written], imported)
    assert load_library(written).content_hash == load_library(imported).content_hash == few.content_hash
    assert {m.circuit for m in load_library(imported)} == {"exact8x8", "exact3x3"}


def test_signed_operands_are_refused() -> None:
    with pytest.raises(InputError, match="its operands are unsigned, got signed ones asked for; use format 'sm8'"):
        widths(signed=True)


def test_every_packaged_library_can_be_named_in_a_configuration() -> None:
    assert tuple(PACKAGED) == NAMES and PACKAGED["widths"] is widths
