"""Behavioural Verilog through Yosys, if it is there: the system's program, or `pip install 'dse[yosys]'`."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from dse.circuits._netlist import Netlist
from dse.circuits._verilog_reader import from_verilog
from dse.exceptions import InputError, one_line, under
from dse.limited import Limits, Stopped, run_limited

# Without abc, which would take adders apart that `mapped` recognises.
_COMMANDS = ("read_verilog -sv in.v", "synth -flatten -noabc {top}", "write_verilog -noattr out.v")
_PYOSYS = """
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


def has_yosys() -> bool:
    """Whether there is a Yosys for `from_yosys`: PyPI's pyosys or a program `yosys`."""
    return find_spec("pyosys") is not None or shutil.which("yosys") is not None


def from_yosys(
    path: Path,
    *,
    top: str | None = None,
    x: str | None = None,
    w: str | None = None,
    signed: bool = False,
    timeout_s: float = 120.0,
) -> Netlist:
    """Read a multiplier from Verilog or SystemVerilog of any kind that Yosys synthesises into gates.

    Yosys runs in a process and a folder of its own, so includes of files beside `path` are not found, under the limits of
    `dse.limited`.

    Args:
        path: The file.
        top: Module to read; Yosys' choice if None.
        x, w: Names of the inputs for activation and weight; by default the first input is the activation.
        signed: Operands and product are two's complement.
        timeout_s: Seconds after which Yosys is stopped.

    Returns:
        The netlist, simplified.

    Raises:
        InputError: Yosys is not installed, fails or takes too long, or the circuit has memory or other ports.
    """
    if not has_yosys():
        raise InputError(f"{path}: behavioural Verilog needs Yosys; install it with: pip install 'dse[yosys]'")
    if top is not None and not top.isidentifier():
        raise InputError(f"{path}: top must be the name of a module, got {top!r}")
    with tempfile.TemporaryDirectory(prefix="dse-yosys-") as name:
        folder = Path(name)
        try:
            shutil.copyfile(path, folder / "in.v")
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({one_line(error)})") from None
        _synthesise(path, folder, f"-top {top}" if top else "-auto-top", timeout_s)
        text = (folder / "out.v").read_text(encoding="utf-8")
        if "always" in text:
            raise InputError(f"{path}: expected a circuit without memory, got flip-flops or latches")
        with under(f"{path}: after synthesis: "):
            return from_verilog(text, top=top, x=x, w=w, signed=signed)


def _synthesise(path: Path, folder: Path, top: str, timeout_s: float) -> None:
    steps = [step.format(top=top) for step in _COMMANDS]
    program = shutil.which("yosys")
    command = [program, "-p", "; ".join(steps)] if program else [sys.executable, "-c", _PYOSYS, *steps]
    limits = Limits(math.ceil(timeout_s), timeout_s, memory_kib=1 << 22, file_blocks=1 << 17, output_bytes=1 << 26)
    try:
        run_limited(command, folder, limits, os.environ, errors=subprocess.STDOUT)
    except Stopped as error:
        if error.status is None:
            raise InputError(f"{path}: Yosys was stopped: it {error}; raise timeout_s or simplify") from None
        said = error.output.decode(errors="replace").splitlines()
        reason = next((line for line in said if "ERROR" in line), str(error))
        raise InputError(f"{path}: Yosys cannot synthesise it ({' '.join(reason.split())})") from None
    if not (folder / "out.v").is_file():
        raise InputError(f"{path}: Yosys has written no circuit; check which program 'yosys' is")
