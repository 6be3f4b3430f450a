"""Run the CIFAR-10 study: every network, seed and adversary; hours, and it goes on where it was interrupted.

    python experiments/cifar10/study.py [--networks resnet8 ...] [--arms approximate ...] [--seeds 0 ...] [--jobs 1]
        --set space.dataset.path=CIFAR10.npz --set space.multipliers.library=EVOAPPROX

`tables.py` writes `results/cifar10/` from the runs; they need not all be made on one machine. What is set here counts for
all arms, but for what makes an arm.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dse
from dse.exceptions import ending
from dse.execution import Execution
from dse.memory import keep_freed_memory
from dse.progress import ProgressDisplay
from dse.run_folder import STUDY

HERE = Path(__file__).resolve().parent
BASELINES = HERE.parents[1] / "results" / "cifar10" / "baselines"


@dataclass(frozen=True)
class Arm:
    """What is held against what: some methods in one format with one library.

    Args:
        name: Of its runs' folders.
        settings: `key=value` that differ from study.toml, and make it this arm: the command line does not change them.
    """

    name: str
    settings: tuple[str, ...] = ()
    method: str = "nsga2"  # whose designs later seeds retrain too; the first retrains those of all, and uniform ones
    networks: tuple[str, ...] = ()  # that have it; all where empty
    seeds: int = 3  # at most


# What more evaluations are worth, and how long they take: such a run is for a `$DSE_CACHE` without profiles of its network.
LONG = ("search.evaluations=1000", "retrain.methods=[]", "retrain.designs=[]", "retrain.uniform=[]")
# Of one network: the same images, evaluations and retraining everywhere, but for the long ones.
ARMS = (
    Arm("approximate"),
    Arm(  # as published: affine u8 on both sides, one scale per tensor, tuned weights, nothing compensated
        "alwann-u8",
        (
            "space.quantisation.format=u8",
            "space.quantisation.weights=per-tensor",
            "space.multipliers.weight_tuning=true",
            "space.multipliers.variants={}",
            "compensation.methods=[]",
            'search.methods=["alwann"]',
            'retrain.methods=["alwann"]',
            "retrain.designs=[0.8, 1.5, 8]",  # its front ends where others begin: its cheapest designs are retrained as well
        ),
        "alwann",
    ),
    Arm(  # exact multipliers of 3 to 8 bits, with all that approximate ones get: per-layer mixed precision
        "widths",
        (
            "space.multipliers.library=widths",
            'search.methods=["nsga2"]',
            'retrain.methods=["nsga2"]',
        ),
    ),
    Arm(  # both kinds in one search
        "joint",
        (
            'space.multipliers.also=["widths"]',
            'search.methods=["nsga2"]',
            'retrain.methods=["nsga2"]',
            'retrain.uniform=["exact"]',  # uniform ones are those of the two arms alone
        ),
        networks=("resnet8", "resnet20"),
        seeds=1,  # beside the question of the study
    ),
    Arm("long", (*LONG, 'search.methods=["nsga2"]'), networks=("resnet8",), seeds=1),
    Arm("long-alwann", (*LONG, 'search.methods=["alwann"]'), "alwann", networks=("resnet8",), seeds=1),
)


@dataclass(frozen=True)
class Network:
    """How much of the study a network gets: the deeper, the dearer an evaluation.

    Args:
        name: As `dse.nn.models` has it.
        seeds: Of the searches, at most.
        retrained: Seeds whose designs are retrained.
        settings: `key=value` that differ from study.toml; the same for all arms.
    """

    name: str
    seeds: int = 1
    retrained: int = 1
    settings: tuple[str, ...] = ()

    def overrides(self, arm: Arm, seed: int, given: Sequence[str] = ()) -> list[str]:
        """Return what differs from study.toml for an arm and a seed; `given` goes before what networks differ in."""
        own = [f"space.model.name={self.name}", f"space.model.weights={BASELINES / self.name}.safetensors"]
        fewer = [f'retrain.methods=["{arm.method}"]', 'retrain.uniform=["exact"]'] if seed else []
        none = ["retrain.designs=[]", "retrain.uniform=[]"] if seed >= self.retrained else []
        return [*own, *self.settings, *given, *arm.settings, *fewer, *none]


FEWER = ("search.evaluations=100", "retrain.designs=[1]")
NETWORKS = {
    network.name: network
    for network in (
        Network("resnet8", seeds=3, retrained=3, settings=("retrain.epochs=8", "retrain.designs=[0.8, 1.5]")),
        Network("resnet14", settings=FEWER),
        Network("resnet20", seeds=3, settings=("search.evaluations=150", "retrain.epochs=3")),
        Network("resnet32", settings=FEWER),
    )
}


def folder(arm: str, network: str, seed: int) -> Path:
    """Return where a run lies."""
    return Path("runs") / "cifar10" / f"{network}-{arm}-seed{seed}"


def planned() -> Iterator[tuple[Network, Arm, int]]:
    """Yield network, arm and seed of each run of the study, in its order."""
    for network in NETWORKS.values():
        for arm in (arm for arm in ARMS if network.name in (arm.networks or NETWORKS)):
            yield from ((network, arm, seed) for seed in range(min(network.seeds, arm.seeds)))


def main() -> None:
    """Run what is asked for; later seeds take over what earlier ones have evaluated here."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [arm.name for arm in ARMS]
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--arms", nargs="+", default=names, choices=names)
    seeds = range(max(network.seeds for network in NETWORKS.values()))
    parser.add_argument("--seeds", nargs="+", type=int, default=seeds, choices=seeds)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    for network, arm, seed in planned():
        if network.name in arguments.networks and arm.name in arguments.arms and seed in arguments.seeds:
            overrides = network.overrides(arm, seed, arguments.overrides)
            config = dse.load_config(HERE / "study.toml", overrides=overrides, seed=seed)
            earlier = (folder(arm.name, network.name, before) for before in range(seed))
            execution = Execution(jobs=arguments.jobs, known=[one for one in earlier if (one / STUDY).exists()])
            out = folder(arm.name, network.name, seed)
            dse.run(config, out=out, go_on=True, execution=execution, display=ProgressDisplay())


if __name__ == "__main__":
    with ending("study.py"):
        main()
