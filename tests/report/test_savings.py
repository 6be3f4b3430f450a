"""Which designs are chosen within a loss, by which images, and what savings.csv and the report say of them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.report import load_run, write_report
from dse.report._savings import LOSS_LEVELS_PP, UNIFORM, UNIFORM_LABEL, choices
from tests.report.conftest import write_csv

VALIDATION = 400  # images


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save no figures: they take most of a report's time."""
    monkeypatch.setattr("dse.report._report.save", lambda figure, folder, name: folder / f"{name}.png")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def widen(path: Path, **columns: list[object]) -> None:
    """Give a table more columns."""
    table = rows(path)
    write_csv(path, [*table[0], *columns], [[*r.values(), *(c[i] for c in columns.values())] for i, r in enumerate(table)])


def validated(folder: Path, seed: int = 0) -> Path:
    """Give a run standard errors and losses on validation images, which say something else than the search images."""
    rng = np.random.default_rng(seed)
    for name in ("front.csv", "uniform.csv"):
        count = len(rows(folder / name))
        losses = rng.integers(-2, 16, count) * 100 / VALIDATION
        widen(folder / name, accuracy_loss_se_pp=rng.random(count).tolist(), validation_loss_pp=losses.tolist())
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["images"]["validation"] = VALIDATION
    metrics["baselines"]["quantised_validation_accuracy"] = 0.9175
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def brute_force(table: list[dict[str, str]], level: float, loss: str) -> tuple[int, dict[str, str]] | None:
    """Return number and row of the cheapest design within a level; of equally cheap ones that which loses least."""
    allowed = [(i, row) for i, row in enumerate(table) if float(row[loss]) <= level + 1e-9]
    return min(allowed, key=lambda pair: (float(pair[1]["rel_energy"]), float(pair[1][loss])), default=None)


def test_designs_are_chosen_by_their_search_loss_without_validation_images(run_folder: Path) -> None:
    layers = [row["layer"] for row in rows(run_folder / "robustness.csv")]
    header = ["method", "rel_energy", "accuracy", "search_accuracy", "accuracy_loss_pp", "evaluation", *layers]
    designs = [
        ["nsga2", 0.7, 0.912, 0.920, 0.0, 3],
        ["nsga2", 0.5, 0.892, 0.915, 2.0, 2],  # search loss 0.5 pp: exactly what is allowed
        ["nsga2", 0.3, 0.910, 0.905, 0.2, 1],  # search loss 1.5 pp: the test loss would allow it within 0.5 pp
    ]
    write_csv(run_folder / "front.csv", header, [design + ["exact8u"] * len(layers) for design in designs])
    run = load_run(run_folder)
    found = [c for c in choices(run) if c.method == "nsga2"]
    assert [(c.level_pp, c.chosen.name, c.chosen.rel_energy, c.chosen.test_loss_pp) for c in found if c.chosen] == [
        (0.3, "0", 0.7, 0.0),
        (0.5, "1", 0.5, 2.0),
        (0.6, "1", 0.5, 2.0),
        (1.0, "1", 0.5, 2.0),
        (2.0, "2", 0.3, 0.2),
    ]
    assert {c.chosen for c in choices(run) if c.method == "random"} == {None}
    assert "at most 1 pp search loss, random: no design" in write_report(run_folder).summary
    assert sum(c.label == UNIFORM_LABEL for c in choices(run)) == 5


@pytest.mark.parametrize("seed", range(3))
def test_savings_are_those_of_a_brute_force_choice_on_the_validation_images(run_folder: Path, seed: int) -> None:
    validated(run_folder, seed)
    write_report(run_folder)
    front, uniform = rows(run_folder / "front.csv"), rows(run_folder / "uniform.csv")
    written = {(row["method"], float(row["level_pp"])): row for row in rows(run_folder / "savings.csv")}
    assert list(written) == [(m, level) for level in LOSS_LEVELS_PP for m in ("nsga2", "alwann", "random", UNIFORM)]
    for (method, level), row in written.items():
        designs = uniform if method == UNIFORM else [design for design in front if design["method"] == method]
        best = brute_force(designs, level, "validation_loss_pp")
        assert row["chosen_by"] == "validation"
        if best is None:
            assert row["design"] == "not reached" and row["saving_percent"] == row["test_loss_pp"] == ""
            continue
        number, design = best
        assert row["design"] == (design["multiplier"] if method == UNIFORM else str(number))
        assert float(row["saving_percent"]) == pytest.approx(100 - 100 * float(design["rel_energy"]))
        for name, column in (
            ("loss_pp", "validation_loss_pp"),
            ("test_loss_pp", "accuracy_loss_pp"),
            ("test_loss_se_pp", "accuracy_loss_se_pp"),
        ):
            assert float(row[name]) == pytest.approx(float(design[column]))


def test_the_report_says_which_images_chose_and_how_many(run_folder: Path) -> None:
    summary = write_report(run_folder).summary
    text = (run_folder / "report.md").read_text()
    assert "on the 500 search images, which steered the searches" in text and "1 pp search loss" in summary
    assert "500 search and 2,000 test images" in text and "Where the standard error is missing" in text
    assert {row["test_loss_se_pp"] for row in rows(run_folder / "savings.csv")} == {""}
    summary = write_report(validated(run_folder)).summary
    text = (run_folder / "report.md").read_text()
    assert "on the 400 validation images, which no method has seen" in text and "1 pp validation loss" in summary
    assert "500 search, 400 validation and 2,000 test images" in text and "standard error is missing" not in text
    assert "| quantised network, validation accuracy | 91.75 % |" in text
    for row in rows(run_folder / "savings.csv"):
        if row["design"] != "not reached":
            losses = f"{float(row['loss_pp']):.2f} | {float(row['test_loss_pp']):.2f} ± {float(row['test_loss_se_pp']):.2f}"
            assert f" | {row['design']} | {float(row['saving_percent']):.1f} | {losses} |" in text


def test_a_level_that_no_design_keeps(run_folder: Path) -> None:
    validated(run_folder)
    for name in ("front.csv", "uniform.csv"):
        table = rows(run_folder / name)
        write_csv(run_folder / name, list(table[0]), [[*list(row.values())[:-1], 1.5] for row in table])
    write_report(run_folder)
    reached = {float(row["level_pp"]) for row in rows(run_folder / "savings.csv") if row["design"] != "not reached"}
    assert reached == {2.0}
    assert f"| 1 | {UNIFORM_LABEL} | not reached | – | – | – |" in (run_folder / "report.md").read_text()


def test_standard_errors_that_are_known_of_some_designs_only(run_folder: Path) -> None:
    validated(run_folder)
    table = rows(run_folder / "front.csv")
    blank = [list((row | {"accuracy_loss_se_pp": ""}).values()) for row in table]
    write_csv(run_folder / "front.csv", list(table[0]), blank)
    run = load_run(run_folder)
    assert {math.isnan(c.chosen.test_se_pp) for c in choices(run) if c.chosen and c.method != UNIFORM} == {True}
    assert {math.isnan(c.chosen.test_se_pp) for c in choices(run) if c.chosen and c.method == UNIFORM} == {False}


def test_validation_losses_in_one_table_only_are_refused(run_folder: Path) -> None:
    widen(run_folder / "front.csv", validation_loss_pp=[0.5] * len(rows(run_folder / "front.csv")))
    with pytest.raises(InputError, match=r"uniform.csv: column 'validation_loss_pp' is missing"):
        write_report(run_folder)
