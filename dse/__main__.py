"""Command line: parse, call, print. Heavy modules are imported inside the commands, so that `--help` stays fast."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dse._compare_command import compare
from dse._multiplier_commands import multipliers
from dse._qos_commands import qos
from dse._study_commands import export, retrain, status, verify
from dse.exceptions import InputError, ending, under

# Idle threads that spin instead of sleeping make two programs on the same cores slow each other down tenfold. Must be set
# before torch starts its threads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dse")
def cli() -> None:
    """Find which approximate multiplier goes into which layer of a neural network."""


def _config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Replace one value.")(command)
    command = click.option("--seed", type=click.IntRange(min=0), help="Replace the configuration's seed.")(command)
    return click.argument("config", type=click.Path(path_type=Path))(command)


def _execution_options(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--scheduler", metavar="ADDRESS", help="Evaluate on a Dask scheduler's workers (tcp://...).")(command)
    command = click.option(
        "--known",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="RUN",
        help="Take over what that run has evaluated on equal inputs.",
    )(command)
    return click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Designs evaluated at a time."
    )(command)


_run_folder = click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Say what a signal leaves behind, and how to go on."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        from dse.run_folder import STUDY

        if (folder / STUDY).is_file():
            print(f"dse: interrupted; what was evaluated is kept. Go on with:\ndse resume {folder}", file=sys.stderr)
            sys.exit(130 if isinstance(stop, KeyboardInterrupt) else stop.code)
        raise


@cli.command()
@_config_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: runs/NAME-seedN].")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
@click.option("--go-on", is_flag=True, help="Go on with an equal run in that folder, or begin it; any number may at once.")
@_execution_options
def run(
    config: Path,
    overrides: tuple[str, ...],
    seed: int | None,
    out: Path | None,
    overwrite: bool,
    go_on: bool,
    **execution: Any,
) -> None:
    """Explore the space that CONFIG describes and write a folder of tables and figures.

    Every evaluation is kept in the folder's study file: `dse resume` goes on after an interruption.
    """
    from dse.config import load_config

    settings = load_config(config, overrides=overrides, seed=seed)
    out = out if out is not None else Path("runs") / f"{settings.name}-seed{settings.seed}"
    if overwrite and go_on:
        raise InputError("--overwrite and --go-on: expected one of them")
    with _kept(out):
        from dse.execution import Execution
        from dse.memory import keep_freed_memory
        from dse.pipeline import run as run_pipeline
        from dse.progress import ProgressDisplay
        from dse.study import check_place

        keep_freed_memory()
        if not go_on:
            check_place(settings, out, overwrite=overwrite)
        with under(f"{config}: "):
            outcome = run_pipeline(
                settings,
                out=out,
                overwrite=overwrite,
                go_on=go_on,
                execution=Execution(**execution),
                display=ProgressDisplay(),
            )
        _print_report(out, outcome.report)


@cli.command()
@_run_folder
@click.option("--budget", type=click.IntRange(min=1), help="Total evaluations of each method [default: the run's].")
@_execution_options
def resume(run_folder: Path, budget: int | None, **execution: Any) -> None:
    """Go on with an interrupted RUN, or give a finished one a larger budget.

    The outcome is that of a run that was never interrupted. Several processes may resume one run at once and share its work.
    """
    with _kept(run_folder):
        from dse.execution import Execution
        from dse.memory import keep_freed_memory
        from dse.pipeline import resume as resume_pipeline
        from dse.progress import ProgressDisplay

        keep_freed_memory()
        outcome = resume_pipeline(
            run_folder, evaluations=budget, execution=Execution(**execution), display=ProgressDisplay()
        )
        _print_report(run_folder, outcome.report)


@cli.command()
@_config_options
def validate(config: Path, overrides: tuple[str, ...], seed: int | None) -> None:
    """Check CONFIG and everything it names, calling its factories; nothing is searched or written."""
    from dse.config import load_config
    from dse.inputs import load_inputs, require_device

    settings = load_config(config, overrides=overrides, seed=seed)
    with under(f"{config}: "):
        require_device(settings)
        inputs = load_inputs(settings)
    click.echo(f"{config}: valid")
    click.echo(f"network   {inputs.untrained.workload.model_name}, {len(inputs.layers)} approximable layers")
    click.echo(f"layers    {_few(inputs.layers)}")
    varied = f", {len(inputs.choices)} with their variants" if inputs.choices.varied else ""
    click.echo(f"library   {settings.space.multipliers.library}, {inputs.choices.n_circuits} multipliers{varied}")
    parts = inputs.untrained.workload.parts.by_name
    if inputs.float_layers:
        click.echo(f"in float  {', '.join(inputs.float_layers)}: not quantised, and not counted in the energy")
    click.echo("images    " + ", ".join(f"{len(part)} {name}" for name, part in parts.items()))


@cli.command()
@_run_folder
def report(run_folder: Path) -> None:
    """Draw figures and tables of a finished RUN again."""
    from dse.report import write_report

    _print_report(run_folder, write_report(run_folder))


@cli.command("list")
@click.argument("what", type=click.Choice(["models", "datasets", "multipliers", "methods", "objectives", "spaces"]))
def list_names(what: str) -> None:
    """List what a configuration can name."""
    from dse.catalogue import LISTS

    listed = list(LISTS[what]())
    width = max((len(name) for name, _ in listed), default=0)
    for name, text in listed:
        click.echo(f"{name:<{width}} {text}")


@cli.command()
@click.option("--salvage", metavar="STUDY", type=click.Path(path_type=Path), help="Copy what a damaged study file has.")
@click.option("--out", type=click.Path(path_type=Path), help="New study file [default: beside it, with .salvaged].")
def doctor(salvage: Path | None, out: Path | None) -> None:
    """Say what this installation can use, which simulation engine runs, and why not the others; fails if none can run."""
    from dse.doctor import findings

    if salvage is not None:
        _salvage(salvage, out if out is not None else salvage.with_name(f"{salvage.name}.salvaged"))
        return
    for what, finding in findings():
        click.echo(f"{what:<18} {finding}")
        if finding.startswith("none: "):
            raise InputError(finding.removeprefix("none: "))


for command in (compare, export, multipliers, qos, retrain, status, verify):
    cli.add_command(command)


def _few(names: Sequence[str], most: int = 30) -> str:
    """Return all names, or where there are more than `most`, the first ones and how many are left."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")


def _salvage(path: Path, out: Path) -> None:
    from dse.store import salvage

    found = salvage(path, out)
    click.echo(f"wrote    {out}: {found.kept} evaluations kept, {found.lost} known to be lost")
    for what, whole in (("configuration", found.config), ("manifest", found.manifest)):
        if not whole:
            click.echo(f"lost     the {what}")
    if found.config:
        click.echo(f"go on    move it to {path}, without {path.name}-wal and {path.name}-shm; then dse resume {path.parent}")


def _print_report(folder: Path, written: Any) -> None:
    click.echo(written.summary)
    for what, paths in (
        ("table ", (written.tables, written.savings, Path("front.csv"), Path("metrics.json"))),
        ("figure", written.figures),
    ):
        for path in paths:
            click.echo(f"{what}   {folder / path}")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failure, 2 a mistake in the input, 130 or 143 stopped by a signal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a parent process had it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is half written is cleared away
    try:
        with ending("dse"):
            cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)  # the help of a group of commands
        sys.exit(error.exit_code)
    except click.ClickException as error:
        print(f"dse: error: {' '.join(error.format_message().split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.exceptions.Abort):
        print("dse: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
