"""Circuits as Verilog: a netlist by the built-in reader, anything else through Yosys where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

from dse.circuits import Figures, Netlist, from_verilog, from_yosys, has_yosys, product_table
from dse.circuits import figures as estimated_figures
from dse.exceptions import InputError
from dse.multipliers._candidate import Candidate
from dse.multipliers._circuit import ESTIMATED
from dse.multipliers.readers._c_source import declared_errors, figures, without_comments
from dse.multipliers.readers._options import ReadOptions, stated_format
from dse.multipliers.readers._stored import with_figures

_BEHAVIOURAL = re.compile(r"\b(always\w*|reg|logic|integer|function|generate|case|for|if)\b|[*]|<<|>>")


def read_verilog(path: Path, options: ReadOptions) -> list[Candidate]:
    """Read a circuit of two input vectors and one output; named after the file.

    Power, area and delay come from the row of figures or from comments such as `// PDK45_PWR = 0.391 mW`; where neither
    states the power, all three are estimated from the gates. Comments' error figures are checked.

    Raises:
        InputError: It is neither a netlist that the built-in reader knows nor one for Yosys, or Yosys is not there.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    signed = bool(stated_format(path.stem, options).signed)
    netlist = _netlist(path, text, signed)
    stated, origin = figures(text), f"Verilog {path.name}"
    if "power_mw" not in stated and path.stem not in options.figures:
        estimate: Figures = estimated_figures(netlist)
        stated, origin = vars(estimate), f"{origin}; {ESTIMATED}"
    candidate = Candidate(
        path.stem,
        product_table(netlist),
        str(path),
        a_bits=netlist.x_bits,
        b_bits=netlist.w_bits,
        a_signed=signed,
        b_signed=signed,
        power_mw=stated.get("power_mw"),
        area_um2=stated.get("area_um2"),
        delay_ns=stated.get("delay_ns"),
        declared=declared_errors(text),
        declared_in="its comment",
        origin=origin,
        netlist=netlist,
    )
    return [with_figures(candidate, options)]


def _netlist(path: Path, text: str, signed: bool) -> Netlist:
    try:
        return from_verilog(path, signed=signed)
    except InputError as error:
        if not _BEHAVIOURAL.search(without_comments(text)):
            raise
        if not has_yosys():
            raise InputError(f"{error} (behavioural Verilog needs Yosys: pip install 'dse[yosys]')") from None
        return from_yosys(path, signed=signed)
