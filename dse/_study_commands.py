"""The commands about studies: parse, call, print."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

_run = click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))


@click.command()
@_run
@click.option("--format", "kind", type=click.Choice(["table", "json"]), default="table", show_default=True)
def status(run_folder: Path, kind: str) -> None:
    """Say how far RUN has come."""
    from dse.status import status as find
    from dse.status import status_lines

    found = find(run_folder)
    for line in [json.dumps(found, indent=2)] if kind == "json" else status_lines(found, run_folder):
        click.echo(line)


@click.command()
@_run
@click.option("--designs", type=click.IntRange(min=1), default=5, show_default=True, help="How many, over all fronts.")
@click.option("--retrained", type=click.IntRange(min=0), help="How many of the retrained designs [default: all].")
def verify(run_folder: Path, designs: int, retrained: int | None) -> None:
    """Evaluate designs of a finished RUN again, from the network up, retrained ones from their weights.

    Exit code 1 where one is different.
    """
    from dse.progress import ProgressDisplay
    from dse.verification import verify as check

    with ProgressDisplay() as display:
        found = check(run_folder, designs=designs, retrained=retrained, display=display)
    for design in found.designs:
        pairs = {"energy": design.rel_energy, **{f"{part} loss": pair for part, pair in design.loss_pp.items()}}
        said = ", ".join(f"{name} {there:.4f} and {here:.4f}" for name, (there, here) in pairs.items())
        factors = f", factors {design.factors_apart:.1g} apart" if design.factors_apart else ""
        click.echo(f"{design.verdict:<17} {design.method} {design.design}: {said}{factors}")
    for again in found.retrained:
        there, here = again.accuracy
        click.echo(f"{again.verdict:<17} retrained {again.name}: test accuracy {there:.4f} and {here:.4f}")
        for line in (*again.faults, *again.notes):
            click.echo(f"{'':<17} {line}")
    for difference in found.differences:
        click.echo(f"{'not as it was':<17} {difference}")
    click.echo(f"{found.verdicts.count('identical')} of {len(found.verdicts)} identical")
    if not found.holds:
        sys.exit(1)


@click.command()
@_run
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "optuna", "assignment"]), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write [default: standard output].")
@click.option("--method", default="nsga2", show_default=True, help="Whose front (assignment).")
@click.option("--design", type=click.IntRange(min=0), help="Which design: its row among the method's in front.csv, from 0.")
def export(run_folder: Path, kind: str, out: Path | None, method: str, design: int | None) -> None:
    """Write RUN's evaluations as CSV, JSON lines or an Optuna storage, or one design's assignment as JSON.

    In CSV, `assignment` is the multipliers' indices in the library, and the last columns their names, one for each layer; in
    JSON lines, `layers` has the names.
    """
    from dse import exports
    from dse.exceptions import InputError
    from dse.whole_files import write_whole

    if out is not None and out.is_file():
        raise InputError(f"--out {out}: exists already; choose another file, or remove that one")
    if kind == "optuna":
        if out is None:
            raise InputError("--format optuna: expected --out FILE")
        click.echo(f"wrote    {out}: {exports.to_optuna(run_folder, out)} trials")
        return
    if kind == "assignment":
        if design is None:
            raise InputError("--format assignment: expected --design NUMBER")
        text = exports.as_json(exports.design(run_folder, method, design)) + "\n"
    else:
        text = "".join(exports.table(run_folder, kind))
    if out is None:
        click.echo(text, nl=False)
    else:
        write_whole(out, text.encode())
        click.echo(f"wrote    {out}")


@click.command()
@_run
@click.option("--design", type=click.IntRange(min=0), help="Which design: its row among the method's in front.csv, from 0.")
@click.option("--method", default="nsga2", show_default=True, help="Whose front.")
@click.option("--uniform", metavar="MULTIPLIER", help="Instead: as uniform.csv has it, else everywhere; or `exact`.")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the training images.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the order of the images [default: the run's].")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="A key of the configuration's table retrain.")
@click.option("--weights", type=click.Path(path_type=Path), help="Begin with these weights of the quantised network.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: RUN/retrained/DESIGN].")
@click.option("--overwrite", is_flag=True, help="Replace an earlier retraining in that folder.")
def retrain(
    run_folder: Path,
    design: int | None,
    method: str,
    uniform: str | None,
    epochs: int | None,
    seed: int | None,
    overrides: tuple[str, ...],
    weights: Path | None,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Retrain a design of a finished RUN through its multipliers; accuracies before and after are of the test images.

    Every epoch is kept: the same command goes on after an interruption.
    """
    from dse.memory import keep_freed_memory
    from dse.progress import ProgressDisplay
    from dse.retrain import retrain_run

    keep_freed_memory()
    options = [f"{key}={value}" for key, value in (("epochs", epochs), ("seed", seed)) if value is not None]
    with ProgressDisplay() as display:
        made, folder = retrain_run(
            run_folder,
            method=method,
            design=design,
            uniform=uniform,
            overrides=[*overrides, *options],
            start=weights,
            out=out,
            overwrite=overwrite,
            display=display,
        )
    best, images = made.retrained.best, made.facts["images"]["test"]
    click.echo(f"{made.name}: {100 * (1 - made.rel_energy):.1f} % saved, {images} test images")
    for name, accuracy in made.accuracy.items():
        click.echo(f"{name:<8} {100 * accuracy:.2f} %")
    after = f"after epoch {best.epoch} of {made.retrained.log[-1].epoch}"
    click.echo(f"gain     {made.gain.pp:+.2f} +- {made.gain.se_pp:.2f} pp, {after}")
    click.echo(f"loss     {made.loss_after.pp:.2f} +- {made.loss_after.se_pp:.2f} pp against the exact network as it was")
    click.echo(f"wrote    {folder}")
