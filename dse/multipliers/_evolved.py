"""Evolution from a built-in circuit to a multiplier, and the Verilog file that keeps it."""

from __future__ import annotations

from collections.abc import Callable

from numpy.typing import ArrayLike

from dse.circuits import Netlist, evolve, simplified, to_verilog
from dse.exceptions import InputError
from dse.multipliers._builtin import generate
from dse.multipliers._circuit import from_netlist
from dse.multipliers._multiplier import Multiplier


def evolved(
    start: str | Multiplier,
    *,
    name: str,
    max_error: float,
    candidates: int,
    seed: int,
    x_weights: ArrayLike | None = None,
    w_weights: ArrayLike | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Multiplier:
    """Return a multiplier evolved from another (`dse.circuits.evolve`): less power, and an error within a bound.

    Args:
        start: Name of a built-in multiplier, or a multiplier with a netlist.
        name: Name of the result.
        max_error: Largest mean |error| against the exact product, over operands drawn by the weights.
        candidates: Netlists tried.
        seed: Of all random numbers.
        x_weights, w_weights: How often each code of an operand comes, `(2^x_bits,)` and `(2^w_bits,)`; None: uniform.
        progress: Called now and then with the candidates so far and the cost relative to the start.

    Raises:
        InputError: There is no such multiplier, it has no netlist or too large an error itself, or an argument is out of
            range.
    """
    first = generate(start) if isinstance(start, str) else start
    netlist = evolve(
        _netlist(first),
        products=first.exact,
        max_error=max_error,
        candidates=candidates,
        seed=seed,
        x_weights=x_weights,
        w_weights=w_weights,
        progress=progress,
    )
    origin = f"evolved from {first.name}: mean error <= {max_error:g}, {candidates} candidates, seed {seed}"
    return from_netlist(simplified(netlist, split=True), name=name, origin=origin)


def evolved_source(multiplier: Multiplier, command: str) -> str:
    """Return a multiplier's netlist as Verilog, with the command that made it and its figures in comments.

    `dse multipliers import` reads it back, figures included.
    """
    return "".join(f"// {line}\n" for line in (command, *figure_comments(multiplier))) + to_verilog(
        _netlist(multiplier), multiplier.name
    )


def figure_comments(multiplier: Multiplier) -> list[str]:
    """Return the lines of comment by which an import knows a circuit's figures again."""
    m, e = multiplier, multiplier.errors
    costs = [
        f"EST_{key} = {value:.6g} {unit}"
        for key, value, unit in (("PWR", m.power_mw, "mW"), ("AREA", m.area_um2, "um2"), ("DELAY", m.delay_ns, "ns"))
        if value is not None
    ]
    errors = f"MAE = {e.mae:.6g}, WCE = {e.wce}, MRE% = {100 * e.mre:.6g}, EP% = {100 * e.error_probability:.6g}"
    return [errors, *([", ".join(costs)] if costs else [])]


def _netlist(multiplier: Multiplier) -> Netlist:
    if multiplier.netlist is None:
        raise InputError(f"multiplier '{multiplier.name}': its gates are not known; start from one with a netlist")
    return multiplier.netlist
