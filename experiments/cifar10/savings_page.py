"""The page of the CIFAR-10 study, from the CSV files of `gather.py` alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import targets
from gather import LEVELS, OURS, weights_of
from savings_tables import baselines, by_family_and_depth, cell_text, diverging, equal_energy, retrained_designs, table
from series import SERIES, Row, by_seed, rows_of, within
from study import HERE, NETWORKS, planned

import dse
from dse.exceptions import InputError
from dse.report import LOSS_LEVELS_PP

PUBLISHED = (
    ("AGN search with retraining, ResNet variants", "70 to 79", "< 1", "abstract of arXiv 2208.07265"),
    ("ALWANN without retraining, ResNet-50", "30", "0.6", "abstract of arXiv 1907.07229"),
    ("ALWANN without retraining, ResNet-8 / 14", "31 / 34", "1 (of 1,000 images)", "raw data of the authors' demonstration"),
)
DIVERGING = """\
How far the same designs diverge from the exact network of their format on the test images, at equal energy: the mean of
KL(exact || design) in 1/1000 nat. Chosen likewise; it tells series apart where the accuracy of 10,000 images does not."""
HEAD = """\
Written by `python experiments/cifar10/tables.py` from runs of `experiments/cifar10/study.py`; `verify.py` beside them
evaluates the designs again from the files here. Folders beside it: `error_model/` holds predicted errors against measured
ones, `profiles/` learned noise against other ways to rank layers, `profile_seeds/` says what each is worth to the search,
`ablations/` what each way to compensate and to retrain does, `baselines/` has the networks.

**What a saving is.** Energy of the multiplications of all convolutions and the linear layer, by circuit power at
uniform inputs, against an exact 8 x 8 array multiplier; nothing else of an accelerator counts. The power of approximate
circuits is that which EvoApproxLib publishes; that of exact reduced widths is estimated for arrays of the same kind
(docs/hardware.md: 11 % too low to 6 % too high where published ones are known). An exact multiplier built as a tree
would itself need a third less than the reference. Format sm8 has activations of 8 bits, and weights of a sign and 8
bits.

**What a loss is.** Against the exact 8-bit network of the same format as it was before any retraining, on all 10,000
test images, in percentage points, ± the standard error of the paired difference.

**Who chooses.** Float training saw 45,000 images, others are {calibration} for calibration (of which {compensation}
compensate), {search:,} on which searches score designs, and {validation:,} validation images, which neither search nor
training saw. Without retraining a design is chosen by the loss that its divergence from
the exact network on validation images lets expect, a retrained one by the loss that its cross-entropy there lets
expect, as all epochs of all retrained designs of the network say together (isotonic regression). Test images choose
nothing, so a loss may lie above its column (†), and series differ in how far: below the tables stands by how much.
Beside it stands what the test images themselves would choose: the largest saving within each loss among the same
designs, which is too favourable by the luck of the best of many.

**The series.** All searches of a network have the same evaluations, but for those said to have 1,000; all seeds share
one network and one split, and later seeds take over what earlier ones had evaluated, which saves time and not budget.
Several seeds: the mean saving (least..most) and loss, and the mean of their standard errors. The ALWANN-style search in
its own format has affine u8 on both sides, one scale per tensor, weights tuned uniformly, nothing compensated; as all
others here it searches the linear layer as well, which its authors leave exact. AGN matching scales one learned
profile, where its authors learn one for each strength of noise. In all other series a circuit, approximate or of
reduced width, has in each layer the variant (operand order, clipped ranges, tuned weights) that the error model expects
to lose least there: searches, matching and uniform designs choose circuits.
"""


def head() -> str:
    """Return what the page says before its tables, with the numbers of images that the study's configuration has."""
    config = dse.load_config(HERE / "study.toml")
    images = config.space.dataset
    return HEAD.format(
        calibration=images.calibration_images,
        compensation=config.compensation.images,
        search=images.search_images,
        validation=images.validation_images,
    )


def summary(designs: Sequence[Row], retrained: Sequence[Row], epochs: Sequence[Row], level: float = 1.0) -> Iterator[str]:
    """Yield the table of the project's README: what each series saves within one loss on every network."""
    networks = sorted({row["network"] for row in designs}, key=by_family_and_depth)
    kinds = {"": within(designs, "loss_pp", [level]), ", retrained": within(retrained, "loss_pp", [level])}
    yield f"| chosen within {level:g} pp | " + " | ".join(networks) + " |"
    yield "|---" * (len(networks) + 1) + "|"
    for kind, cells in kinds.items():
        for series, label in SERIES.items():
            found = [cells.get((network, series, level)) for network in networks]
            if any(found):
                yield f"| {label}{kind} | " + " | ".join(cell_text(cell or (), level) for cell in found) + " |"
    for network in networks:
        if shorter := shorter_trained(epochs, network):
            yield ""
            yield shorter


def shorter_trained(epochs: Sequence[Row], network: str) -> str:
    """Say which arms of a network have been retrained for fewer epochs than others so far; nothing where none has."""
    trained: dict[str, int] = {}
    for row in (row for row in epochs if row["network"] == network):
        trained[row["arm"]] = max(trained.get(row["arm"], 0), int(row["epoch"]))
    most = max(trained.values(), default=0)
    fewer = [f"{arm} ({count})" for arm, count in trained.items() if count < most]
    if not fewer:
        return ""
    said = f"Arms of {network} retrained for fewer epochs so far than the others' {most}, to be done again"
    return f"{said}: {', '.join(fewer)}."


def offsets(rows: Sequence[Row], network: str, least: float = 0.1, most: float = 2.0) -> Iterator[str]:
    """Say by how much test losses exceed the losses that choose, in the mean of the designs that count in the tables."""
    said, found = [], by_seed(rows)
    for series, label in SERIES.items():
        seeds = found.get((network, series), {})
        kept = [row for mine in seeds.values() for row in mine if least < float(row["loss_pp"]) <= most]
        if kept:
            above = np.mean([float(row["test_loss_pp"]) - float(row["loss_pp"]) for row in kept])
            said.append(f"{label} {above:+.2f} ({len(kept)})")
    if said:
        yield ""
        yield (
            "By how many pp losses on test images exceed those that choose, in the mean of the designs expected to lose "
            f"{least:g} to {most:g} pp (so many): {'; '.join(said)}. Designs share the test images, and with them the exact "
            "network's luck."
        )


def retrained_how(network: str) -> str:
    """Say which designs of a network the study retrains, and by which gradient."""
    levels: dict[str, list[str]] = {}
    gradients: dict[str, list[str]] = {}
    for arm in (arm for of, arm, seed in planned() if (of.name, seed) == (network, 0)):
        config = dse.load_config(HERE / "study.toml", overrides=NETWORKS[network].overrides(arm, 0)).retrain
        if config is not None and isinstance(config.designs, list) and config.designs:
            levels.setdefault(f"{', '.join(f'{level:g}' for level in config.designs)} pp", []).append(arm.name)
            gradients.setdefault(config.gradient, []).append(arm.name)
    losses, ways = (
        "; ".join(f"{what} (arm{'s' * (len(of) > 1)} {', '.join(of)})" for what, of in found.items())
        for found in (levels, gradients)
    )
    return (
        "Retrained are the exact network and, of each front and of the uniform designs, the cheapest that without it are "
        f"expected to lose at most {losses}. So few designs say what a series reaches at least, not what it cannot. "
        f"Gradient: {ways}; `ablations/` compares such."
    )


def kept_weights(rows: Sequence[Row], network: str, out: Path) -> str:
    """Say how many retrained networks can be evaluated again from the files."""
    mine = [row for row in rows if row["network"] == network]
    kept = sum((out / weights_of(row)).exists() for row in mine)
    return (
        f"Weights of {kept} of the {len(mine)} retrained networks, of all seeds and with the exact ones, lie in "
        "`retrained/` as the integers that layers compute with; `verify.py` simulates them again."
    )


def page(out: Path) -> str:
    """Return the README of the results, from the files beside it.

    Raises:
        InputError: They are not there.
    """
    designs, retrained, epochs, runs = (rows_of(out / f"{name}.csv") for name in ("designs", "retrained", "epochs", "runs"))
    if not designs or not runs:
        raise InputError(f"{out}: expected designs.csv and runs.csv, got none; gather them from runs (without --page-only)")
    lines = [
        "# CIFAR-10 (JPEG): savings within a loss, without and with retraining",
        "",
        head(),
        "## What was to be reached",
        "",
        *targets.table(designs, retrained),
        *not_run(runs),
        "",
        "## Networks",
        "",
        *baselines(out / "baselines"),
        "",
        "Float and 8-bit accuracies on the test images; weights in 8 bits with a scale for each output channel.",
        "",
        "## Published, other authors, on the original CIFAR-10",
        "",
        "| method | saving, % | loss, pp | source |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in PUBLISHED),
    ]
    for network in sorted({row["network"] for row in designs}, key=by_family_and_depth):
        lines += ["", f"## {network}", *sections(network, designs, retrained, epochs, runs, out)]
        lines += ["", f"![savings of {network}]({network}.png)"]
        for path in sorted(out.glob(f"{network}-*-assignments.png")):
            arm = path.name.removeprefix(f"{network}-").removesuffix("-assignments.png")
            lines += ["", f"![assignments along the front of arm {arm}, {network}]({path.name})"]
    return "\n".join([*lines, ""])


def not_run(runs: Sequence[Row]) -> Iterator[str]:
    """Say which of the study's runs the files lack."""
    done = {(row["network"], row["arm"], int(row["seed"])) for row in runs}
    seeds: dict[str, dict[str, list[int]]] = {}
    for network, arm, seed in planned():
        if (network.name, arm.name, seed) not in done:
            seeds.setdefault(network.name, {}).setdefault(arm.name, []).append(seed)
    if seeds:
        yield from ("", "Not run yet, by arm (seeds):", "")
    for name, arms in seeds.items():
        missing = (f"{arm} ({', '.join(map(str, of))})" for arm, of in arms.items())
        yield f"- {name}: {', '.join(missing)}"


def sections(
    network: str,
    designs: Sequence[Row],
    retrained: Sequence[Row],
    epochs: Sequence[Row],
    runs: Sequence[Row],
    out: Path,
) -> Iterator[str]:
    """Yield what the page says of one network."""
    yield from ("", "Without retraining, chosen by validation images:", "")
    yield from table(within(designs, "loss_pp"), network)
    yield from offsets(designs, network)
    yield from joint_share(designs, network)
    yield from ("", "The same, on the test images themselves:", "", *table(within(designs, "test_loss_pp"), network))
    if at_equal := list(equal_energy(designs, network)):
        yield from ("", "Loss in pp at equal energy without retraining, between neighbours on a front:", "", *at_equal)
    yield from ("", DIVERGING, "", *diverging(designs, network))
    if any(row["network"] == network for row in retrained):
        if shorter := shorter_trained(epochs, network):
            yield from ("", shorter)
        alike = "" if shorter else ", the same training for all"
        yield from ("", f"Retrained designs of the first seed{alike}:", "")
        yield from retrained_designs(retrained, network)
        yield from ("", retrained_how(network))
        yield from ("", kept_weights(retrained, network, out))
        yield from ("", "With retraining, chosen by validation images:", "", *table(within(retrained, "loss_pp"), network))
        yield from offsets(retrained, network)
        yield from ("", "The same, on the test images themselves:", "", *table(within(retrained, "test_loss_pp"), network))
        if at_equal := list(equal_energy(retrained, network)):
            yield from ("", "Loss in pp at equal energy with retraining, between the few designs retrained:", "", *at_equal)
    yield from ("", *beside(runs, network))


def joint_share(rows: Sequence[Row], network: str) -> Iterator[str]:
    """Say how much of the joint search's choices approximate circuits are."""
    cells = within(rows, "loss_pp")
    found = [cell for level in LOSS_LEVELS_PP for cell in cells.get((network, ("joint", "nsga2"), level), ()) if cell]
    if found:
        shares = [cell.approximate for cell in found]
        yield ""
        yield (
            f"In these designs of the search over both, approximate circuits do {min(shares):.0f} to {max(shares):.0f} % of "
            "the multiplications; exact multipliers of reduced width do the others."
        )


def beside(rows: Sequence[Row], network: str) -> Iterator[str]:
    """Say what a library can save at most, what savings come to where more counts, and how the runs were made."""
    mine = [row for row in rows if row["network"] == network]
    first = next((row for row in mine if (row["arm"], row["seed"]) == (OURS, "0")), None)
    if first is None:
        return
    factors = ", ".join(f"{float(first[level]):.2f} ({level})" for level in LEVELS if first[level])
    exact: Mapping[str, str] = {row["arm"]: f"{float(row['exact_percent']):.2f} %" for row in mine}
    yield f"- Accuracy of the exact 8-bit network, by arm: {', '.join(f'{arm} {value}' for arm, value in exact.items())}."
    yield f"- The circuit of least power above 0, in all layers, saves {float(first['floor_percent']):.1f} %."
    yield (
        "- Where more of an accelerator counts, as `dse.objectives` models it, a saving of approximate circuits in sm8 is "
        f"to be multiplied by {factors}. That does not hold for reduced widths: narrower operands would make accumulators, "
        "wires and memories narrower as well, which the model does not count."
    )
    budgets = {row["arm"]: row["evaluations"] for row in mine}
    sizes = sorted({row["population"] for row in mine})
    said = ", ".join(f"{arm} {count}" for arm, count in budgets.items())
    yield f"- Evaluations of each search, by arm: {said}; populations of {', '.join(sizes)}."
    for row in (row for row in mine if row["minutes"]):
        yield (
            f"- Arm {row['arm']}, seed {row['seed']}: {row['minutes']} minutes with trace, profile, search and all scores, "
            f"without retraining ({row['jobs']} x {row['threads']} threads)."
        )
    commits = sorted({row["commit"][:7] for row in mine})
    machines = sorted({f"{row['cpu']}, {row['jobs']} x {row['threads']} threads" for row in mine})
    yield f"- {'; '.join(machines)}; commits {', '.join(commits)}."
