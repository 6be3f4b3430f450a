"""The commands about operating points: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dse.exceptions import InputError


@click.group()
def qos() -> None:
    """Operating points: one network, a handful of multipliers, quality that follows the power budget."""


@qos.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--instances", type=int, default=4, show_default=True, help="Most distinct circuits, over all points.")
@click.option("--points", type=int, help="Operating points [default: as many as budgets, 3 without].")
@click.option(
    "--loss-budgets",
    metavar="PP,...",
    help="Most expected loss of each point, rising: what its divergence on the search images lets expect.",
)
@click.option("--energy-budgets", metavar="E,...", help="Most relative energy of each point, falling.")
@click.option(
    "--method",
    type=click.Choice(["ours", "published"]),
    default="ours",
    show_default=True,
    help="A search over sets of circuits, or k-means as in QoS-Nets (arXiv 2410.07762).",
)
@click.option("--evaluations", type=int, default=300, show_default=True, help="Distinct designs simulated, at most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Designs simulated at a time.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace earlier operating points in that folder.")
def choose(
    run_folder: Path,
    instances: int,
    points: int | None,
    loss_budgets: str | None,
    energy_budgets: str | None,
    method: Any,
    evaluations: int,
    seed: int,
    jobs: int,
    out: Path,
    overwrite: bool,
) -> None:
    """Choose multipliers and operating points for the network of a finished RUN.

    Without budgets the points span as good a front as they can.
    """
    losses, energies = _numbers("--loss-budgets", loss_budgets), _numbers("--energy-budgets", energy_budgets)
    from dse.memory import keep_freed_memory
    from dse.operating_points import PointsRequest, choose_run
    from dse.progress import ProgressDisplay

    if points is None:
        budgets = losses or energies
        points = len(budgets) if budgets else PointsRequest.points
    request = PointsRequest(instances, points, losses, energies, evaluations, seed)
    keep_freed_memory()
    with ProgressDisplay() as display:
        found = choose_run(run_folder, request, out, method=method, overwrite=overwrite, jobs=jobs, display=display)
    click.echo(f"instances {', '.join(found.instances)}")
    for o, name in enumerate(found.points.names):
        losses_pp = ", ".join(f"{part} {values[o]:.2f} pp" for part, values in found.points.loss_pp.items())
        click.echo(f"{name}   {100 * (1 - found.points.rel_energy[o]):.1f} % saved; loss: {losses_pp}")
    click.echo(f"wrote     {out}")


@qos.command()
@click.argument("folder", metavar="POINTS", type=click.Path(path_type=Path))
@click.option(
    "--trace",
    type=click.Choice(["steps", "daily", "battery"]),
    default="daily",
    show_default=True,
    help="Levels at random times, a budget that follows the sun, or one store that other consumers share.",
)
@click.option(
    "--budget",
    type=click.Choice(["energy", "loss"]),
    help="What steps and days limit: energy per image relative to the exact network, or loss in pp [default: energy].",
)
@click.option("--requests", type=int, default=1000, show_default=True, help="Length of the trace, an image each.")
@click.option("--low", type=float, help="Least budget [default: of the cheapest, or the most accurate point].")
@click.option("--high", type=float, help="Largest budget [default: a twentieth above the dearest, or the cheapest point].")
@click.option("--capacity", type=float, help="Of a battery, per request [default: of 4/3 of the points' mean energy].")
@click.option("--dwell", type=int, default=1, show_default=True, help="Requests before a better point may be taken.")
@click.option("--margin", type=float, default=0.0, show_default=True, help="Share of the budget that one keeps free.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of trace and images.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier one in that folder.")
def simulate(
    folder: Path,
    trace: str,
    budget: Any,
    requests: int,
    low: float | None,
    high: float | None,
    capacity: float | None,
    dwell: int,
    margin: float,
    seed: int,
    out: Path,
    overwrite: bool,
) -> None:
    """Serve a trace of changing budgets with POINTS.

    Beside them the best single designs and the exact network, which cannot switch.
    """
    from dse.operating_points import Policy, Setting, beyond, simulate_folder

    setting = Setting(trace, budget, requests, low=low, high=high, capacity=capacity, seed=seed)
    found, figure = simulate_folder(folder, setting, Policy(dwell, margin), out, overwrite=overwrite)
    click.echo(f"{'':<52} energy     right  expected  switches  {beyond(trace)}")
    for row in found:
        click.echo(
            f"{row['name'][:52]:<52} {row['rel_energy']:>6.3f}  {100 * row['accuracy']:>6.2f} %  "
            f"{100 * row['expected_accuracy']:>6.2f} %  {row['switches']:>8}  {row['violations']} of {row['requests']}"
        )
    click.echo(f"figure   {figure}")


@qos.command()
@click.argument("folder", metavar="POINTS", type=click.Path(path_type=Path))
@click.option("--run", type=click.Path(path_type=Path), help="The run that they were chosen for [default: where it was].")
@click.option("--images", type=int, default=2, show_default=True, help="Test images of which golden vectors are kept.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier bundle in that folder.")
def bundle(folder: Path, run: Path | None, images: int, out: Path, overwrite: bool) -> None:
    """Write the hand-over bundle of POINTS; `check` replays it."""
    from dse.operating_points import bundle_points
    from dse.progress import ProgressDisplay

    with ProgressDisplay() as display:
        bundle_points(folder, out, run=run, images=images, overwrite=overwrite, display=display)
    click.echo(f"wrote     {out}")


@qos.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def check(bundle: Path) -> None:
    """Replay a hand-over BUNDLE.

    Hashes, and every accumulator of its golden vectors, from codes and tables alone.
    """
    from dse.operating_points import check_handover

    found = check_handover(bundle)
    click.echo(
        f"right     {found.accumulators} accumulators of {found.images} images in {found.layers} layers at "
        f"{', '.join(found.points)}; instances {', '.join(found.instances)}"
    )


def _numbers(option: str, text: str | None) -> list[float] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option}: expected numbers separated by commas, got '{text}'") from None
