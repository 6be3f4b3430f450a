"""The library in one file: it comes back as it was, and what is not one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.circuits import to_verilog
from dse.circuits.families import column_truncated
from dse.exceptions import InputError
from dse.multipliers import Multiplier, builtin, load_library
from dse.multipliers._library_file import write_library
from tests.multipliers.files import CRUDE, EXACT

ITEMS = [
    Multiplier("file", EXACT, x_bits=4, w_bits=4, power_mw=np.float64(0.5), origin="ünïcode, with a comma"),
    Multiplier("a/b", CRUDE, x_bits=4, w_bits=4, power_mw=0.3, area_um2=7, delay_ns=1.5),
]


def text(**changes: Any) -> dict[str, Any]:
    entry = {"name": "m", "x_bits": 4, "w_bits": 4, "x_signed": False, "w_signed": False, "power_mw": 1.0}
    entry |= {"area_um2": None, "delay_ns": None, "origin": "", "netlist": None}
    return {"version": 1, "multipliers": [entry | changes]}


def refusal(path: Path, content: Any, **arrays: Any) -> str:
    np.savez(path, dse_library=np.array(content if isinstance(content, str) else json.dumps(content)), **arrays)
    with pytest.raises(InputError) as caught:
        load_library(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)
    return str(caught.value)


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "lib.npz"
    write_library(path, ITEMS)
    library = load_library(path)
    assert library.names == ("file", "a/b") and [m.origin for m in library] == [m.origin for m in ITEMS]
    assert [m.table_hash for m in library] == [m.table_hash for m in ITEMS]
    assert (library["a/b"].power_mw, library["a/b"].area_um2, library["a/b"].delay_ns) == (0.3, 7, 1.5)
    assert [p.name for p in tmp_path.iterdir()] == ["lib.npz"]


def test_both_signs_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "lib.npz"
    write_library(path, [*builtin(), *builtin(signed=True)])
    for signed in (False, True):
        assert load_library(path, signed=signed).content_hash == builtin(signed=signed).content_hash
    with pytest.raises(InputError, match="set signed"):
        load_library(path)


def test_the_same_multipliers_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_library(tmp_path / "a.npz", ITEMS)
    monkeypatch.setattr("time.localtime", lambda *_: (2001, 1, 1, 0, 0, 0, 0, 1, 0))
    write_library(tmp_path / "b.npz", ITEMS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_any_numpy_reads_the_tables(tmp_path: Path) -> None:
    write_library(tmp_path / "a.npz", ITEMS)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert np.array_equal(arrays["a/b"], CRUDE) and arrays["file"].dtype == np.int32


def test_a_folder_that_holds_a_library(tmp_path: Path) -> None:
    write_library(tmp_path / "lib.npz", ITEMS)
    with pytest.raises(InputError, match=r"lib\.npz is a whole library; name that file"):
        load_library(tmp_path)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_library(tmp_path / "missing" / "lib.npz", ITEMS)
    with pytest.raises(InputError, match="no multiplier may be called 'dse_library'"):
        write_library(tmp_path / "lib.npz", [Multiplier("dse_library", EXACT, x_bits=4, w_bits=4)])
    with pytest.raises(InputError, match="or end in '.npy', got 'm.npy'"):
        write_library(tmp_path / "lib.npz", [Multiplier(name, EXACT, x_bits=4, w_bits=4) for name in ("m", "m.npy")])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no json", "is not the text of a library"),
        ("[" * 100_000, "is not the text of a library"),
        ([], "is not the text of a library"),
        ({"version": 1}, "is not the text of a library"),
        ({"version": 2, "multipliers": []}, "is a library of version 2, expected 1; update dse"),
        ({"version": 1, "multipliers": 3}, "unknown or missing keys"),
        ({"version": 1, "multipliers": []}, "names and tables do not match (0 and 1)"),
        (text(module="m"), "unknown or missing keys (module)"),
        (text(netlist="module"), "verilog: line 1"),
        (text(netlist=3), "netlist is 3"),
        (text(netlist=to_verilog(column_truncated(2, bits=4), "t")), "the netlist of 'm' does not compute its table"),
        (text(name="other"), "names and tables do not match"),
        (text(name=3), "name is 3"),
        (text(x_signed=0), "x_signed is 0"),
        (text(origin=None), "origin is None"),
        (text(x_bits=5), "must be (32, 16)"),
        (text(power_mw="much"), "power_mw must be"),
        (text(power_mw=None), "needs power_mw"),
    ],
)
def test_what_is_no_library(tmp_path: Path, content: Any, message: str) -> None:
    assert message in refusal(tmp_path / "lib.npz", content, m=EXACT)
