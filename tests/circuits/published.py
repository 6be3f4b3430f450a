"""Estimated figures beside published ones: `python -m tests.circuits.published [FOLDER]` prints the tables.

Without a folder: the arrays whose tables equal those of circuits in EvoApproxLib. With one: the Verilog netlists in it that
name their own figures (`// PDK45_PWR = 0.391 mW` and so on, as EvoApproxLib's do), 8 x 8 bits.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from dse.circuits import Figures, figures, from_verilog
from tests.circuits.arrays import I, J, carry_save_array

# Published figures of EvoApproxLib (mW, um2, ns).
EXACT = {False: ("mul8u_1JFF", Figures(0.391, 709.6, 1.43)), True: ("mul8s_1KV6", Figures(0.425, 729.8, 1.48))}
# Signed circuits that are arrays without some partial products: published figures, and the products that are kept.
SIGNED = {
    "mul8s_1KV8": (Figures(0.422, 711.0, 1.48), I + J >= 2),
    "mul8s_1KV9": (Figures(0.410, 685.2, 1.47), I + J >= 3),
    "mul8s_1KVA": (Figures(0.391, 641.1, 1.51), I + J >= 4),
    "mul8s_1KVM": (Figures(0.369, 652.8, 1.37), I >= 1),
    "mul8s_1KVP": (Figures(0.363, 635.0, 1.37), (I >= 1) & (I + J >= 3)),
    "mul8s_1KVQ": (Figures(0.351, 599.8, 1.36), (I >= 1) & (I + J >= 4)),
    "mul8s_1L2J": (Figures(0.301, 558.9, 1.36), (I >= 1) & (J >= 1)),
    "mul8s_1KX5": (Figures(0.289, 543.0, 1.33), (I >= 2) & (I + J >= 5)),
    "mul8s_1KXF": (Figures(0.237, 482.4, 1.19), I >= 3),
    "mul8s_1L2L": (Figures(0.200, 411.6, 1.14), (I >= 2) & (J >= 2)),
    "mul8s_1L2N": (Figures(0.126, 284.9, 0.94), (I >= 3) & (J >= 3)),
    "mul8s_1L12": (Figures(0.052, 172.2, 0.89), I >= 6),
}
KEYS = ("power_mw", "area_um2", "delay_ns")


def relative(a: Figures, b: Figures) -> np.ndarray:
    """Return power, area and delay of `a` as shares of those of `b`, `(3,)`."""
    return np.array([getattr(a, key) / getattr(b, key) for key in KEYS])


def print_arrays() -> None:
    for signed, (name, known) in EXACT.items():
        own = figures(carry_save_array(I >= 0, signed=signed))
        print(f"{name}: published {known}, estimated {own}, off by", np.round(relative(own, known) - 1, 3))
    own = figures(carry_save_array(I >= 0, signed=True))
    print("\nrelative to mul8s_1KV6: published power, area, delay; how far the estimate is off")
    for name, (known, kept) in SIGNED.items():
        theirs = relative(known, EXACT[True][1])
        ours = relative(figures(carry_save_array(kept, signed=True)), own)
        print(f"{name}  {np.round(theirs, 3)}  {np.round(ours / theirs - 1, 3)}")


def print_netlists(folder: Path) -> None:
    known, own = [], []
    for path in sorted(folder.rglob("*.v")):
        found = [re.search(rf"PDK45_{key} = ([\d.]+)", path.read_text()) for key in ("PWR", "AREA", "DELAY")]
        if all(found):
            known.append([float(match[1]) for match in found if match])
            estimate = figures(from_verilog(path, signed="mul8s" in path.name))
            own.append([getattr(estimate, key) for key in KEYS])
            print(
                f"{path.stem}  published {known[-1]}  estimate off by {np.round(np.divide(own[-1], known[-1]) - 1, 3)}"
            )
    for key, ours, theirs in zip(KEYS, np.transpose(own), np.transpose(known), strict=True):
        middle = np.median(np.abs(ours / theirs - 1))
        print(f"{key}: Spearman {spearmanr(ours, theirs).statistic:.3f}, median error {middle:.1%}")


if __name__ == "__main__":
    print_netlists(Path(sys.argv[1])) if len(sys.argv) > 1 else print_arrays()
