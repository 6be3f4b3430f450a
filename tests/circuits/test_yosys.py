"""Behavioural Verilog through Yosys; skipped where it is not installed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dse.circuits import from_yosys, has_yosys, product_table
from dse.exceptions import InputError

needs_yosys = pytest.mark.skipif(not has_yosys(), reason="Yosys (a program, or dse[yosys]) not installed")


def written(folder: Path, body: str, ports: str = "input [3:0] a, input [3:0] b, output [7:0] p") -> Path:
    path = folder / "circuit.v"
    path.write_text(f"module m({ports});\n{body}\nendmodule\n")
    return path


def test_without_yosys_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.circuits._yosys.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"needs Yosys; install it with: pip install 'dse\[yosys\]'"):
        from_yosys(written(tmp_path, "assign p = a * b;"))


@needs_yosys
def test_products_by_operator(tmp_path: Path) -> None:
    table = product_table(from_yosys(written(tmp_path, "assign p = a * b;")))
    np.testing.assert_array_equal(table, np.multiply.outer(np.arange(16), np.arange(16)))
    ports = "input signed [3:0] a, input signed [3:0] b, output signed [7:0] p"
    signed = product_table(from_yosys(written(tmp_path, "assign p = a * b;", ports), signed=True, top="m"))
    values = np.array([*range(8), *range(-8, 0)])
    np.testing.assert_array_equal(signed, np.multiply.outer(values, values))


@needs_yosys
def test_behaviour(tmp_path: Path) -> None:
    body = """reg [7:0] r; integer i; assign p = r;
    always @* begin r = 0; for (i = 0; i < 4; i = i + 1) if (b[i]) r = r + (a << i); end"""
    table = product_table(from_yosys(written(tmp_path, body), x="b"))
    np.testing.assert_array_equal(table, np.multiply.outer(np.arange(16), np.arange(16)))


@needs_yosys
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("assign p = a * ;", "Yosys cannot synthesise it .*syntax error"),
        ("reg [7:0] r; assign p = r; always @(posedge a[0]) r <= b;", "expected a circuit without memory"),
    ],
)
def test_what_yosys_refuses(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        from_yosys(written(tmp_path, body))
    assert "\n" not in str(caught.value)


@needs_yosys
def test_yosys_is_stopped_in_time(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Yosys was stopped: it did not end within 0.001 s"):
        from_yosys(written(tmp_path, "assign p = a * b;"), timeout_s=0.001)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('echo "ERROR: $(ulimit -v) KiB" >&2; exit 1', "cannot synthesise it .ERROR: 4194304 KiB."),
        ("exec yes", "Yosys was stopped: it writes more than 67,108,864 bytes"),
        ("exit 0", "Yosys has written no circuit"),
    ],
)
def test_yosys_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str) -> None:
    program = tmp_path / "yosys"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(InputError, match=message):
        from_yosys(written(tmp_path, "assign p = a * b;"))


@needs_yosys
def test_files_and_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        from_yosys(tmp_path / "absent.v")
    with pytest.raises(InputError, match="top must be the name of a module"):
        from_yosys(written(tmp_path, "assign p = a;"), top="m; delete")
