"""The commands `dse multipliers ...`: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_folder = click.Path(path_type=Path, file_okay=False)
_library = click.option(
    "--library",
    default="builtin",
    metavar="PATH",
    show_default=True,
    help="File or folder, 'builtin', 'catalogue', or 'widths'.",
)
_sign = click.option("--signed/--unsigned", default=None, help="Which circuits of a library that holds both.")


@click.group()
def multipliers() -> None:
    """Look at multiplier libraries, and import circuits into one."""


@multipliers.command()
@click.argument("library")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@_sign
@click.option("--figures", type=_folder, help="Folder to draw a heat map of each error into.")
def inspect(library: str, names: tuple[str, ...], signed: bool | None, figures: Path | None) -> None:
    """Check LIBRARY and print its multipliers.

    It is a file, a folder, 'builtin', 'catalogue' (all built-in circuits) or 'widths' (exact ones of fewer operand bits).
    Figures stand in a table, and beneath it what is odd about the multipliers.

    With NAMEs only these and the exact one. The last column of figures is the rank of the error table, up to 1,023.
    """
    from dse.multiplier_catalogue import inspection, open_library
    from dse.whole_files import writable_folder

    opened = open_library(library, signed=signed, names=names)
    if figures is not None:
        writable_folder(figures)
    for line in inspection(opened):
        click.echo(line)
    if figures is not None:
        from dse.report import draw_error_maps

        for path in draw_error_maps(opened, figures):
            click.echo(f"figure   {path}")


@multipliers.command("list")
@_library
@_sign
@click.option(
    "--pareto",
    "metric",
    metavar="METRIC",
    help="Only those that no other beats in power and METRIC: mae, wce, mean_error, std_error, mre, error_probability.",
)
@click.option("--format", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_multipliers(library: str, signed: bool | None, metric: str | None, kind: str) -> None:
    """List a library's multipliers with their figures."""
    from dse.multiplier_catalogue import listing, open_library, pareto_optimal

    opened = open_library(library, signed=signed)
    chosen = list(opened) if metric is None else pareto_optimal(opened, metric)
    for line in listing(opened, chosen, as_json=kind == "json"):
        click.echo(line)


@multipliers.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Library to write (.npz).")
@click.option("--x-bits", type=int, help="Width of the activation, where a file does not say or files differ.")
@click.option("--w-bits", type=int, help="Width of the weight, where a file does not say or files differ.")
@click.option("--signed/--unsigned", default=None, help="Sign of both operands, where a file does not say.")
@click.option(
    "--order",
    type=click.Choice(["xw", "wx"]),
    default="xw",
    show_default=True,
    help="Which operand is a table's first axis and a function's first parameter: activation (x) or weight (w).",
)
@click.option("--dtype", type=click.Choice(["uint16", "int16", "int32"]), help="Element type of .bin files.")
@click.option("--figures", type=click.Path(path_type=Path, dir_okay=False), help="CSV with name, power_mw, ...")
@click.option("--reference-power", type=float, metavar="MW", help="Add an exact multiplier of this power.")
@click.option("--strict", is_flag=True, help="Write nothing where anything is refused.")
@click.option("--overwrite", is_flag=True, help="Replace the library.")
def import_paths(paths: tuple[Path, ...], out: Path, reference_power: float | None, **options: Any) -> None:
    """Read multipliers from PATHS, check them, and write one library.

    Files: .npy, .npz, .csv and .txt tables, raw .bin tables, C headers (.h) with an array, C models (.c) of one function,
    Verilog (.v); folders are searched for these. C models are compiled and run under limits: import only those of people you
    trust.
    """
    from dse.multiplier_catalogue import import_account
    from dse.multipliers import import_library

    report = import_library(paths, out, reference_power_mw=reference_power, **options)
    for line in import_account(report, out):
        click.echo(line)


@multipliers.command()
@click.option("--from", "start", default="dadda8u", metavar="NAME", show_default=True, help="Circuit to start from.")
@click.option("--max-error", type=float, required=True, help="Largest mean |error|, in units of the product.")
@click.option("--candidates", type=click.IntRange(min=1), default=200_000, show_default=True, help="Netlists to try.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--x-weights", type=click.Path(path_type=Path), help="How often each activation code comes (.npy).")
@click.option("--w-weights", type=click.Path(path_type=Path), help="How often each weight code comes (.npy).")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Verilog file to write; it names the circuit.")
def evolve(start: str, out: Path, x_weights: Path | None, w_weights: Path | None, **options: Any) -> None:
    """Evolve a circuit of less power whose mean error is within a bound, and write it as Verilog.

    `dse multipliers import` makes a library of such files.
    """
    from dse.multiplier_catalogue import evolve_to_file
    from dse.progress import ProgressDisplay

    with ProgressDisplay() as display:
        for line in evolve_to_file(start, out, x_weights=x_weights, w_weights=w_weights, display=display, **options):
            click.echo(line)


@multipliers.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@_library
@_sign
@click.option("--out", required=True, type=_folder, help="Folder to write into.")
def verilog(names: tuple[str, ...], library: str, signed: bool | None, out: Path) -> None:
    """Write circuits as structural Verilog, each with a test bench that checks all of its products."""
    from dse.multiplier_catalogue import write_circuits

    for path in write_circuits(names, library, out, signed=signed):
        click.echo(f"wrote    {path}")


@multipliers.command()
@click.option("--out", required=True, type=_folder, help="Folder to write into.")
@click.option("--measure", is_flag=True, help="Estimate all figures anew (a minute) instead of taking the package's.")
@click.argument("libraries", metavar="[LIBRARY]...", nargs=-1)
def catalogue(out: Path, measure: bool, libraries: tuple[str, ...]) -> None:
    """Write a page about all built-in circuits, with their fronts; those of LIBRARYs (files, folders) are drawn beside."""
    from dse.catalogue_page import known_catalogue, measure_catalogue, write_page
    from dse.multiplier_catalogue import libraries_of_both_signs
    from dse.whole_files import writable_folder

    imported = libraries_of_both_signs(libraries)
    writable_folder(out)  # before a minute of measuring, not after
    command = " ".join(("dse multipliers catalogue", *(["--measure"] if measure else []), f"--out {out}", *libraries))
    for path in write_page(out, measure_catalogue() if measure else known_catalogue(), imported, command):
        click.echo(f"wrote    {path}")
