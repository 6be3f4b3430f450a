"""The command `dse compare`: parse, call, print."""

from __future__ import annotations

from pathlib import Path

import click

from dse.exceptions import InputError


@click.command("compare")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write tables, figures and a page there.")
@click.option("--baseline", metavar="METHOD", help="Whom the others are held against [default: alwann, else the first].")
@click.option("--reference", metavar="X,Y", help="Reference point, a number per objective [default: the runs' own].")
@click.option("--force", is_flag=True, help="Compare unequal conditions; every table and figure then says so.")
def compare(runs: tuple[Path, ...], out: Path | None, baseline: str | None, reference: str | None, force: bool) -> None:
    """Compare the methods of finished RUNs, over all their search seeds.

    Runs of the same network, data, library and format are one problem with one reference front. Printed are medians with
    bootstrap intervals, evaluations to reach a target, rank tests and effect sizes. Runs of unequal budgets, images or
    settings are refused.
    """
    point = None if reference is None else _numbers(reference)
    from dse.comparison import check_out, compare_runs, summary, write_comparison

    if out is not None:
        check_out(out)
    found = compare_runs(runs, baseline=baseline, reference=point, force=force)
    written = () if out is None else write_comparison(found, out)
    click.echo(summary(found))
    if out is not None:
        click.echo(f"written  {out / 'comparison.md'} and {len(written) - 1} more files")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--reference: expected numbers separated by commas, got '{text[:60]}'") from None
