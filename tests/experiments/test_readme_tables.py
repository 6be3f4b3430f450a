"""The README says what the committed results say."""

from __future__ import annotations

import json

from experiments.readme_tables import COMPARISONS, README, ROOT, comparison_table, with_tables


def test_the_readme_has_the_tables_of_the_committed_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert text == with_tables(text), "run `python experiments/readme_tables.py`"
    assert "| `alwann` |" in text


def test_every_method_of_a_comparison_has_its_figures_in_the_table() -> None:
    found = json.loads((ROOT / "results" / COMPARISONS[0] / "comparison.json").read_text(encoding="utf-8"))
    rows = [line for line in comparison_table([found]).splitlines() if line.startswith("| `")]
    assert {row.split("`")[1] for row in rows} == set(found["methods"])
    for series in found["medians"]:
        if series["indicator"] in ("hypervolume", "hypervolume_test"):
            (row,) = [row for row in rows if row.startswith(f"| `{series['method']}`")]
            assert f"{100 * series['estimate']['median']:.1f} %" in row
    medians = [float(row.split("|")[2].split("%")[0]) for row in rows]
    assert medians == sorted(medians, reverse=True)
