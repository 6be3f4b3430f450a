"""Train the study's networks and write their weights, logs and accuracies, float and 8-bit.

    python experiments/cifar10/baselines.py [--networks resnet8 resnet14 resnet20 resnet32] [--threads 2]
        [--device cpu] [--out results/cifar10/baselines] --set space.dataset.path=CIFAR10.npz

A training is kept in the cache (`$DSE_CACHE`) under a hash of all that it depends on: none is done twice, and one that was
killed goes on where it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import dse
from dse.exceptions import ending
from dse.memory import keep_freed_memory
from dse.nn.convert import quantize
from dse.nn.models import save_weights
from dse.nn.quantizers import QuantizationSettings
from dse.nn.training import accuracy, cached_training, default_cache_dir
from dse.progress import ProgressDisplay
from dse.run_folder import hardware
from dse.whole_files import write_whole
from dse.workload import open_workload

HERE = Path(__file__).resolve().parent
# What differs from the package's settings of these networks. Small ones underfit: more epochs, less decay.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "resnet8": {"epochs": 80, "weight_decay": 1e-4},
    "resnet14": {"epochs": 50, "weight_decay": 1e-4},
    "resnet20": {"epochs": 30},
    "resnet32": {"epochs": 36},
    "mobilenetv2": {"epochs": 40, "batch_size": 256, "lr": 0.2},  # for a GPU
}
NETWORKS = tuple(name for name in SETTINGS if name.startswith("resnet"))  # of the study
SPACE_SEED = 0  # of the split: the runs of the study have it as their fixed_seed
FORMATS = ("sm8", "u8", "s8")


def baseline(name: str, overrides: list[str], out: Path, device: str, display: ProgressDisplay) -> None:
    """Train one network, or read it from the cache, and write `NAME.safetensors` and `NAME.json`."""
    own = [f"space.model.name={name}", *(f"space.training.{key}={value}" for key, value in SETTINGS[name].items())]
    config = dse.load_config(HERE / "study.toml", overrides=[*overrides, *own], seed=SPACE_SEED)
    space = config.space.model_copy(update={"model": config.space.model.model_copy(update={"weights": None})})
    untrained = open_workload(space, seed=SPACE_SEED)
    model, parts, settings = untrained.workload.model, untrained.workload.parts, untrained.settings
    assert settings is not None  # the space names no weights
    display.start(f"train {name}")
    log = cached_training(
        model,
        parts.train,
        settings,
        seed=untrained.seed,
        key={"model": name},
        cache_dir=default_cache_dir(),
        device=device,
        progress=display.update,
    )
    display.finish()
    save_weights(model, out / f"{name}.safetensors")
    found = {
        "network": name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "training_images": len(parts.train),
        "settings": vars(settings),
        "seed": untrained.seed,
        "test_images": len(parts.test),
        "accuracy_float": accuracy(model, parts.test),
        **{
            f"accuracy_{f}": accuracy(
                quantize(model, parts.calibration.x, QuantizationSettings(format=f)), parts.test
            )
            for f in FORMATS
        },
        "hardware": hardware(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "log": log,
    }
    write_whole(out / f"{name}.json", (json.dumps(found, indent=1) + "\n").encode())


def main() -> None:
    """Train what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=tuple(SETTINGS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", help="that trains, such as cuda")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "results" / "cifar10" / "baselines")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    with ProgressDisplay() as display:
        for name in arguments.networks:
            baseline(name, arguments.overrides, arguments.out, arguments.device, display)


if __name__ == "__main__":
    with ending("baselines.py"):
        main()
