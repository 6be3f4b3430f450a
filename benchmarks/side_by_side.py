"""Print the seconds that some forward passes of a simulated network take: side_by_side.py NETWORK BATCH PASSES."""

from __future__ import annotations

import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch  # noqa: E402
from networks import float_network, quantized_network, random_images  # noqa: E402

import dse.memory  # noqa: E402
from dse.multipliers import builtin  # noqa: E402
from dse.nn.convert import approximable_layers, simulate  # noqa: E402
from dse.operands import operand_format  # noqa: E402


def main(name: str, batch: str, passes: str) -> None:
    """Wait for a line of input, so that two of these start together, then measure."""
    dse.memory.keep_freed_memory()
    x = random_images(int(batch))
    model = quantized_network(float_network(name), x)
    table = operand_format("sm8").table(builtin(signed=False)[3])
    simulate(model, dict.fromkeys(approximable_layers(model), table))
    with torch.no_grad():
        model(x)
        print("ready", flush=True)
        sys.stdin.readline()
        start = time.perf_counter()
        for _ in range(int(passes)):
            model(x)
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
