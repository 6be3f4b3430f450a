"""What is written is read again the same, and Icarus Verilog finds it right on every pair."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from dse.circuits import Netlist, from_verilog, product_table, to_test_bench, to_verilog, write_verilog
from dse.exceptions import InputError
from tests.circuits.arrays import I, J, carry_save_array
from tests.circuits.test_evaluate import netlists

needs_icarus = pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus Verilog (iverilog) not installed")
KEEP_2 = np.ones((2, 2), dtype=bool)


@settings(deadline=None, max_examples=100)
@given(netlists())
def test_what_is_written_is_read_the_same(netlist: Netlist) -> None:
    again = from_verilog(to_verilog(netlist, "circuit"), signed=netlist.signed)
    assert (again.x_bits, again.w_bits, len(again.outputs)) == (netlist.x_bits, netlist.w_bits, len(netlist.outputs))
    twice = from_verilog(to_verilog(again, "circuit"), signed=netlist.signed)  # gates of `nand` are two now
    assert again.outputs == twice.outputs
    assert np.array_equal(again.kinds, twice.kinds) and np.array_equal(again.inputs, twice.inputs)
    np.testing.assert_array_equal(product_table(again), product_table(netlist))


def test_the_module_reads_like_a_netlist() -> None:
    text = to_verilog(carry_save_array(KEEP_2, signed=True), "tiny")
    assert "module tiny (input [1:0] x, input [1:0] w, output [3:0] p);" in text
    assert "two's complement" in text
    assert re.search(r"wire n\d+ = x\[0\] & w\[0\];", text) and re.search(r"assign p\[3\] = n\d+;", text)


@pytest.mark.parametrize("name", ["", "8x8", "a-b", "module", "wire", "x y", "ä", "n;", "end", "table", "while", "force"])
def test_names_that_are_no_identifiers_are_refused(name: str, tmp_path: Path) -> None:
    netlist = carry_save_array(KEEP_2)
    for call in (to_verilog, to_test_bench, lambda netlist, name: write_verilog(netlist, tmp_path / "new", name)):
        with pytest.raises(InputError, match="cannot name a module"):
            call(netlist, name)
    assert not (tmp_path / "new").exists()


def simulate(folder: Path, name: str) -> str:
    program = folder / "program"
    sources = [str(folder / f"{name}.v"), str(folder / f"{name}_tb.v")]
    subprocess.run(["iverilog", "-Wall", "-o", str(program), *sources], check=True, capture_output=True, timeout=120)
    run = subprocess.run(
        ["vvp", "-n", str(program)], cwd=folder, check=True, capture_output=True, text=True, timeout=120
    )
    return run.stdout


@needs_icarus
@pytest.mark.parametrize("signed", [False, True])
def test_icarus_finds_every_pair_right(signed: bool, tmp_path: Path) -> None:
    write_verilog(carry_save_array((I + J >= 4) & (J >= 1), signed=signed), tmp_path, "broken")
    assert "PASS: 65536 pairs" in simulate(tmp_path, "broken")


@needs_icarus
def test_icarus_finds_what_is_wrong(tmp_path: Path) -> None:
    netlist = carry_save_array(KEEP_2)
    wrong = product_table(netlist).copy()
    wrong[3, 3] += 1
    write_verilog(netlist, tmp_path, "circuit", expected=wrong)
    assert "FAIL: 1 of 16 pairs" in simulate(tmp_path, "circuit")


def test_expected_products_stand_in_the_order_of_pairs(tmp_path: Path) -> None:
    source, bench, expected = write_verilog(carry_save_array(KEEP_2, signed=True), tmp_path / "a" / "b", "m")
    assert (source.name, bench.name, expected.name) == ("m.v", "m_tb.v", "m_expected.hex")
    values = [0, 1, -2, -1]
    want = [format(x * w & 15, "x") for x in values for w in values]
    assert expected.read_text().split() == want
    assert source.read_text() == to_verilog(carry_save_array(KEEP_2, signed=True), "m")
    assert '"m_expected.hex"' in bench.read_text()


def test_expected_products_of_another_shape_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected products \(4, 4\), got \(4, 5\)"):
        write_verilog(carry_save_array(KEEP_2), tmp_path / "new", "m", expected=np.zeros((4, 5), dtype=np.int64))
    assert not (tmp_path / "new").exists()
