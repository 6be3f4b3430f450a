"""A trace served with stored operating points, with single designs and with the exact network: table, trace and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dse.exceptions import InputError
from dse.operating_points._governor import Designs, Policy, Served, best_static, request_images, serve, serve_static
from dse.operating_points._points_file import StoredPoints, read_points
from dse.operating_points._traces import BudgetTrace, battery, daily, steps
from dse.places import check_place
from dse.report import GovernorInfo, ServedLine, draw_governor, save
from dse.run_folder import write_csv, write_json
from dse.types import LARGEST_SEED, Floats
from dse.whole_files import whole_folder

RESULT, TRACE, FIGURE, PAGE = "governor.json", "trace.csv", "governor", "README.md"
FILES = (RESULT, TRACE, PAGE, f"{FIGURE}.png", f"{FIGURE}.pdf")
_EXACT = "an image on the exact network"  # unit of energies
UNITS = {"energy": _EXACT, "loss": "pp", "battery": _EXACT}


@dataclass(frozen=True)
class Setting:
    """A synthetic trace for some operating points.

    Args:
        trace: `steps`, `daily` or `battery`.
        budget: What steps and days limit: `energy`, also when None, or `loss`.
        requests: Length.
        low, high: Range of the budget, in relative energy or pp; None: from the point that any budget must admit to a
            twentieth beyond the one at the other end. Not of a battery.
        capacity: Of a battery, relative energy per request; None: what serves all points equally often, and a third more
            for other consumers.
        seed: Of the trace, and of the order of the images.

    Raises:
        InputError: The seed is not within 0 and 2^32 - 1, there is no such trace or budget, or what the trace does not use
            is given.
    """

    trace: str
    budget: Literal["energy", "loss"] | None = None
    requests: int = 1000
    low: float | None = None
    high: float | None = None
    capacity: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise InputError(f"seed: expected 0..{LARGEST_SEED}, got {self.seed}")
        if self.trace not in ("steps", "daily", "battery"):
            raise InputError(f"trace: expected steps, daily or battery, got '{self.trace}'")
        if self.budget not in (None, "energy", "loss"):
            raise InputError(f"budget: expected energy or loss, got '{self.budget}'")
        for name in ("budget", "low", "high") if self.trace == "battery" else ("capacity",):
            if getattr(self, name) is not None:
                raise InputError(f"{name}: plays no part in the trace '{self.trace}'; leave it out, or take another trace")

    def completed(self, points: Designs) -> Setting:
        """Return the setting with everything that the trace uses: what is not given follows the points.

        Raises:
            InputError: No point loses or spends anything, so that there is no range to follow.
        """
        if self.trace == "battery":
            mean = float(points.rel_energy.mean())
            return replace(self, capacity=4 / 3 * mean if self.capacity is None else self.capacity)
        budget = self.budget or "energy"
        values = points.rel_energy if budget == "energy" else np.maximum(points.loss_pp, 0)
        if self.high is None and values.max() <= 0:
            raise InputError(f"high: no point has any {budget} that a range could follow; give the largest budget (--high)")
        low = float(values.min()) if self.low is None else self.low
        return replace(self, budget=budget, low=low, high=1.05 * float(values.max()) if self.high is None else self.high)

    def made_for(self, points: Designs) -> BudgetTrace:
        """Draw the trace; see `completed` for what follows the points."""
        rng = np.random.default_rng((self.seed, 1))  # not the draws of the images
        whole = self.completed(points)
        if whole.capacity is not None:
            return battery(whole.requests, capacity=whole.capacity, rng=rng)
        assert whole.budget is not None and whole.low is not None and whole.high is not None
        make = steps if whole.trace == "steps" else daily
        return make(whole.requests, kind=whole.budget, low=whole.low, high=whole.high, rng=rng)


@dataclass(frozen=True)
class Comparison:
    """One trace, served in several ways; the governor first, the exact network last."""

    trace: BudgetTrace
    exact_accuracy: float  # on the test images
    served: tuple[Served, ...]


def simulate_folder(
    folder: Path, setting: Setting, policy: Policy, out: Path, *, overwrite: bool = False
) -> tuple[list[dict[str, Any]], Path]:
    """Serve a trace with the operating points in a folder, and write table, trace and figure.

    Args:
        folder: What `choose_run` has written.
        setting: The trace.
        policy: When the governor switches.
        out: Folder to write.
        overwrite: Replace an earlier one there.

    Returns:
        A table with a row for each way of serving the trace, the governor first; and the figure's path.

    Raises:
        InputError: The folder holds no operating points, the trace is none, or `out` is taken; nothing is written then.
    """
    stored = read_points(folder)
    check_place(out, "served trace", FILES, overwrite=overwrite)
    points = stored.designs(stored.points)
    setting = setting.completed(points)
    found = compare_served(stored, setting.made_for(points), policy, seed=setting.seed)
    settings = {"points": str(folder), **asdict(setting), **asdict(policy)}
    figure = write_comparison(found, settings, out)
    return [summary(served, found.exact_accuracy) for served in found.served], figure


def compare_served(stored: StoredPoints, trace: BudgetTrace, policy: Policy, *, seed: int) -> Comparison:
    """Serve a trace with the governor, with the best single design, and with the exact network.

    The best single design is chosen with the whole trace known beforehand, among the points and among the run's front, once
    to keep the budget at all times and once on average; what no design can do is left out. Every request is an image of the
    test part, the same for all.

    Args:
        stored: The operating points.
        trace: The budgets.
        policy: When the governor switches.
        seed: Of the order of the images.
    """
    images = request_images(len(trace.amounts), len(stored.exact), np.random.default_rng(seed))
    points = stored.designs(stored.points)
    served = [serve(points, trace, images, policy)]
    groups = [("point", points)]
    if len(stored.front.names):
        groups.append(("design of the front", stored.designs(stored.front)))
    for what, designs in groups:
        for when, on_average in (("always", False), ("on average", True)):
            place = best_static(designs, trace, on_average=on_average)
            if place is not None and (trace.kind != "battery" or on_average):  # a battery knows no other time
                name = f"best {what}, {when}: {designs.names[place]}"
                served.append(serve_static(designs, place, trace, images, name=name))
    served.append(serve_static(stored.exact_design, 0, trace, images, name="exact network"))
    return Comparison(trace, float(stored.exact.mean()), tuple(served))


def write_comparison(found: Comparison, settings: dict[str, Any], folder: Path) -> Path:
    """Write table, trace and figure into a folder of their own, whole or not at all; return the figure's path.

    Raises:
        InputError: It cannot be written.
    """
    governor = found.served[0]
    columns = ("request", "budget", "point", "rel_energy", "loss_pp", "right", "violated")
    arrays = (
        range(len(governor.budget)),
        governor.budget.tolist(),
        [governor.designs.names[point] for point in governor.point],
        governor.spent.tolist(),
        governor.designs.loss_pp[governor.point].tolist(),
        governor.right.astype(int).tolist(),
        governor.violated.astype(int).tolist(),
    )
    with whole_folder(folder) as new:
        rows = [summary(served, found.exact_accuracy) for served in found.served]
        write_json(new / RESULT, {**settings, "unit": UNITS[found.trace.kind], "served": rows})
        write_csv(new / TRACE, columns, zip(*arrays, strict=True))
        (new / PAGE).write_text(_page(found.trace, rows), encoding="utf-8")
        save(lambda: draw_governor(_info(found)), new, FIGURE)
    return folder / f"{FIGURE}.png"


def beyond(kind: str) -> str:
    """Return what `violations` counts under a budget of a kind."""
    return "not answered" if kind == "battery" else "beyond the budget"


def _page(trace: BudgetTrace, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the table as a page."""
    lines = [
        f"# Served: {trace.name}",
        "",
        "Energy: mean per request, an image on the exact network = 1. Right: measured, each request an image of the test",
        "part. Expected: by the losses that search images let expect, which is what the governor and the choice of the",
        "single designs follow. Those called `always` keep the budget at every request, those `on average` only in the",
        "mean over the trace, which is known to them beforehand.",
        "",
        f"| | energy | right, % | expected, % | switches | {beyond(trace.kind)} |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        figures = f"{row['rel_energy']:.3f} | {100 * row['accuracy']:.2f} | {100 * row['expected_accuracy']:.2f}"
        lines.append(f"| {row['name']} | {figures} | {row['switches']} | {row['violations']} of {row['requests']} |")
    return "\n".join([*lines, "", f"![budget, power, expected loss and accuracy over the trace]({FIGURE}.png)", ""])


def summary(served: Served, exact_accuracy: float) -> dict[str, Any]:
    """Return the figures of a served trace as plain data."""
    return {
        "name": served.name,
        "rel_energy": served.rel_energy,
        "expected_accuracy": served.expected_accuracy(exact_accuracy),
        "accuracy": served.accuracy,
        "switches": served.switches,
        "violations": served.violations,
        "requests": len(served.point),
    }


def shown_static(found: Comparison) -> Served | None:
    """Return the best single design of the table, by what designs are chosen by; None where the table has none.

    The best of those that keep the budget at all times; where none does, of those that keep it on average.
    """

    def worth(served: Served) -> tuple[bool, float, float]:
        energy, accuracy = served.rel_energy, served.expected_accuracy(found.exact_accuracy)
        return (served.violations > 0, *((energy, -accuracy) if found.trace.kind == "loss" else (-accuracy, energy)))

    return min(found.served[1:-1], key=worth, default=None)


def _losses(served: Served) -> Floats:
    """Return the loss of the design that served each request `(N,)` pp, NaN for those not answered."""
    return np.where(served.answered, served.designs.loss_pp[served.point], np.nan)


def _info(found: Comparison) -> GovernorInfo:
    governor, exact = found.served[0], found.served[-1]
    static = shown_static(found)
    shown = [governor, *([] if static is None else [static]), exact]
    lines = [ServedLine(_named(s, found.trace.kind), s.spent, _losses(s), s.right) for s in shown]
    return GovernorInfo(
        title=f"Operating points over a trace: {found.trace.name}",
        kind=found.trace.kind,
        budget=governor.budget,
        levels={name: _level(governor.designs, i) for i, name in enumerate(governor.designs.names)},
        lines=tuple(lines),
        caption=(
            f"{len(governor.point)} requests, {governor.switches} switch{'' if governor.switches == 1 else 'es'}, "
            f"{governor.violations} requests {beyond(found.trace.kind)}; energy {governor.rel_energy:.3f} of the exact "
            f"network's, {100 * governor.accuracy:.2f} % right ({100 * exact.accuracy:.2f} % exact)"
        ),
    )


def _named(served: Served, kind: str) -> str:
    """Return what the figure calls a way of serving: with how often it cannot keep the budget."""
    if not served.violations:
        return served.name
    return f"{served.name} ({served.violations} {beyond(kind)})"


def _level(designs: Designs, place: int) -> tuple[float, float]:
    return float(designs.rel_energy[place]), float(designs.loss_pp[place])
