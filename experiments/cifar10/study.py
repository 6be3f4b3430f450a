"""Run the CIFAR-10 study: every network, seed and adversary; hours, and it goes on where it was interrupted.

    python experiments/cifar10/study.py [--networks resnet8 ...] [--arms approximate ...] [--seeds 3] [--jobs 1]
        --set space.dataset.path=CIFAR10.npz --set space.multipliers.library=EVOAPPROX

`tables.py` writes `results/cifar10/` from the runs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import dse
from dse.memory import keep_freed_memory
from dse.pipeline import Execution
from dse.progress import ProgressDisplay

HERE = Path(__file__).resolve().parent
BASELINES = HERE.parents[1] / "results" / "cifar10" / "baselines"


@dataclass(frozen=True)
class Arm:
    """What is held against what: some methods in one format with one library.

    Args:
        name: Of its runs' folders.
        settings: `key=value` that differ from study.toml; they come after those of the command line.
    """

    name: str
    settings: tuple[str, ...] = ()
    method: str = "nsga2"  # whose designs later seeds retrain too; the first retrains those of all, and uniform ones


# The same network, images, evaluations and retraining everywhere.
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
        ),
        "alwann",
    ),
    Arm(  # exact multipliers of 3 to 8 bits, with all that approximate ones get: per-layer mixed precision
        "widths",
        (
            "space.multipliers.library=widths",
            'space.multipliers.variants={tuning=["histogram"]}',
            'search.methods=["nsga2"]',
            'retrain.methods=["nsga2"]',
        ),
    ),
)
SEEDS = {"resnet8": 3, "resnet14": 1, "resnet20": 3, "resnet32": 1}  # at most


def folder(arm: str, network: str, seed: int) -> Path:
    """Return where a run lies."""
    return Path("runs") / "cifar10" / f"{network}-{arm}-seed{seed}"


def main() -> None:
    """Run what is asked for; later seeds take over what earlier ones have evaluated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [arm.name for arm in ARMS]
    parser.add_argument("--networks", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.add_argument("--arms", nargs="+", default=names, choices=names)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    for network in arguments.networks:
        weights = BASELINES / f"{network}.safetensors"
        own = (f"space.model.name={network}", f"space.model.weights={weights}")
        for arm in (arm for arm in ARMS if arm.name in arguments.arms):
            done: list[Path] = []
            for seed in range(min(arguments.seeds, SEEDS[network])):
                later = [f'retrain.methods=["{arm.method}"]', 'retrain.uniform=["exact"]'] if seed else []
                overrides = [*arguments.overrides, *own, *arm.settings, *later]
                config = dse.load_config(HERE / "study.toml", overrides=overrides, seed=seed)
                done.append(folder(arm.name, network, seed))
                execution = Execution(jobs=arguments.jobs, known=done[:-1])
                dse.run(config, out=done[-1], go_on=True, execution=execution, display=ProgressDisplay())


if __name__ == "__main__":
    main()
