"""Write `results/cifar10/` from the runs of `study.py`: savings at every loss, without and with retraining, and figures.

    python experiments/cifar10/tables.py [--runs runs/cifar10] [--out results/cifar10] [--page-only]

The runs' figures are gathered into CSV files beside what is there of other runs, and the page is made of these alone:
`--page-only` needs no runs. What the README of the project may say of them is in `summary.md`;
`experiments/readme_tables.py` takes it to its place there.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from gather import OURS, gather, strays
from savings_page import page, summary
from series import DRAWN, column, rows_of

from dse.exceptions import ending
from dse.report import UNIFORM, Tradeoff, draw_tradeoffs, save
from dse.whole_files import writable_folder

ROOT = Path(__file__).resolve().parents[2]


def draw(out: Path) -> None:
    """Draw each network's designs on the test images, first seed, before and after retraining."""
    designs, retrained, runs = (rows_of(out / f"{name}.csv") for name in ("designs", "retrained", "runs"))
    floors = {row["network"]: float(row["floor_percent"]) for row in runs if row["arm"] == OURS}
    for network in sorted({row["network"] for row in designs}):
        series = []
        for rows, panel in ((designs, "without retraining"), (retrained, "with retraining; hollow: before")):
            for (arm, method), label in DRAWN.items():
                mine = [r for r in rows if (r["network"], r["arm"], r["method"], r["seed"]) == (network, arm, method, "0")]
                if mine:
                    points = np.column_stack([column(mine, name) for name in ("saving_percent", "test_loss_pp")])
                    before = column(mine, "before_pp") if rows is retrained else None
                    line = method != UNIFORM and rows is designs
                    series.append(Tradeoff(label, points, line=line, before=before, panel=panel))
        caption = f"{network} on CIFAR-10 (JPEG), 10,000 test images, seed 0"
        save(partial(draw_tradeoffs, series, caption, floors.get(network), list(DRAWN.values())), out, network)


def main() -> None:
    """Gather, write, draw: all of it, or nothing where a run is damaged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs") / "cifar10")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "cifar10")
    parser.add_argument("--page-only", action="store_true", help="only page and figures, from the CSV files that are there")
    given = parser.parse_args()
    if not given.page_only:
        out = writable_folder(given.out)
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            new = Path(scratch) / "new"  # its mode is that of any folder
            new.mkdir()
            gather(given.runs, new, out)
            shutil.copytree(new, out, dirs_exist_ok=True)
        for path in strays(out, rows_of(out / "retrained.csv")):
            path.unlink()
    text = page(given.out)
    draw(given.out)
    (given.out / "README.md").write_text(text, encoding="utf-8")
    designs, retrained, epochs = (rows_of(given.out / f"{name}.csv") for name in ("designs", "retrained", "epochs"))
    (given.out / "summary.md").write_text("\n".join([*summary(designs, retrained, epochs), ""]), encoding="utf-8")


if __name__ == "__main__":
    with ending("tables.py"):
        main()
