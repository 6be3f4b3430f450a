"""What the command line says about multiplier libraries: tables, findings, selections, and the account of an import."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dse.circuits import to_verilog, write_verilog
from dse.circuits.families import column_truncated
from dse.exceptions import InputError, one_line, unknown_name
from dse.multipliers import (
    ESTIMATED,
    MOST_RANK,
    PACKAGED,
    ErrorMetrics,
    ImportReport,
    Multiplier,
    MultiplierLibrary,
    check,
    error_rank,
    evolved,
    evolved_source,
    figure_comments,
    generate,
    load_library,
    twins,
)
from dse.pareto import non_dominated
from dse.progress import ProgressDisplay
from dse.whole_files import writable_folder, write_whole, writing

_COLUMNS = (
    f" {'bits':>5} {'sign':>4} {'power mW':>9} {'rel':>6} {'MAE':>9} {'WCE':>7} {'mean':>10} {'std':>10} "
    f"{'MRE %':>8} {'EP %':>6}"
)
_LONGEST_NAME = 40  # that columns make room for


def open_library(name: str, *, signed: bool | None = None, names: Sequence[str] = ()) -> MultiplierLibrary:
    """Read a library, checking it, or make the built-in one.

    Args:
        name: `builtin`, `catalogue` (all circuits of the package), `widths` (exact ones of fewer operand bits), a file, or a
            folder (see `load_library`).
        signed: Which circuits of a library that holds both.
        names: Only these multipliers and the exact one; all of them where there are none.

    Raises:
        InputError: A file, a table or a name is not as it should be.
    """
    if name == "builtin" and names:
        name = "catalogue"  # which holds what the front leaves out
    packaged = PACKAGED.get(name)
    library = load_library(name, signed=signed) if packaged is None else packaged(signed=bool(signed))
    return library.select([library[name].name for name in names]) if names else library


def libraries_of_both_signs(paths: Sequence[str]) -> dict[str, MultiplierLibrary]:
    """Read libraries, those that hold both signs as two; by name and sign.

    The name is the file's or folder's stem, or its path where two share that; the packaged ones are libraries, too.

    Raises:
        InputError: One cannot be read, whatever the sign.
    """
    stems = Counter(Path(path).stem for path in dict.fromkeys(paths))
    found: dict[str, MultiplierLibrary] = {}
    for path in dict.fromkeys(paths):
        name = Path(path).stem if stems[Path(path).stem] == 1 else path
        signs = {}
        for signed in (False, True):
            with suppress(InputError):
                signs[f"{name}, {'signed' if signed else 'unsigned'}"] = open_library(path, signed=signed)
        if not signs:
            open_library(path)  # says what is wrong with it
        found |= signs
    return found


def evolve_to_file(
    start: str,
    out: Path,
    *,
    max_error: float,
    candidates: int,
    seed: int,
    x_weights: Path | None,
    w_weights: Path | None,
    display: ProgressDisplay,
) -> Iterator[str]:
    """Evolve a built-in circuit, write it as Verilog with the command that made it, and yield lines that say what it is.

    Raises:
        InputError: A file is not as it should be, or an argument out of range. Nothing is written.
    """
    with writing(out):
        if out.suffix != ".v" or not out.stem.isidentifier() or not out.parent.is_dir():
            raise InputError(
                f"{out}: expected NAME.v in a folder that exists, NAME of letters, digits and _; name another file"
            )
        if out.exists():
            raise InputError(f"{out}: exists; name another file or remove it")
    writable_folder(out.parent)
    to_verilog(column_truncated(2, bits=2), out.stem)  # whether the name can be a module's, before the time is spent
    display.start("evolving")
    multiplier = evolved(
        start,
        name=out.stem,
        max_error=max_error,
        candidates=candidates,
        seed=seed,
        x_weights=None if x_weights is None else _weights(x_weights),
        w_weights=None if w_weights is None else _weights(w_weights),
        progress=lambda done, cost: display.update(done, candidates, f"switching {cost:.1%} of {start}"),
    )
    display.finish()
    paths = {"x": x_weights, "w": w_weights}
    weighted = [f"--{key}-weights {shlex.quote(str(path))}" for key, path in paths.items() if path is not None]
    bound = repr(float(max_error)).removesuffix(".0")
    command = f"dse multipliers evolve --from {start} --max-error {bound} --candidates {candidates} --seed {seed}"
    write_whole(out, evolved_source(multiplier, " ".join((command, *weighted, f"--out {out.name}"))).encode())
    before = generate(start)
    yield f"{start:<12} {before.power_mw:.4f} mW, MAE {before.errors.mae:.4g}"
    yield f"{out.stem:<12} {multiplier.power_mw:.4f} mW, MAE {multiplier.errors.mae:.4g} (power estimated with glitches)"
    if (multiplier.power_mw or 0.0) >= (before.power_mw or 0.0):
        yield "note     it switches less but glitches more, and needs no less power: try more candidates or another seed"
    yield f"wrote    {out}"


def write_circuits(names: Sequence[str], library: str, out: Path, *, signed: bool | None = None) -> Iterator[Path]:
    """Write named circuits as Verilog with test benches and yield the files.

    Raises:
        InputError: There is no such multiplier, no gates of it are known, or a file cannot be written.
    """
    circuits = library in ("builtin", "catalogue")
    chosen = [generate(name) if circuits else open_library(library, signed=signed)[name] for name in names]
    for multiplier in chosen:
        if signed not in (None, multiplier.x_signed):
            kind = "signed" if multiplier.x_signed else "unsigned"
            raise InputError(f"multiplier '{multiplier.name}' is {kind}; name another or say --{kind}")
        if multiplier.netlist is None:
            raise InputError(f"multiplier '{multiplier.name}': no gates that compute its table are known; import them (.v)")
    for multiplier in chosen:
        assert multiplier.netlist is not None
        yield from write_verilog(multiplier.netlist, out, multiplier.name, comments=figure_comments(multiplier))


def _weights(path: Path) -> NDArray[np.generic]:
    """Return the array of an `.npy` file; who uses it checks it."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError, MemoryError) as error:
        raise InputError(f"{path}: cannot be read as an array ({one_line(error)}); write it with numpy.save") from None


def inspection(library: MultiplierLibrary) -> Iterator[str]:
    """Yield the lines of a table of a library's multipliers with the rank of their errors, and what is odd about them.

    The rank is `error_rank`: as many products of one factor per operand make the error up, which is what it costs to
    simulate by matrix products.
    """
    width = _name_width(library)
    yield f"{'name':<{width}}{_COLUMNS} {'rank':>5}  origin"
    for m, rel in zip(library, library.rel_energy, strict=True):
        rank = error_rank(m)
        known = f">{MOST_RANK - 1}" if rank == MOST_RANK else rank
        yield f"{m.name:<{width}}{_row(m, float(rel))} {known:>5}  {_origin(m)}"
    yield from _notes(library)
    for m in library:
        yield from (f"warning: {m.name}: {finding}" for finding in check(m))
    yield from (f"warning: {name}: {finding}" for name, finding in twins(library).items())


def pareto_optimal(library: MultiplierLibrary, metric: str) -> list[Multiplier]:
    """Return the multipliers that no other beats in both power and |metric|, in the library's order.

    Args:
        library: The library.
        metric: A field of `ErrorMetrics`.

    Raises:
        InputError: There is no such metric.
    """
    known = [field.name for field in fields(ErrorMetrics)]
    if metric not in known:
        raise unknown_name("error metric", metric, known)
    errors = [abs(float(getattr(m.errors, metric))) for m in library]
    kept = non_dominated(np.column_stack([library.power_mw, errors]))
    return [m for m, keep in zip(library, kept, strict=True) if keep]


def listing(library: MultiplierLibrary, chosen: Sequence[Multiplier], *, as_json: bool = False) -> Iterator[str]:
    """Yield the lines of a table of some of a library's multipliers, or of a JSON array with all of their figures."""
    rel = {m.name: float(r) for m, r in zip(library, library.rel_energy, strict=True)}
    if as_json:
        yield json.dumps([_plain(m, rel[m.name]) for m in chosen], indent=1)
        return
    width = _name_width(chosen)
    yield f"{'name':<{width}}{_COLUMNS}  origin"
    yield from (f"{m.name:<{width}}{_row(m, rel[m.name])}  {_origin(m)}" for m in chosen)
    yield from _notes(chosen)


def import_account(report: ImportReport, out: Path) -> Iterator[str]:
    """Yield the lines that say what an import took, what it found odd, and what it refused and why."""
    yield from (
        f"took     {m.name}: {m.x_bits} x {m.w_bits} bits {_sign(m)}, {m.power_mw:g} mW, MAE {m.errors.mae:g}; {m.origin}"
        for m in report.multipliers
    )
    yield from (f"warning  {name}: {text}" for name, text in report.warnings)
    yield from (f"refused  {text}" for text in report.refused)
    if report.ranked is not None:
        count, correlation = report.ranked
        yield f"estimate of power from gates: Spearman {correlation:.3f} with the {count} known ones"
    odd = ", ".join(f"{count} {suffix}" for suffix, count in sorted(report.passed_over.items()))
    passed = f", passed over files of other kinds ({odd})" if odd else ""
    yield f"took {len(report.multipliers)}, refused {len(report.refused)}{passed}; wrote {out}"


def _name_width(multipliers: Iterable[Multiplier]) -> int:
    return min(max((len(m.name) for m in multipliers), default=0), _LONGEST_NAME)


def _origin(m: Multiplier) -> str:
    """Return where a multiplier comes from, an asterisk standing for what `_notes` says beneath."""
    return f"{m.origin.removesuffix(ESTIMATED).removesuffix('; ')} *".lstrip() if m.origin.endswith(ESTIMATED) else m.origin


def _notes(multipliers: Iterable[Multiplier]) -> Iterator[str]:
    if any(m.origin.endswith(ESTIMATED) for m in multipliers):
        yield f"* {ESTIMATED}"


def _row(m: Multiplier, rel: float) -> str:
    bits = f"{m.x_bits}x{m.w_bits}"
    e = m.errors
    return (
        f" {bits:>5} {_sign(m):>4} {m.power_mw:>9.4f} {rel:>6.3f} {e.mae:>9.2f} {e.wce:>7d} "
        f"{e.mean_error:>10.2f} {e.std_error:>10.2f} {100 * e.mre:>8.2f} {100 * e.error_probability:>6.2f}"
    )


def _sign(m: Multiplier) -> str:
    return "us"[m.x_signed] + "us"[m.w_signed]


def _plain(m: Multiplier, rel: float) -> dict[str, Any]:
    keys = ("name", "x_bits", "w_bits", "x_signed", "w_signed", "power_mw", "area_um2", "delay_ns")
    return {key: getattr(m, key) for key in keys} | {"rel_energy": rel} | asdict(m.errors) | {"origin": m.origin}
