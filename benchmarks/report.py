"""Tables of a benchmark run as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dse.kernels import instruction_sets
from dse.run_folder import environment, hardware

COMMAND = "python benchmarks/bench_kernels.py"


@dataclass(frozen=True)
class Table:
    """One question and its figures."""

    title: str
    about: str  # what is compared with what, and what the figures mean
    columns: tuple[str, ...]
    rows: Sequence[tuple[str | float, ...]]

    def text(self) -> str:
        """Return the table as Markdown."""
        lines = [f"## {self.title}", "", self.about, "", _line(self.columns), _line(["---"] * len(self.columns))]
        lines += [_line([cell if isinstance(cell, str) else _figure(cell) for cell in row]) for row in self.rows]
        return "\n".join(lines)


def write(tables: Sequence[Table], folder: Path, *, quick: bool) -> None:
    """Write README.md and bench.json into `folder`, with the machine beside the figures.

    Tables of an earlier run that are not among `tables` stay, each with the commit and the date of its own run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    machine = hardware()
    made = {"threads": torch.get_num_threads(), "instruction_sets": instruction_sets(), "quick": quick}
    best = instruction_sets()[-1] if instruction_sets() else "nothing: it is not built"
    about = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {made['threads']} threads, compiled "
        f"engine on {best}, torch {torch.__version__}. Medians over turns; each table is of one run (see `bench.json`)."
    )
    small = "\n\n**Quick run: small sizes, a check that everything runs, no measurement.**" if quick else ""
    head = f"# Speed of the simulation engines\n\nMade by `make bench` (`{COMMAND}`). {about}{small}\n\n"
    run = environment()
    entries = _earlier(folder)
    for t in tables:
        entries[t.title] = {"title": t.title, "columns": t.columns, "rows": t.rows, "text": t.text()}
        entries[t.title] |= {key: run[key] for key in ("date", "git_commit", "git_dirty")}
    texts = "\n\n".join(str(entry["text"]) for entry in entries.values())
    (folder / "README.md").write_text(f"{head}{texts}\n", encoding="utf-8")
    data = {**made, "hardware": machine, "environment": run, "tables": list(entries.values())}
    (folder / "bench.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _earlier(folder: Path) -> dict[str, dict[str, object]]:
    """Return the tables of the run before by title, in order; none where there was none."""
    if not (folder / "bench.json").is_file():
        return {}
    tables = json.loads((folder / "bench.json").read_text(encoding="utf-8"))["tables"]
    return {table["title"]: table for table in tables}


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
