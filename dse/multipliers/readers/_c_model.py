"""Circuits as C functions: compiled in a scratch folder and tabulated in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.limited import Limits, Stopped, run_limited
from dse.multipliers._candidate import Candidate
from dse.multipliers._multiplier import MAX_BITS, MIN_BITS
from dse.multipliers.readers._c_source import Function, declared_errors, figures, functions, without_comments
from dse.multipliers.readers._options import Format, ReadOptions, named_format, stated_format
from dse.multipliers.readers._stored import with_figures

_COMPILING = Limits(cpu_s=10, wall_s=20, memory_kib=1 << 20, file_blocks=1 << 17, output_bytes=1 << 20)
CPU_S = 5  # of one model of up to 9 x 9 bits
_GUARD = Path(__file__).with_name("guard.c")  # linked in front of what follows, so that it runs first
# Files outside of the compiler's own folders, named plainly; what a macro makes up is only stopped by the limits.
_OUTSIDE = re.compile(r'^[ \t]*+#[ \t]*+include[ \t]*+[<"](?:/|(?:[^">\n]*/)?\.\./)[^">\n]*+[">]?|\.incbin', re.MULTILINE)
# The model stands before the driver in one file, so that its types and static functions are known. Results go through a
# copy of stdout; what the model prints goes nowhere.
_DRIVER = r"""
#define main dse_model_main
#include "model.c"
#undef main
#include <unistd.h>
extern int dse_out;
extern void dse_guard(void);
static long long dse_row[1 << %(b_bits)d];
int main(void)
{
    dse_guard(); /* where nothing has run before main */
    for (long long dse_i = 0; dse_i < 1LL << %(a_bits)d; dse_i++) {
        for (long long dse_j = 0; dse_j < 1LL << %(b_bits)d; dse_j++)
            dse_row[dse_j] = (long long)%(function)s(
                dse_i < %(a_limit)d ? dse_i : dse_i - (1LL << %(a_bits)d),
                dse_j < %(b_limit)d ? dse_j : dse_j - (1LL << %(b_bits)d));
        for (size_t dse_done = 0; dse_done < sizeof dse_row;) {
            ssize_t dse_n = write(dse_out, (char *)dse_row + dse_done, sizeof dse_row - dse_done);
            if (dse_n <= 0) _exit(1);
            dse_done += (size_t)dse_n;
        }
    }
    _exit(0);
}
"""


@dataclass(frozen=True)
class _Operands:
    a_bits: int
    b_bits: int
    signed: bool

    @property
    def bits(self) -> int:
        """Width of the product."""
        return self.a_bits + self.b_bits


def read_c_model(path: Path, text: str, options: ReadOptions) -> list[Candidate]:
    """Tabulate a C model: one function `T name(T a, T b)`, as EvoApproxLib has them; named after the file.

    Every pair of operands is computed, a signed one being passed as its value. The low bits of what a signed multiplier
    returns are taken as two's complement, whatever type it returns: some of EvoApproxLib's signed models are typed
    unsigned (its issue #4). Where the operands' types contradict the sign, a warning says so. Power, area, delay and error
    figures come from the comments.

    The model is compiled with the system's C compiler from a copy in a folder of its own, and runs under the limits of
    `dse.limited` and of `guard.c`: on Linux it is ended when it reaches for files, programs or connections.

    Args:
        path: The file, for name and messages.
        text: Its content.
        options: What is said about the file. Widths and sign come from the row of figures, the file's name, the
            function's name, the options, or the operands' types, whichever speaks first.

    Raises:
        InputError: There is no such function or no compiler, widths or sign are open, the model includes a file by an
            absolute path or one with `..`, does not compile, or was stopped.
    """
    outside = _OUTSIDE.search(without_comments(text))
    if outside:
        raise InputError(f"{path}: expected a model that is one complete C file, got {outside[0]!r}; copy its content")
    function = _function(path, text)
    operands = _operands(path, function, options)
    table = _two_complement(path, _tabulate(path, text, function, operands), operands)
    costs = figures(text)
    candidate = Candidate(
        path.stem,
        table,
        str(path),
        a_bits=operands.a_bits,
        b_bits=operands.b_bits,
        a_signed=operands.signed,
        b_signed=operands.signed,
        power_mw=costs.get("power_mw"),
        area_um2=costs.get("area_um2"),
        delay_ns=costs.get("delay_ns"),
        declared=declared_errors(text),
        declared_in="its comment",
        origin=f"C model {path.name}",
        warnings=_type_warnings(function, operands),
    )
    return [with_figures(candidate, options)]


def compiler() -> str | None:
    """Return the path of the system's C compiler, None where there is none."""
    return next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)


def _function(path: Path, text: str) -> Function:
    found = functions(text)
    named = [f for f in found if f.name == path.stem] or found
    if len(named) != 1:
        names = ", ".join(f.name for f in named[:5]) or "none"
        raise InputError(
            f"{path}: expected one function of two integers, got {names}; name the file after the one that multiplies"
        )
    return named[0]


def _operands(path: Path, function: Function, options: ReadOptions) -> _Operands:
    own = named_format(path.stem) or named_format(function.name) or Format()
    if (function.a.name, function.b.name) == ("B", "A"):  # the widths in EvoApproxLib's names belong to A and B
        own = Format(own.b_bits, own.a_bits, own.signed)
    stated = stated_format(path.stem, options, own)
    a_bits, b_bits = stated.a_bits or function.a.bits, stated.b_bits or function.b.bits
    if a_bits is None or b_bits is None or not all(MIN_BITS <= bits <= MAX_BITS for bits in (a_bits, b_bits)):
        raise InputError(
            f"{path}: expected operands of {MIN_BITS} to {MAX_BITS} bits, got {a_bits or '?'} and {b_bits or '?'}; say "
            "--x-bits and --w-bits"
        )
    signed = stated.signed if stated.signed is not None else not (function.a.unsigned and function.b.unsigned)
    return _Operands(a_bits, b_bits, signed)


def _type_warnings(function: Function, operands: _Operands) -> tuple[str, ...]:
    for operand, bits in ((function.a, operands.a_bits), (function.b, operands.b_bits)):
        if operands.signed and operand.unsigned:
            return (f"operand {operand.name} is typed {operand.type}, but the multiplier is signed; taken as signed",)
        if not operands.signed and not operand.unsigned and (operand.bits or 99) <= bits:
            return (
                f"operand {operand.name} is typed {operand.type}, but the multiplier is unsigned; taken as unsigned",
            )
    return ()


def _tabulate(path: Path, text: str, function: Function, operands: _Operands) -> NDArray[np.int64]:
    """Compile and run the model, `(2^a_bits, 2^b_bits)` int64 as it returns them."""
    program = compiler()
    if program is None:
        raise InputError(f"{path}: no C compiler (cc, gcc, clang) was found; install one or import a table")
    a_limit, b_limit = (1 << (bits - operands.signed) for bits in (operands.a_bits, operands.b_bits))
    driver = _DRIVER % {
        "function": function.name,
        "a_bits": operands.a_bits,
        "b_bits": operands.b_bits,
        "a_limit": a_limit,
        "b_limit": b_limit,
    }
    with tempfile.TemporaryDirectory(prefix="dse-model-") as name:
        folder = Path(name)
        (folder / "model.c").write_text(text, encoding="utf-8")
        (folder / "driver.c").write_text(driver, encoding="utf-8")
        _compile(path, program, folder)
        # 12 x 12 bits are 16 million calls of a microsecond or less.
        cpu_s = CPU_S + (1 << operands.bits >> 18)
        running = Limits(cpu_s, 3 * cpu_s, memory_kib=1 << 18, file_blocks=0, output_bytes=8 << operands.bits)
        try:
            output = run_limited([str(folder / "model")], folder, running, {})
        except Stopped as error:
            raise InputError(f"{path}: was stopped: the model {error}; it must only compute a product") from None
    if len(output) != 8 << operands.bits:
        raise InputError(f"{path}: was stopped: it ended after {len(output) // 8:,} of {1 << operands.bits:,} products")
    return np.frombuffer(output, dtype=np.int64).reshape(1 << operands.a_bits, 1 << operands.b_bits)


def _compile(path: Path, program: str, folder: Path) -> None:
    command = [
        program,
        "-std=gnu11",
        "-O1",
        "-w",
        "-fwrapv",
        "-U_FORTIFY_SOURCE",
        "-o",
        "model",
        str(_GUARD),
        "driver.c",
    ]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": str(folder), "LC_ALL": "C"}
    try:
        run_limited(command, folder, _COMPILING, environment, errors=subprocess.STDOUT)
    except Stopped as error:
        said = error.output.decode(errors="replace").splitlines()
        what = next(
            (" ".join(line.split())[:200] for line in said if "error:" in line or "out of memory" in line), error
        )
        raise InputError(f"{path}: cannot be compiled ({what}); a model is one complete C file") from None


def _two_complement(path: Path, results: NDArray[np.int64], operands: _Operands) -> NDArray[np.int64]:
    """Return results as values: those of a signed multiplier may be codes of the product's width or of a wider type."""
    if not operands.signed:
        return results
    values = results % (1 << operands.bits)
    values = np.where(values >= 1 << (operands.bits - 1), values - (1 << operands.bits), values)
    codes = [1 << bits for bits in (operands.bits, 16, 32) if bits >= operands.bits]
    odd = (results != values) & ~((values < 0) & np.isin(results - values, codes))
    if odd.any():
        raise InputError(
            f"{path}: returns {results[odd][0]}, which no signed {operands.bits}-bit product is; check sign and widths"
        )
    return values
