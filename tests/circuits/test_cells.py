"""The table of cells: what stands in it, and what a user's table must hold."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import dse.circuits
from dse.circuits import GATES, load_cells
from dse.circuits._cells import gate_energies
from dse.exceptions import InputError


def test_the_package_has_the_public_figures_of_gscl45nm() -> None:
    cells = load_cells().cells
    assert {*GATES, "half_adder", "full_adder", "mux"} == set(cells)
    # Areas from gscl45nm.lib; cells are multiples of 0.19 um x 2.47 um.
    areas = {"not": 1.4079, "nand": 1.8772, "and": 2.3465, "xor": 4.693, "half_adder": 4.693, "full_adder": 8.9167}
    assert {function: cells[function].area_um2 for function in areas} == areas
    for cell in cells.values():
        assert cell.area_um2 / (0.19 * 2.47) == pytest.approx(round(cell.area_um2 / (0.19 * 2.47)), rel=1e-3)
    assert load_cells() is load_cells()


def table() -> dict[str, Any]:
    return tomllib.loads((Path(dse.circuits.__file__).parent / "gscl45nm.toml").read_text())


def written(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "cells.toml"
    path.write_text(tomli_w.dumps(content))
    return path


def test_a_users_table_is_read(tmp_path: Path) -> None:
    content = table() | {"name": "mine"}
    del content["cells"]["mux"]
    library = load_cells(written(tmp_path, content))
    assert library.name == "mine" and "mux" not in library.cells and library.area_factor == load_cells().area_factor


def change(content: dict[str, Any], *keys: str, value: object) -> None:
    for key in keys[:-1]:
        content = content[key]
    if value is None:
        del content[keys[-1]]
    else:
        content[keys[-1]] = value


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("cells", "nor"), None, "cell for 'nor' is missing"),
        (("cells", "xor", "area_um2"), -1.0, r"cells\.xor\.area_um2"),
        (("cells", "xor", "area_um2"), None, r"cells\.xor\.area_um2"),
        (("cells", "xor", "colour"), "red", r"cells\.xor\.colour"),
        (("cells", "xor", "input_ff"), [1.0], r"cells\.xor: expected \(inputs, outputs\) \(2, 1\), got \(1, 1\)"),
        (("cells", "latch"), {"name": "L", "area_um2": 1.0, "leakage_nw": 0, "input_ff": [], "outputs": []}, "latch"),
        (("clock_mhz",), 0.0, "clock_mhz"),
        (("voltage_v",), float("nan"), "voltage_v"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, keys: tuple[str, ...], value: object, message: str) -> None:
    content = table()
    change(content, *keys, value=value)
    with pytest.raises(InputError, match=message) as caught:
        load_cells(written(tmp_path, content))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    for name in ("broken.toml", "absent.toml"):
        with pytest.raises(InputError, match=f"{name}: (cannot be read as TOML|no such file)"):
            load_cells(tmp_path / name)


def test_energy_of_a_gate_by_hand() -> None:
    # INVX1: 0.84 fJ inside, 1.51 fF at 1.1 V; AND2X1: 3.63 fJ and two inputs of 2.08 fF
    energies = gate_energies(load_cells())
    assert energies.shape == (7,)
    assert energies[:2] == pytest.approx([0.84 + 1.51 * 1.21 / 2, 3.63 + 2 * 2.08 * 1.21 / 2])
