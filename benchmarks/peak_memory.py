"""Print the MiB that one forward pass needs at its peak beyond what was in use: peak_memory.py NETWORK BATCH KIND."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
from networks import float_network, quantized_network, random_images  # noqa: E402

from dse.multipliers import builtin  # noqa: E402
from dse.nn.convert import approximable_layers, simulate  # noqa: E402
from dse.operands import operand_format  # noqa: E402


def resident(field: str) -> float:
    """Return VmRSS (now) or VmHWM (the peak) of this process in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def main(name: str, batch: str, kind: str) -> None:
    """Measure and print."""
    torch.manual_seed(0)
    model, x = float_network(name), random_images(int(batch))
    if kind == "approximate":
        model = quantized_network(model, x)
        table = operand_format("sm8").table(builtin(signed=False)[3])
        simulate(model, dict.fromkeys(approximable_layers(model), table))
    with torch.no_grad():
        model(x[:1])  # libraries load, threads start
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak starts anew
        before = resident("VmRSS")
        model(x)
    print(resident("VmHWM") - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
