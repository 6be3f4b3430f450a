"""Write the README's tables from committed results: python experiments/readme_tables.py"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
COMPARISONS = ("seeded_vs_alwann", "seeded_vs_alwann_cifar10")  # folders of results/
OURS, BASELINE = "nsga2", "alwann"


def comparison_table(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """Return how each method ended in comparisons as `dse compare` writes them (`comparison.json`), one problem each."""
    lines = []
    for found in comparisons:
        (problem,) = found["problems"]
        share = _by_method(found["medians"], lambda row: row["indicator"] == "hypervolume")
        test = _by_method(found["medians"], lambda row: row["indicator"] == "hypervolume_test")
        reached = _by_method(found["targets"], lambda row: row["target"]["key"] == "baseline")
        against = {row["second"]: row for row in found["pairs"] if (row["first"], row["indicator"]) == (OURS, "hypervolume")}
        budgets = sorted({series["budget"] for series in found["series"]})
        n = share[OURS]["estimate"]["n"]
        lines += [
            f"{problem['name']}, {n} seeds, {' or '.join(map(str, budgets))} evaluations each "
            f"({', '.join(f'{run} {kind}' for kind, run in _images(found).items())} images):",
            "",
            f"| method | hypervolume share, median [95 %] | on test images | evaluations to {BASELINE}'s median end "
            f"| {OURS} above it | p (Holm) |",
            "|---|---|---|---|---|---|",
        ]
        for method in sorted(share, key=lambda name: -share[name]["estimate"]["median"]):
            estimate, pair = share[method]["estimate"], against.get(method)
            lines.append(
                f"| `{method}` | {_percent(estimate['median'])} [{_percent(estimate['low'])}, {_percent(estimate['high'])}] "
                f"| {_percent(test[method]['estimate']['median'])} | {_evaluations(reached[method]['timing'])} "
                + (f"| {pair['better']} of {pair['n'][0]} | {pair['p_holm']:.2g} |" if pair else "| | |")
            )
        lines.append("")
    return "\n".join(lines)


def _by_method(rows: Sequence[Mapping[str, Any]], wanted: Any) -> dict[str, Mapping[str, Any]]:
    return {row["method"]: row for row in rows if wanted(row) and row["scope"] != "all problems"}


def _images(found: Mapping[str, Any]) -> dict[str, int]:
    first = found["runs"][0]
    return {"search": first["images.search"], "test": first["images.test"]}


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _evaluations(timing: Mapping[str, Any]) -> str:
    return "not reached" if timing["median_censored"] else f"{timing['median']:.0f}"


def points_table() -> str:
    """Return the operating points of all networks that have some."""
    files = sorted((ROOT / "results" / "operating_points").glob("*/summary.md"))
    rows = [file.read_text(encoding="utf-8") for file in files]
    head = "| network | asked for | chosen by | seeds | points: saving in % at loss in pp | hypervolume | ours has more |"
    return "\n".join([head, "|---|---|---|---|---|---|---|", "".join(rows)])


def with_tables(text: str) -> str:
    """Return the README's text with its tables made anew."""
    files = [ROOT / "results" / name / "comparison.json" for name in COMPARISONS]
    made = comparison_table([json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()])
    summary = ROOT / "results" / "cifar10" / "summary.md"
    tables = {
        "comparison": made,
        "cifar10": summary.read_text(encoding="utf-8") if summary.is_file() else "",
        "operating points": points_table(),
    }
    pattern = re.compile(rf"(<!-- ({'|'.join(tables)}) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
    return pattern.sub(lambda m: f"{m[1]}{tables[m[2]]}{m[3]}", text)


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
