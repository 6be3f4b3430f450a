"""Evaluate published designs again from `results/cifar10/` alone, and compare their losses on the test images.

    python experiments/cifar10/verify.py [--networks resnet8 ...] [--arms approximate ...] [--designs 5]
        --set space.dataset.path=CIFAR10.npz --set space.multipliers.library=EVOAPPROX

So many designs of each network and arm, spread over designs.csv, and all retrained ones whose weights lie there. A
loss may be off by one image, an energy in the last digits. The page is written anew and compared: all it says is of the
files beside it. What validation images say, which chooses, is not evaluated again. Exit code 1 where something differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gather import strays, weights_of
from kept_weights import quantizer_of, unpack
from savings_page import page
from series import rows_of
from study import ARMS, HERE, NETWORKS, Arm, Network

import dse
from dse.exceptions import InputError, ending
from dse.inputs import load_inputs
from dse.memory import keep_freed_memory
from dse.nn.training import right_answers
from dse.paired import Right, paired_difference
from dse.preparation import Prepared, prepare
from dse.progress import ProgressDisplay
from dse.search import evenly
from dse.types import Assignment

RESULTS = HERE.parents[1] / "results" / "cifar10"
GUIDE = ("robustness.steps=1", "robustness.compare=[]")  # designs are there already: nothing is learned for a search


@dataclass(frozen=True)
class Compared:
    """One design, as it is published and as it is found now."""

    label: str
    saving_percent: tuple[float, float]
    loss_pp: tuple[float, float]
    se_pp: tuple[float, float]

    def holds(self, images: int) -> bool:
        """Whether loss and standard error are off by at most one of so many images, and the energy by rounding."""
        apart = (abs(there - here) for there, here in (self.loss_pp, self.se_pp))
        return abs(np.subtract(*self.saving_percent)) < 1e-9 and all(gap <= 100 / images + 1e-9 for gap in apart)


def assignment_of(row: Mapping[str, str], prepared: Prepared) -> Assignment:
    """Return the multiplier of each layer `(L,)`. Raises InputError where a row fits neither library nor layers."""
    names, space = row["assignment"].split(), prepared.space
    names = names * len(space.layers) if len(names) == 1 else names
    if unknown := set(names) - set(space.multipliers):
        raise InputError(f"designs: the library has no {', '.join(sorted(unknown))}; give the one of the study")
    if len(names) != len(space.layers):
        raise InputError(f"designs: expected {len(space.layers)} multipliers, one for each layer, got {len(names)}")
    return np.array([space.multipliers.index(name) for name in names], dtype=np.int64)


def compared(
    network: Network, arm: Arm, given: argparse.Namespace, designs: Sequence[Mapping[str, str]]
) -> Iterator[tuple[Compared, int]]:
    """Yield designs, those with weights of their own last, each with how many images it is evaluated on."""
    config = dse.load_config(HERE / "study.toml", overrides=[*network.overrides(arm, 0, given.overrides), *GUIDE], seed=0)
    prepared = prepare(load_inputs(config), ProgressDisplay.silent())
    test = prepared.workload.parts.test
    exact = right_answers(prepared.factory.network(np.zeros(len(prepared.space.layers), dtype=np.int64)), test)

    def found(row: Mapping[str, str], weights: Path | None = None) -> tuple[Compared, int]:
        design = assignment_of(row, prepared)
        model = prepared.factory.network(design)
        if weights is not None:
            model.load_state_dict(unpack(weights, quantizer_of(config)))
        right: Right = right_answers(model, test)
        label = f"{network.name} {arm.name} seed {row['seed']} {row['method']} {row['design']}"
        saving = 100 * (1 - float(prepared.space.energy(design[None])[0]))
        lost = paired_difference(exact, right)
        there = (float(row[key]) for key in ("saving_percent", "test_loss_pp", "test_se_pp"))
        return Compared(label, *zip(there, (saving, lost.pp, lost.se_pp), strict=True)), len(test)

    for row in designs:
        yield found(row)
    for row in of(rows_of(given.results / "retrained.csv"), network.name, arm.name):
        if (weights := given.results / weights_of(row)).exists():
            yield found(row, weights)


def of(rows: Sequence[Mapping[str, str]], network: str, arm: str) -> list[Mapping[str, str]]:
    """Return the rows of a network and an arm."""
    return [row for row in rows if (row["network"], row["arm"]) == (network, arm)]


def main() -> None:
    """Evaluate, compare, say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [arm.name for arm in ARMS]
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--arms", nargs="+", default=names, choices=names)
    parser.add_argument("--designs", type=int, default=5, help="of each network and arm")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    keep_freed_memory()
    rows = rows_of(given.results / "designs.csv")
    if not rows:
        raise InputError(f"{given.results}/designs.csv: expected designs, got none; tables.py writes them")
    said = given.results / "README.md"
    different = int(not said.exists() or said.read_text(encoding="utf-8") != page(given.results))
    print(f"{said}: {'DIFFERENT from' if different else 'is'} what the files beside it say", flush=True)
    for path in strays(given.results, rows_of(given.results / "retrained.csv")):
        different += 1
        print(f"{path}: belongs to no row of retrained.csv: DIFFERENT", flush=True)
    verified = 0
    for network in (NETWORKS[name] for name in given.networks):
        for arm in (arm for arm in ARMS if arm.name in given.arms):
            if designs := of(rows, network.name, arm.name):
                for one, images in compared(network, arm, given, [designs[i] for i in evenly(len(designs), given.designs)]):
                    verified, different = verified + 1, different + (not one.holds(images))
                    verdict = "as published" if one.holds(images) else "DIFFERENT"
                    there, here = (
                        f"{saving:.2f} % {loss:.2f} ± {error:.2f} pp"
                        for saving, loss, error in zip(one.saving_percent, one.loss_pp, one.se_pp, strict=True)
                    )
                    print(f"{one.label}: {there}; now {here}: {verdict}", flush=True)
    if not verified:
        raise InputError(f"{given.results}/designs.csv: expected designs of {given.networks} and {given.arms}, got none")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    with ending("verify.py"):
        main()
