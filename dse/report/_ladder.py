"""What each rung of the fidelity ladder is worth: a table from ladder.csv."""

from __future__ import annotations

from pathlib import Path

from dse.report._files import CsvFile, read_csv
from dse.report._text import markdown, number

_TARGETS = {
    "accuracy_loss_pp": "loss of accuracy on all search images",
    "kl": "divergence on all search images",
    "test_accuracy_loss_pp": "loss of accuracy on the test images",
}


def ladder_text(path: Path) -> str | None:
    """Return one Markdown table per figure of the top rung; None without the file.

    Raises:
        InputError: One line that names file and column, for anything that is not as it should be.
    """
    if not path.exists():
        return None
    file = read_csv(path)
    targets = list(dict.fromkeys(file.texts("target")))
    parts = [
        "Spearman's rank correlation with the top rung (95 % bootstrap interval over designs; tau: Kendall's tau-b), over "
        "all designs that climbed every rung and over the half of them nearest to the front, and what a design costs. The "
        "near half is chosen by the loss on the search images: correlations there are smaller by nature. Where the closed "
        "form or few images rank as well as the top rung, spend evaluations there."
    ]
    for target in targets:
        parts += [f"Against the {markdown(_TARGETS.get(target, target))}:", _table(file, target)]
    return "\n\n".join(parts)


def _table(file: CsvFile, target: str) -> str:
    rows = [row for row, given in enumerate(file.texts("target")) if given == target]
    ms = file.numbers("ms")
    header = ["rung", "ranks by", "ms per design", "all designs", "near the front"]
    lines = [
        [
            markdown(file.texts("rung")[row]),
            markdown(file.texts("figure")[row]),
            f"{ms[row]:.3g}",
            _cell(file, row, ""),
            _cell(file, row, "near_"),
        ]
        for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *lines])


def _cell(file: CsvFile, row: int, prefix: str) -> str:
    rho, low, high, tau = (
        number(float(file.numbers(f"{prefix}{key}", gaps=True)[row]), 2)
        for key in ("spearman", "low", "high", "kendall")
    )
    count = int(file.numbers(f"{prefix}designs")[row])
    return f"{rho} ({low} to {high}), tau {tau}, {count} designs"
