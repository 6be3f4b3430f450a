"""The report of a run as a whole: files, tables, determinism, and runs that lack something."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.report import Report, load_run, write_report
from dse.report._fronts import draw_fronts, front_info
from dse.report._headline import headline
from dse.report._hypervolume import draw_hypervolume, hypervolume_info
from dse.report._tables import report_text
from dse.report._text import drawn, markdown, number, plain
from tests.report.conftest import make_run, write_csv

Edit = Callable[[str, Callable[[Any], object]], None]
FIGURES = ["fronts", "hypervolume", "robustness", "errors", "assignments"]


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def keep(path: Path, wanted: Callable[[list[str]], bool]) -> None:
    header, *body = rows(path)
    write_csv(path, header, [row for row in body if wanted(row)])


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    folder = make_run(tmp_path_factory.mktemp("report") / "run")
    return folder, write_report(folder)


def test_two_reports_are_the_same_to_the_byte(written: tuple[Path, Report], run_folder: Path) -> None:
    folder, report = written
    first = files(folder)
    assert write_report(folder) == report
    assert files(folder) == first
    assert [f.stem for f in report.figures] == FIGURES
    made = {"report.md", "savings.csv", *(f"figures/{f}.{kind}" for f in FIGURES for kind in ("png", "pdf"))}
    assert set(first) - set(files(run_folder)) == made


def test_tables_and_summary(written: tuple[Path, Report]) -> None:
    folder, report = written
    text = (folder / report.tables).read_text(encoding="utf-8")
    assert "# resnet8 on cifar10" in text
    assert "![Fronts](figures/fronts.png)" in text
    assert "| Some CPU, 2 cores, 2 threads, 15.6 GiB of memory |" in text
    assert "| direct | 0.990 | 0.020 | 0.080 | 9 | 0 |" in text
    assert "| total | 361.8 |" in text
    assert "500 search and 2,000 test images · 12 evaluations per method" in report.summary
    assert len(report.summary.splitlines()) <= 10


def test_savings_of_the_chosen_designs_at_every_level(run_folder: Path, edit: Edit) -> None:
    edit("metrics.json", lambda m: m["energy"].update(level="mac"))
    run = load_run(run_folder)
    results = headline(run, hypervolume_info(run))
    text = report_text(run, results, [])
    assert "made up (SHA-256 0123456789ab)" in text and "those of level mac." in text
    assert "| most search loss (pp) | method | multiplier | mac | array | memory |" in text
    assert "|  | share of the multipliers | 100.0 | 40.0 | 25.0 | 20.0 |" in text
    for choice in results.choices:
        if choice.chosen is not None:
            at_mac = 100 * (1 - choice.chosen.rel_energy)
            cells = [f"{factor * at_mac:.1f}" for factor in (1 / 0.4, 1, 0.25 / 0.4, 0.2 / 0.4)]
            assert f"| {choice.level_pp:g} | {choice.label} | {' | '.join(cells)} |" in text
    assert front_info(run).energy_label == "relative energy at level mac"


def test_a_run_from_before_energy_levels(run_folder: Path, edit: Edit) -> None:
    edit("metrics.json", lambda m: m.pop("energy"))
    run = load_run(run_folder)
    assert "Energy at every level" not in report_text(run, headline(run, hypervolume_info(run)), [])
    assert front_info(run).energy_label == "relative multiplication energy"


def test_the_reported_hypervolume_is_where_the_curve_ends(run_folder: Path) -> None:
    run = load_run(run_folder)
    curves = hypervolume_info(run)
    results = headline(run, curves)
    assert [c.hypervolume[-1] for c in curves.curves] == pytest.approx([m.hypervolume for m in results.methods])


@pytest.mark.parametrize("methods", [("random",), ("mine", "nsga2"), ("alwann", "exhaustive")])
def test_any_methods(tmp_path: Path, methods: tuple[str, ...]) -> None:
    run = load_run(make_run(tmp_path / "run", methods=methods))
    assert sorted(run.methods) == sorted(methods)
    assert (run.methods[0] == "nsga2") == ("nsga2" in methods)
    curves = hypervolume_info(run)
    assert len(headline(run, curves).methods) == len(methods)
    draw_fronts(front_info(run))
    draw_hypervolume(curves)


def test_a_run_without_any_front(run_folder: Path, edit: Edit) -> None:
    keep(run_folder / "front.csv", lambda row: False)
    keep(run_folder / "evaluations.csv", lambda row: row[0] == "random")
    edit("metrics.json", lambda m: m.update(best_uniform=None, error_model={}))
    report = write_report(run_folder)
    assert [f.stem for f in report.figures] == FIGURES[:-1]


def test_hypervolumes_are_in_all_objectives(run_folder: Path, edit: Edit) -> None:
    header, *body = rows(run_folder / "evaluations.csv")
    areas = [500.0 if row[0] == "nsga2" else 900.0 for row in body]
    write_csv(run_folder / "evaluations.csv", ["area_um2", *header], [[a, *row] for a, row in zip(areas, body, strict=True)])
    two = {c.method: c.hypervolume[-1] for c in hypervolume_info(load_run(run_folder)).curves}
    objectives = ["rel_energy", "accuracy_loss_pp", "area_um2"]
    point = dict(zip(objectives, (1, 10, 1000), strict=True))
    edit("metrics.json", lambda m: m.update(objectives=objectives, reference_point=point))
    three = {c.method: c.hypervolume[-1] for c in hypervolume_info(load_run(run_folder)).curves}
    assert three == pytest.approx({m: v * (500 if m == "nsga2" else 100) for m, v in two.items()})
    said = (run_folder / write_report(run_folder).tables).read_text()
    assert "in relative energy × pp × area_um2, reference point: relative energy 1, loss 10 pp, area_um2 1000." in said


def test_a_bound_on_the_loss_is_said_and_kept(run_folder: Path, edit: Edit) -> None:
    edit("metrics.json", lambda m: m.update(max_accuracy_loss_pp=2.0))
    assert "the run's bound, 2 pp" in (run_folder / write_report(run_folder).tables).read_text()
    losses = np.concatenate([e.objectives[:, 1] for e in load_run(run_folder).evaluations.values()])
    assert 0 < len(losses) and losses.max() <= 2.0


def test_odd_names_reach_the_files_safely(tmp_path: Path) -> None:
    names = ["exact", "a|b\x1b[31m", "$x$ $", "乘" * 3, "n" * 300]
    report = write_report(make_run(tmp_path / "run", names=names, methods=("x|$y$", "_z")))
    assert "a\\|b\\[31m" in (tmp_path / "run" / report.tables).read_text(encoding="utf-8")
    assert "\x1b" not in report.summary


def test_text() -> None:
    assert plain("a\nb\x00\u202ec\ud800") == "a bc"
    assert markdown("<a|b`*>\\") == r"\<a\|b\`\*>\\"
    assert drawn("$a$") == r"\$a\$"
    assert drawn("abcdefghij", 6) == "ab…hij"
    assert [number(v, 2) for v in (None, float("nan"), -0.001, 1.005)] == ["–", "–", "0.00", "1.00"]


@pytest.mark.parametrize("name", ["metrics.json", "manifest.json", "front.csv", "errors.csv", "uniform.csv"])
def test_a_missing_file_is_named(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    fails(run_folder, name, "no such file")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.json", "{", "is no JSON"),
        ("metrics.json", "[1]", "expected a JSON object"),
        ("metrics.json", "[" * 100_000, "is no JSON"),
        ("robustness.csv", "", "column 'layer' is missing"),
        ("robustness.csv", "layer,layer\n", "two columns share a name"),
        ("robustness.csv", "layer,op_count,fan_in,sigma\nx,1\n", "row 1: expected 4 columns, got 2"),
        (
            "robustness.csv",
            "layer,op_count,fan_in,sigma\nx,1,1,many\n",
            "row 1, column 'sigma': expected a number, got 'many'",
        ),
        ("robustness.csv", "layer,op_count,fan_in,sigma\nx,1,1,nan\n", "expected a finite number"),
    ],
)
def test_a_garbled_file_is_named(run_folder: Path, name: str, content: str, said: str) -> None:
    (run_folder / name).write_text(content)
    fails(run_folder, name, said)


def test_a_layer_without_errors_is_named(run_folder: Path) -> None:
    keep(run_folder / "errors.csv", lambda row: row[:2] != ["stage0.1.conv", "approx2u"])
    fails(run_folder, "errors.csv", "no row for layer 'stage0.1.conv' and multiplier 'approx2u'")


def test_a_file_that_is_no_text(run_folder: Path) -> None:
    (run_folder / "front.csv").write_bytes(b"\xff\xfe\x00")
    fails(run_folder, "front.csv", "no UTF-8")


@pytest.mark.parametrize("column", ["method", "rel_energy", "search_accuracy", "accuracy_loss_pp", "stage0.0.conv"])
def test_a_missing_column_is_named(run_folder: Path, column: str) -> None:
    header, *body = rows(run_folder / "front.csv")
    at = header.index(column)
    (run_folder / "front.csv").write_text(
        "\n".join(",".join(r[:at] + r[at + 1 :]) for r in [header, *body]), encoding="utf-8"
    )
    fails(run_folder, "front.csv", f"column '{column}' is missing")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.pop("library_floor"), "key 'library_floor' is missing"),
        (lambda m: m["baselines"].pop("float_accuracy"), "key 'baselines.float_accuracy' is missing"),
        (lambda m: m["evaluations"].update(random="many"), "key 'evaluations.random': expected a finite number"),
        (lambda m: m["evaluations"].update(random=1.5), "key 'evaluations.random': expected a whole number"),
        (lambda m: m.update(library_floor=True), "key 'library_floor': expected a finite number, got True"),
        (lambda m: m.update(library_floor=None), "key 'library_floor': expected a finite number, got None"),
        (lambda m: m.update(seconds=3), "key 'seconds': expected an object"),
        (lambda m: m["energy"].update(level="memroy"), "'memroy'; did you mean 'memory'?"),
        (lambda m: m["energy"]["multiplier_share"].update(mac=0), "share.mac': expected a number above 0, got 0.0"),
        (lambda m: m["energy"].pop("table"), "key 'energy.table' is missing"),
        (lambda m: m["hypervolume"].pop("random"), "expected a method of 'hypervolume' in metrics.json"),
    ],
)
def test_a_wrong_key_is_named(run_folder: Path, edit: Edit, change: Callable[[Any], object], said: str) -> None:
    edit("metrics.json", change)
    fails(run_folder, "", said)


def test_figures_that_could_not_be_computed_are_dashes(run_folder: Path, edit: Edit) -> None:
    edit("manifest.json", lambda m: (m.update(library="/somewhere/lib.npz"), m["hardware"].update(memory_gib=None)))
    edit(
        "metrics.json",
        lambda m: m["error_model"]["direct"].update(pearson_log_std=float("nan"), p90_relative_error=None),
    )
    run = load_run(run_folder)
    text = report_text(run, headline(run, hypervolume_info(run)), [])
    assert "| direct | – | 0.020 | – | 9 | 0 |" in text
    assert "2 threads, – GiB of memory" in text
    assert "| library | lib.npz |" in text


def test_an_unknown_multiplier_is_named_with_the_nearest(run_folder: Path) -> None:
    path = run_folder / "front.csv"
    path.write_text(path.read_text().replace("approx1u", "aprox1u").replace("approx2u", "aprox1u"))
    fails(run_folder, "front.csv", "unknown multiplier 'aprox1u'; did you mean 'approx1u'?")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_report(tmp_path / "nothing")


def test_a_loaded_run_is_arrays(run_folder: Path) -> None:
    run = load_run(str(run_folder))
    assert run.error_std.shape == (3, 4)
    assert run.multipliers == ("exact8u", "approx1u", "approx2u", "approx3u")
    assert run.evaluations["nsga2"].objectives.shape == (12, 2)
    for front in run.fronts.values():
        assert (np.diff(front.rel_energy) >= 0).all()
        assert front.population.dtype == np.int64


def fails(folder: Path, name: str, said: str) -> None:
    """Check that the report is refused in one line that names the file."""
    with pytest.raises(InputError) as caught:
        write_report(folder)
    assert said in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
