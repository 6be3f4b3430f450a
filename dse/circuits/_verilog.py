"""A netlist as structural Verilog, with a test bench that checks every pair of operands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.circuits._evaluate import product_table
from dse.circuits._netlist import GATES, Netlist, Signal
from dse.circuits._verilog_tokens import KEYWORDS
from dse.exceptions import InputError
from dse.whole_files import writable_folder, write_whole

# Words of IEEE 1364-2005 that the reader knows nothing of.
_RESERVED = frozenset(
    (
        "automatic bufif0 bufif1 casex casez cell cmos config deassign default design disable edge endcase endconfig "
        "endfunction endgenerate endprimitive endspecify endtable endtask event force forever fork highz0 highz1 "
        "ifnone incdir include instance join large liblist library macromodule medium negedge nmos noshowcancelled "
        "notif0 notif1 pmos posedge primitive pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent "
        "rcmos realtime release repeat rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled small specparam "
        "strong0 strong1 supply0 supply1 table time tran tranif0 tranif1 tri0 tri1 triand trior trireg unsigned use "
        "uwire vectored wait wand weak0 weak1 while wor"
    ).split()
)
_EXPRESSIONS = {
    "not": "~{}",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "nand": "~({} & {})",
    "nor": "~({} | {})",
    "xnor": "~({} ^ {})",
}


def to_verilog(netlist: Netlist, name: str) -> str:
    """Return the circuit as a Verilog module: operands `x` and `w`, product `p`, one assignment for each gate.

    Args:
        netlist: The circuit. Its signals are called `x[0]`, `w[0]` and, those of gates, `n` and their number.
        name: Of the module.

    Raises:
        InputError: The name is no Verilog identifier.
    """
    _check_name(name)
    return "\n".join(_module(netlist, name)) + "\n"


def to_test_bench(netlist: Netlist, name: str) -> str:
    """Return a test bench for the module `to_verilog` makes, the module `<name>_tb`.

    It reads the expected products, one for each pair of operand codes, from `<name>_expected.hex` in the folder it runs
    in, and prints `PASS` or `FAIL` and the number of pairs. `write_verilog` writes that file.

    Raises:
        InputError: The name is no Verilog identifier.
    """
    _check_name(name)
    x, w, p = netlist.x_bits, netlist.w_bits, len(netlist.outputs)
    return f"""`timescale 1ns / 1ps
module {name}_tb;
  reg [{x + w - 1}:0] pair;
  wire [{p - 1}:0] p;
  reg [{p - 1}:0] expected [0:{(1 << x + w) - 1}];
  integer i, failures;

  {name} circuit (.x(pair[{x + w - 1}:{w}]), .w(pair[{w - 1}:0]), .p(p));

  initial begin
    $readmemh("{name}_expected.hex", expected);
    failures = 0;
    for (i = 0; i < {1 << x + w}; i = i + 1) begin
      pair = i;
      #1;
      if (p !== expected[i]) failures = failures + 1;
    end
    if (failures == 0) $display("PASS: {1 << x + w} pairs");
    else $display("FAIL: %0d of {1 << x + w} pairs", failures);
    $finish;
  end
endmodule
"""


def write_verilog(
    netlist: Netlist,
    folder: Path,
    name: str,
    *,
    expected: NDArray[np.integer] | None = None,
    comments: Iterable[str] = (),
) -> tuple[Path, ...]:
    """Write a circuit, its test bench and the products that this expects.

    Args:
        netlist: The circuit.
        folder: Where to; made if it is not there.
        name: Of the module; the files are `<name>.v`, `<name>_tb.v` and `<name>_expected.hex`.
        comments: Lines of comment ahead of the module.
        expected: `(2^x_bits, 2^w_bits)` products by code that the test bench checks; those of the netlist if None.

    Returns:
        The three paths.

    Raises:
        InputError: The name is no Verilog identifier, or `expected` has another shape, or a file cannot be written.
    """
    shape = 1 << netlist.x_bits, 1 << netlist.w_bits
    table = product_table(netlist) if expected is None else np.asarray(expected)
    if table.shape != shape:
        raise InputError(f"write_verilog: expected products {shape}, got {table.shape}")
    codes = table.ravel().astype(np.int64) & ((1 << len(netlist.outputs)) - 1)
    texts = {
        f"{name}.v": "".join(f"// {line}\n" for line in comments) + to_verilog(netlist, name),
        f"{name}_tb.v": to_test_bench(netlist, name),
        f"{name}_expected.hex": "".join(f"{code:x}\n" for code in codes.tolist()),
    }
    writable_folder(folder)
    return tuple(write_whole(folder / file, text.encode("ascii")) for file, text in texts.items())


def _module(netlist: Netlist, name: str) -> Iterator[str]:
    if netlist.signed:
        yield "// operands and product are two's complement"
    x, w, p = netlist.x_bits, netlist.w_bits, len(netlist.outputs)
    yield f"module {name} (input [{x - 1}:0] x, input [{w - 1}:0] w, output [{p - 1}:0] p);"
    for signal, (kind, inputs) in enumerate(
        zip(netlist.kinds.tolist(), netlist.inputs.tolist(), strict=True), netlist.first_gate
    ):
        yield f"  wire n{signal} = {_EXPRESSIONS[GATES[kind]].format(*(_name(netlist, a) for a in inputs))};"
    for bit, signal in enumerate(netlist.outputs):
        yield f"  assign p[{bit}] = {_name(netlist, signal)};"
    yield "endmodule"


def _name(netlist: Netlist, signal: Signal) -> str:
    if signal < 2:
        return f"1'b{signal}"
    if signal >= netlist.first_gate:
        return f"n{signal}"
    return f"x[{signal - 2}]" if signal in netlist.x else f"w[{signal - netlist.w.start}]"


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in KEYWORDS | _RESERVED:
        raise InputError(f"verilog: '{name}' cannot name a module; use letters, digits and _, and no keyword")
