"""Command line: parse, call, print. Heavy modules are imported inside the commands, so that `--help` stays fast."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dse._multiplier_commands import multipliers
from dse.exceptions import InputError, one_line, under

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


@cli.command()
@_config_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write [default: runs/NAME-seedN].")
@click.option("--overwrite", is_flag=True, help="Replace an earlier run in that folder.")
def run(config: Path, overrides: tuple[str, ...], seed: int | None, out: Path | None, overwrite: bool) -> None:
    """Explore the space that CONFIG describes and write a folder of tables and figures."""
    from dse.config import load_config
    from dse.memory import keep_freed_memory
    from dse.pipeline import run as run_pipeline
    from dse.progress import ProgressDisplay
    from dse.run_folder import check_out

    keep_freed_memory()
    settings = load_config(config, overrides=overrides, seed=seed)
    out = out if out is not None else Path("runs") / f"{settings.name}-seed{settings.seed}"
    check_out(out, overwrite=overwrite)
    with ProgressDisplay() as display, under(f"{config}: "):
        outcome = run_pipeline(settings, out=out, overwrite=overwrite, display=display)
    _print_report(out, outcome.report)


@cli.command()
@_config_options
def validate(config: Path, overrides: tuple[str, ...], seed: int | None) -> None:
    """Check CONFIG and everything it names, calling its factories; nothing is searched or written."""
    from dse.config import load_config
    from dse.inputs import load_inputs

    settings = load_config(config, overrides=overrides, seed=seed)
    with under(f"{config}: "):
        inputs = load_inputs(settings)
    parts = inputs.untrained.workload.parts
    click.echo(f"{config}: valid")
    click.echo(f"network   {inputs.untrained.workload.model_name}, {len(inputs.layers)} approximable layers")
    click.echo(f"library   {settings.space.multipliers.library}, {len(inputs.library)} multipliers")
    counts = {name: len(getattr(parts, name)) for name in ("train", "calibration", "search", "test")}
    if inputs.float_layers:
        click.echo(f"in float  {', '.join(inputs.float_layers)}: not quantised, and not counted in the energy")
    click.echo("images    " + ", ".join(f"{count} {name}" for name, count in counts.items()))


@cli.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
def report(run_folder: Path) -> None:
    """Draw figures and tables of a finished RUN again."""
    from dse.report import write_report

    _print_report(run_folder, write_report(run_folder))


@cli.command("list")
@click.argument("what", type=click.Choice(["models", "datasets", "multipliers", "methods", "spaces"]))
def list_names(what: str) -> None:
    """List what a configuration can name."""
    from dse.catalogue import LISTS

    for name, text in LISTS[what]():
        click.echo(f"{name:<16} {text}")


@cli.command()
def doctor() -> None:
    """Say what this installation can use, which simulation engine runs, and why not the others; fails if none can run."""
    from dse.doctor import findings

    for what, finding in findings():
        click.echo(f"{what:<18} {finding}")
        if finding.startswith("none: "):
            raise InputError(finding.removeprefix("none: "))


cli.add_command(multipliers)


def _print_report(folder: Path, written: Any) -> None:
    click.echo(written.summary)
    for what, paths in (
        ("table ", (written.tables, Path("front.csv"), Path("metrics.json"))),
        ("figure", written.figures),
    ):
        for path in paths:
            click.echo(f"{what}   {folder / path}")


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failure, 2 a mistake in the input, 130 or 143 stopped by a signal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where a parent process had it ignored
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is half written is cleared away
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        print(f"dse: error: {' '.join(error.format_message().split())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except InputError as error:
        print(f"dse: error: {one_line(error)}", file=sys.stderr)
        sys.exit(2)
    except (KeyboardInterrupt, click.exceptions.Abort):
        print("dse: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
