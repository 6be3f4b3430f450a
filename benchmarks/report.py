"""Tables of a benchmark run as text, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dse.kernels import instruction_sets
from dse.study import environment, hardware

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
    """Write README.md and bench.json into `folder`, with the machine beside the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = hardware()
    made = {"threads": torch.get_num_threads(), "instruction_sets": instruction_sets(), "quick": quick}
    best = instruction_sets()[-1] if instruction_sets() else "nothing: it is not built"
    about = (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {made['threads']} threads, compiled "
        f"engine on {best}, torch {torch.__version__}. Medians over turns of one run."
    )
    small = "\n\n**Quick run: small sizes, a check that everything runs, no measurement.**" if quick else ""
    head = f"# Speed of the simulation engines\n\nMade by `make bench` (`{COMMAND}`). {about}{small}\n\n"
    (folder / "README.md").write_text(head + "\n\n".join(table.text() for table in tables) + "\n", encoding="utf-8")
    data = {
        **made,
        "hardware": machine,
        "environment": environment(),
        "tables": [{"title": t.title, "columns": t.columns, "rows": t.rows} for t in tables],
    }
    (folder / "bench.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figure(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
