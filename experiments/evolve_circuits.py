"""Evolve circuits like those of the package: for each bound of the mean error the best of a few starts and seeds.

    python experiments/evolve_circuits.py --out FOLDER [--candidates N] [--seeds N] [--signed] [--bounds 10 40 ...]

Each file begins with the command that makes it alone; `results/multipliers/` has those of the package. Starts are the
exact Dadda tree and the catalogue's circuit of least power within the bound; the best is the one of least estimated
power (`dse.circuits.figures`, glitches included).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from dse.exceptions import ending
from dse.multiplier_catalogue import evolve_to_file
from dse.multipliers import catalogue_entries, import_library
from dse.progress import ProgressDisplay

BOUNDS = (1, 4, 10, 20, 40, 80, 120, 180, 350, 700)


def main() -> None:
    """Evolve and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the Verilog files")
    parser.add_argument("--candidates", type=int, default=300_000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--signed", action="store_true")
    parser.add_argument("--bounds", type=float, nargs="+", default=BOUNDS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for bound in arguments.bounds:
        name = f"evolved{bound:g}{'s' if arguments.signed else 'u'}".replace(".", "p")
        best_of(name, bound, arguments.signed, arguments.candidates, arguments.seeds, arguments.out)


def best_of(name: str, bound: float, signed: bool, candidates: int, seeds: int, out: Path) -> None:
    """Evolve one circuit from each start with each seed and keep the one of least power."""
    found: list[tuple[float, Path]] = []
    with tempfile.TemporaryDirectory() as scratch, ProgressDisplay() as display:
        for start in starts(bound, signed):
            for seed in range(seeds):
                file = Path(scratch) / f"{start}_{seed}" / f"{name}.v"
                file.parent.mkdir()
                options = {"max_error": bound, "candidates": candidates, "seed": seed, "x_weights": None, "w_weights": None}
                list(evolve_to_file(start, file, display=display, **options))  # type: ignore[arg-type]
                found.append((power(file, signed), file))
                print(f"{name} from {start}, seed {seed}: {found[-1][0]:.4f} mW", flush=True)
        shutil.copyfile(min(found)[1], out / f"{name}.v")


def starts(bound: float, signed: bool) -> list[str]:
    """Return the names of the circuits to start from."""
    entries = [e for e in catalogue_entries(signed) if e.family != "evolved"]
    within = min((e for e in entries if e.errors.mae <= bound), key=lambda e: e.figures.power_mw)
    return list(dict.fromkeys(("dadda8s" if signed else "dadda8u", within.name)))


def power(file: Path, signed: bool) -> float:
    """Return the power that stands in a file, in mW."""
    library = file.with_suffix(".npz")
    return next(
        m.power_mw or 0.0
        for m in import_library([file], library, signed=signed, reference_power_mw=1.0).multipliers
        if m.name == file.stem
    )


if __name__ == "__main__":
    with ending("evolve_circuits.py"):
        main()
