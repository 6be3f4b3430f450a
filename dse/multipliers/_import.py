"""Import: other people's multiplier files, checked and written as one library."""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath, PureWindowsPath

from dse.circuits import rank_correlation
from dse.exceptions import InputError, one_line, under
from dse.limited import kill_running
from dse.multipliers._candidate import Candidate, Order, checked
from dse.multipliers._circuit import ESTIMATED
from dse.multipliers._library import MultiplierLibrary, operand_format
from dse.multipliers._library_file import check_free, write_library
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import exact_products
from dse.multipliers._self_check import check, twins
from dse.multipliers._sources import Sources, find_sources
from dse.multipliers.readers import ReadOptions, read
from dse.multipliers.readers._options import ElementType
from dse.whole_files import writing


@dataclass(frozen=True)
class ImportReport:
    """What an import took and what it did not."""

    multipliers: tuple[Multiplier, ...]  # in the order of the library file
    warnings: tuple[tuple[str, str], ...]  # name of a multiplier that was taken, what is odd about it
    refused: tuple[str, ...]  # one line each: the file and why
    passed_over: Mapping[str, int]  # files of other kinds in the folders, by suffix
    ranked: tuple[int, float] | None  # netlists with known power, and its rank correlation with our estimates


def import_library(
    paths: Iterable[str | PathLike[str]],
    out: str | PathLike[str],
    *,
    x_bits: int | None = None,
    w_bits: int | None = None,
    signed: bool | None = None,
    order: Order = "xw",
    dtype: ElementType | None = None,
    figures: str | PathLike[str] | None = None,
    reference_power_mw: float | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> ImportReport:
    """Read multipliers from files of any known format, check them, and write them as one library.

    Formats: `.npy`, `.npz`, tables as text (`.csv`, `.txt`), raw tables (`.bin`), C arrays (`.h`), C models (`.c`), Verilog
    (`.v`), and libraries that an import wrote. Widths and signs come from a row of figures, from a name in EvoApproxLib's
    style, or from the arguments below; power, area and delay from a CSV of figures (see `_figures.read_figures`), or from
    comments of C models and Verilog, those of a netlist without them being estimated.

    Nothing may be wrong with a file that is named. Of a folder's files those that cannot be used are refused, and the
    others are taken; where those of one sign differ in their widths, the widths that most have (or `x_bits` and `w_bits`).
    What endangers the whole is always an error: two multipliers of one name, a name or link that leads elsewhere, a file
    of more than 256 MiB.

    Args:
        paths: Files and folders.
        out: Library to write, `.npz`; `load_library` reads it. It appears whole or not at all.
        x_bits: Width of the activation where a file does not say, and preferred where files differ.
        w_bits: The same of the weight.
        signed: Sign of both operands where a file does not say.
        order: Which operand is a stored table's first axis, or a function's first parameter: `xw` the activation, `wx` the
            weight. Holds for all files but libraries.
        dtype: Element type of `.bin` files.
        figures: CSV of figures; by default those in the folders, and beside a file the one of its stem or `multipliers.csv`.
        reference_power_mw: Power of an exact multiplier to add where there is none.
        strict: Refuse everything where anything in a folder is refused.
        overwrite: Replace `out`.

    Returns:
        What was taken, refused, and found odd.

    Raises:
        InputError: One of the above, no multiplier was taken, or those taken do not make a library. Nothing is written.
    """
    out = Path(out)
    _check_out(out, overwrite)
    sources = find_sources([Path(p) for p in paths], None if figures is None else Path(figures), out)
    options = ReadOptions(x_bits, w_bits, signed, order, dtype, sources.figures)
    candidates, refused = _read_all(sources, options)
    _check_names(candidates)
    usable: list[tuple[Path, Multiplier, Candidate]] = []
    for path, candidate in candidates:
        try:
            usable.append((path, _usable(candidate, order), candidate))
        except InputError as error:
            refused.append(_refusal(path, error, sources))
    formats = _kept_formats([m for _, m, _ in usable], x_bits, w_bits)
    taken: list[tuple[Multiplier, Candidate]] = []
    for path, multiplier, candidate in usable:
        kept = formats[multiplier.x_signed]
        if operand_format(multiplier) == kept:
            taken.append((multiplier, candidate))
        else:
            refused.append(_refusal(path, _of_other_format(multiplier, candidate, kept), sources))
    _check_taken(len(taken), refused, strict)
    multipliers = _with_reference([m for m, _ in taken], reference_power_mw)
    write_library(out, multipliers)
    warnings = tuple(_warnings(taken, twins(multipliers)))
    return ImportReport(tuple(multipliers), warnings, tuple(refused), sources.passed_over, _ranked(taken))


def _warnings(taken: Sequence[tuple[Multiplier, Candidate]], again: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for m, candidate in taken:
        yield from ((m.name, text) for text in (*candidate.warnings, *check(m)))
        if m.name in again:
            yield m.name, again[m.name]


def _ranked(taken: Sequence[tuple[Multiplier, Candidate]]) -> tuple[int, float] | None:
    """Hold the power that comes with netlists against our estimate; None where fewer than three differ."""
    known = [(m.netlist, m.power_mw) for m, _ in taken if m.netlist is not None and ESTIMATED not in m.origin]
    if len({power for _, power in known}) < 3:
        return None
    return len(known), rank_correlation(known)  # type: ignore[arg-type]  # all taken have a power


def _check_out(out: Path, overwrite: bool) -> None:
    if out.suffix != ".npz":
        raise InputError(f"{out}: a library is an .npz file; give it that suffix")
    if not out.parent.is_dir():
        raise InputError(f"{out}: its folder does not exist; create it")
    with writing(out):
        if out.exists() and not overwrite:
            raise InputError(f"{out}: exists; name another file or replace it (--overwrite)")


def _read_all(sources: Sources, options: ReadOptions) -> tuple[list[tuple[Path, Candidate]], list[str]]:
    """Read all files, several at a time because C models spend their time in other processes; keep their order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures: list[Future[list[Candidate] | InputError]] = []
        try:
            futures += (pool.submit(_attempt, path, options) for path in sources.files)
            while wait(futures, timeout=0.1).not_done:  # a signal that meets another thread wakes nobody here
                pass
            results = [future.result() for future in futures]
        except BaseException:  # interrupted: what has not begun need not begin, what runs need not end by itself
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                kill_running()
                time.sleep(0.05)
            raise
    candidates: list[tuple[Path, Candidate]] = []
    refused = []
    for path, result in zip(sources.files, results, strict=True):
        if isinstance(result, InputError):
            refused.append(_refusal(path, result, sources))
        else:
            candidates += ((path, candidate) for candidate in result)
    return candidates, refused


def _attempt(path: Path, options: ReadOptions) -> list[Candidate] | InputError:
    if path.is_symlink() and not path.exists():
        return InputError(f"{path}: is a link to a file that is not there; mend or remove it")
    try:
        return read(path, options)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"{path}: cannot be read: {error.strerror}; check its permissions")
    except Exception as error:  # other people's files break readers in ways that nobody has foreseen
        return InputError(f"{path}: cannot be read ({type(error).__name__}: {one_line(error)}); check the file")


def _refusal(path: Path, error: InputError, sources: Sources) -> str:
    """Return why a file of a folder is refused; a file that was named itself is an error."""
    if path in sources.named:
        raise error
    return one_line(error)


def _check_names(candidates: Sequence[tuple[Path, Candidate]]) -> None:
    seen: dict[str, Path] = {}
    for path, candidate in candidates:
        name = candidate.name
        if name in seen:
            raise InputError(f"{path}: {name!r} comes from {seen[name]} too; give every multiplier its own name")
        if any(kind(name).is_absolute() or ".." in kind(name).parts for kind in (PurePosixPath, PureWindowsPath)):
            raise InputError(f"{path}: the name {name!r} leads out of the file; rename the array")
        seen[name] = path


def _usable(candidate: Candidate, order: Order) -> Multiplier:
    multiplier = checked(candidate, order)
    with under(f"{candidate.where}: "):
        check_free(multiplier.name)
    if multiplier.power_mw is None:
        raise InputError(
            f"{candidate.where}: {candidate.name!r}: its power is unknown; give a CSV with name,power_mw (--figures)"
        )
    return multiplier


def _kept_formats(multipliers: Sequence[Multiplier], x_bits: int | None, w_bits: int | None) -> dict[bool, str]:
    """Return the operand format to keep of each sign: that of the widths asked for where there is one, else of most."""

    def rank(m: Multiplier) -> tuple[bool, int]:
        asked = x_bits in (None, m.x_bits) and w_bits in (None, m.w_bits)
        return asked, counts[operand_format(m)]

    counts = Counter(map(operand_format, multipliers))
    by_sign = {sign: [m for m in multipliers if m.x_signed == sign] for sign in (False, True)}
    return {sign: operand_format(max(group, key=rank)) for sign, group in by_sign.items() if group}


def _of_other_format(multiplier: Multiplier, candidate: Candidate, kept: str) -> InputError:
    return InputError(
        f"{candidate.where}: {multiplier.name!r} is {operand_format(multiplier)}, and a library holds one operand format "
        f"of a sign, here {kept}; choose the other by --x-bits and --w-bits, or import it by itself"
    )


def _check_taken(taken: int, refused: list[str], strict: bool) -> None:
    if not taken or (strict and refused):
        what = f"refused {len(refused)} of {taken + len(refused)}" if taken else "no multiplier could be taken"
        raise InputError(
            f"{what}, so nothing is written: {'; '.join(refused[:3])}{'; ...' if len(refused) > 3 else ''}"
        )


def _with_reference(multipliers: list[Multiplier], power_mw: float | None) -> list[Multiplier]:
    """Put an exact multiplier in front of those of each sign that have none, and check that each sign makes a library."""
    by_sign: dict[bool, list[Multiplier]] = defaultdict(list)
    for m in multipliers:
        by_sign[m.x_signed].append(m)
    lacking = [group[0] for group in by_sign.values() if not any(m.is_exact for m in group)]
    if power_mw is not None and not lacking:
        exact = next(m.name for m in multipliers if m.is_exact)
        raise InputError(f"--reference-power: '{exact}' is exact, so nothing is added; leave the option out")
    added = [] if power_mw is None else [_exact_like(m, power_mw) for m in lacking]
    for m in added:
        by_sign[m.x_signed].insert(0, m)
    for group in by_sign.values():
        try:
            MultiplierLibrary(group)
        except InputError as error:
            hint = " or give its power (--reference-power)" if group[0] in lacking else ""
            raise InputError(f"{error}{hint}") from None
    return [*added, *multipliers]


def _exact_like(m: Multiplier, power_mw: float) -> Multiplier:
    widths = f"{m.x_bits}" if m.x_bits == m.w_bits else f"{m.x_bits}x{m.w_bits}"
    return Multiplier(
        f"exact{widths}{'s' if m.x_signed else 'u'}",
        exact_products(m.x_bits, m.w_bits, m.x_signed, m.w_signed),
        x_bits=m.x_bits,
        w_bits=m.w_bits,
        x_signed=m.x_signed,
        w_signed=m.w_signed,
        power_mw=power_mw,
        origin="generated: exact product, power as given at the import",
    )
