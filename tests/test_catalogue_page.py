"""The catalogue page: what stands in it follows from its entries."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dse.catalogue_page import gains, known_catalogue, write_page
from dse.circuits import Figures
from dse.circuits.families import exact
from dse.multipliers import Entry, ErrorMetrics, MultiplierLibrary, builtin, from_netlist, with_fronts
from dse.report import draw_panels, panel


def entry(name: str, power: float, mae: float, family: str = "reduced", signed: bool = False) -> Entry:
    errors = ErrorMetrics(mae, round(4 * mae), -mae, mae, mae / 100, min(mae, 1.0))
    return Entry(name, signed, family, f"{family}()", "Nobody, 2000", Figures(power, 10 * power, 1.0), errors, ())


SMALL = from_netlist(exact(4), name="exact4u")
ENTRIES = with_fronts(
    [
        entry("exact8u", 1.0, 0.0),
        entry("good", 0.5, 3.2),
        entry("bad", 0.6, 4.0),
        entry("better", 0.4, 3.0, "evolved"),
        entry("worse", 0.7, 2.0, "evolved"),
    ]
)


def test_gains_are_over_the_cheapest_of_at_most_a_tenth_more_error() -> None:
    assert [(e.name, rival.name, ratio) for e, rival, ratio in gains(ENTRIES, False)] == [
        ("worse", "exact8u", 0.7),
        ("better", "good", 0.8),
    ]
    assert gains(ENTRIES, True) == []


def test_page_names_fronts_families_and_gains(tmp_path: Path) -> None:
    signed = [replace(e, signed=True, name=e.name + "_s") for e in ENTRIES]
    imported = {"builtin": builtin(), "small": MultiplierLibrary([SMALL])}
    paths = write_page(tmp_path / "new", [*ENTRIES, *signed], imported, "dse multipliers catalogue")
    text = paths[0].read_text()
    assert all(path.is_file() for path in paths)
    assert "`dse multipliers catalogue`" in text and "docs/hardware.md" in text
    assert "5 circuits, 3 of them on a front" in text and "- builtin: " in text
    assert "- small: 1 circuits, of other widths and not drawn" in text
    assert "| better | 0.4000 | 0.400 | 4.0 | 1.00 | 3.00 | 12 | 3.00 | 100.0 |" in text
    assert "| better | 3.00 | 0.4000 | good | 3.20 | 0.5000 | 0.800 |" in text
    assert "| bad |" not in text
    with (tmp_path / "new" / "catalogue.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows][:2] == ["exact8u", "good"]
    assert float(rows[3]["power_mw"]) == 0.4 and rows[3]["fronts"].split()[0] == "mae" and rows[2]["fronts"] == ""


def test_panel_leaves_out_what_has_no_error() -> None:
    info = panel("t", {"a": np.array([[1.0, 0.0], [0.5, 3.0], [0.7, 3.5], [1.2, 0.1]]), "b": np.array([[0.6, 2.0]])})
    assert info.front.tolist() == [[0.6, 2.0], [0.5, 3.0]]  # what needs more than the exact circuit is not on it
    assert {name: len(points) for name, points in info.groups.items()} == {"a": 3, "b": 1}


def test_every_group_is_drawn() -> None:
    groups = {f"library {i}": np.array([[1.0, 1.0 + i]]) for i in range(8)}
    (axes,) = draw_panels([panel("t", groups)], "error", "title", "caption").axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][1:] == [f"{name} (1)" for name in groups]


def test_the_committed_page_is_of_the_package(tmp_path: Path) -> None:
    """`make catalogue` has been run since the circuits changed."""
    committed = Path(__file__).resolve().parents[1] / "results" / "multipliers"
    if not committed.is_dir():
        pytest.skip("not a checkout")
    write_page(tmp_path, known_catalogue(), {}, "x")
    assert (tmp_path / "catalogue.csv").read_bytes() == (committed / "catalogue.csv").read_bytes()
