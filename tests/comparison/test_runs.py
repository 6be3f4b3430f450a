"""What is read, what is refused, and what is compared only when forced."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dse.comparison import compare_runs
from dse.comparison._runs import labels
from dse.exceptions import InputError
from tests.comparison.synthetic import search, write_csv, write_run


def series(*methods: str, seeds: range = range(3), evaluations: int = 12) -> dict[tuple[str, int], Any]:
    return {(m, s): search(1.0 + len(m), s, evaluations) for m in methods for s in seeds}


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(path.read_text().splitlines()))


def test_methods_of_several_runs_meet_on_one_problem(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "a", series("nsga2", "alwann")),
        write_run(tmp_path / "b", series("nsga2", "alwann", seeds=range(3, 5))),
        write_run(tmp_path / "c", series("random", seeds=range(5))),
    ]
    found = compare_runs(runs)
    assert found.methods == ("nsga2", "alwann", "random") and found.baseline == "alwann"
    assert [p.name for p in found.problems] == ["net on digits"]
    assert len(found.measured) == 15 and {p.n for p in found.pairs} == {(5, 5)}
    assert repr(found) == repr(compare_runs(runs[::-1]))


def test_a_file_without_a_seed_takes_the_manifests(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{k}", series("a", "b", seeds=range(1)), manifest={"seed": k}) for k in range(3)]
    for run in runs:
        for name in ("evaluations.csv", "front.csv"):
            write_csv(run / name, [[row[0], *row[2:]] for row in rows_of(run / name)])
    assert sorted({m.series.seed for m in compare_runs(runs).measured}) == [0, 1, 2]


def test_networks_are_problems_of_their_own(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / k, series("a", "b"), manifest={"hashes": {"model": k * 9}}) for k in ("x", "y")]
    found = compare_runs(runs)
    assert [p.name for p in found.problems] == ["net on digits (model xxxxxx)", "net on digits (model yyyyyy)"]
    assert {p.scope for p in found.pairs} == {*(p.name for p in found.problems), "all problems"}
    assert {p.n for p in found.pairs if p.scope == "all problems"} == {(6, 6)}


def test_other_seeds_are_not_paired(tmp_path: Path) -> None:
    found = compare_runs([write_run(tmp_path / "r", {**series("a"), **series("b", seeds=range(7, 11))})])
    assert {(p.n, p.better, p.test.name.split(",")[0]) for p in found.pairs} == {((3, 4), None, "Mann-Whitney U")}


def test_a_method_and_seed_that_occur_twice(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / k, series("a", "b")) for k in ("x", "y")]
    with pytest.raises(InputError, match="y: method 'a', seed 0 is in x too"):
        compare_runs(runs)
    with pytest.raises(InputError, match="named twice"):
        compare_runs([runs[0], runs[0]])


UNEQUAL: list[tuple[dict[str, Any], str]] = [
    ({"metrics": {"images": {"search": 250}}}, "y: images.search is 250, but x has 500"),
    ({"metrics": {"images": {"test": 36}}}, "y: images.test is 36, but x has 360"),
    ({"metrics": {"energy": {"level": "mac"}}}, "y: energy.level is mac, but x has multiplier"),
    ({"manifest": {"hashes": {"energy_table": "ff"}}}, "y: hashes.energy_table is ff, but x has dd44"),
    ({"manifest": {"versions": {"dse": "0.2.0"}}}, "y: versions.dse is 0.2.0, but x has 0.1.0"),
    ({"space": {}}, "y: space.tiles is none, but x has 4"),
    ({"space": {"tiles": 4, "constraints": "{max_rel_energy = 2}"}}, 'y: space.constraints is {"max_rel_energy": 2}'),
    ({"tables": {"compensation": "{methods = ['moments']}"}}, 'y: compensation is {"methods": ["moments"]}'),
    ({"tables": {"robustness": "{profile = 'fisher'}"}}, 'y: robustness is {"profile": "fisher"}'),
    ({"tables": {"error_model": "{patches = 2}"}}, 'y: error_model is {"patches": 2}'),
    ({"manifest": {"hashes": {"library": "ff"}}}, "y: hashes.library is ff, but x has cc33"),
    ({"manifest": {"format": "u8"}}, "y: format is u8, but x has sm8"),
    ({"manifest": {"hashes": {"data": "ff"}}}, "hashes.data is ff, but x has bb22: two problems, and method"),
]


@pytest.mark.parametrize(("change", "line"), UNEQUAL)
def test_unequal_conditions_are_refused_unless_forced(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    runs = [write_run(tmp_path / "x", series("a")), write_run(tmp_path / "y", series("b"), **change)]
    with pytest.raises(InputError, match="--force") as caught:
        compare_runs(runs)
    assert line in str(caught.value) and "\n" not in str(caught.value)
    assert any(line in told for told in compare_runs(runs, force=True).unequal)


def test_unequal_budgets(tmp_path: Path) -> None:
    run = write_run(tmp_path / "x", {**series("a"), **series("b", evaluations=9)})
    with pytest.raises(InputError, match=r"x \('b', seed 0\): search.evaluations is 9, but x \('a', seed 0\) has 12 "):
        compare_runs([run])
    with pytest.raises(InputError, match="evaluations is 9"):
        compare_runs([write_run(tmp_path / "y", {**series("a"), **series("b", evaluations=9)}, stopped={"b": "killed"})])


@pytest.mark.parametrize("stopped", [{"b": "converged"}, {"b": {"0": "exhausted", "1": "converged", "2": "converged"}}])
def test_a_method_that_ended_of_its_own_accord_had_the_budget(tmp_path: Path, stopped: dict[str, Any]) -> None:
    run = write_run(tmp_path / "x", {**series("a"), **series("b", evaluations=9)}, stopped=stopped)
    found = compare_runs([run])
    assert not found.unequal and {m.series.budget for m in found.measured} == {12}


def test_reference_points(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "x", series("a")), write_run(tmp_path / "y", series("b"), reference=(1.0, 5.0))]
    with pytest.raises(InputError, match=r"y: reference_point is \[1.0, 5.0\], but x has \[1.0, 10.0\]; give --reference"):
        compare_runs(runs, force=True)
    assert compare_runs(runs, reference=[1.0, 8.0]).problems[0].reference.tolist() == [1.0, 8.0]
    with pytest.raises(InputError, match="no design lies within"):
        compare_runs(runs, reference=[0.001, 0.001])
    for wrong in ([1.0], [1.0, float("nan")]):
        with pytest.raises(InputError, match="finite number for each of"):
            compare_runs(runs, reference=wrong)


def test_unknown_baseline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown method 'alwan'; did you mean 'alwann'"):
        compare_runs([write_run(tmp_path / "x", series("alwann"))], baseline="alwan")


def edited(name: str, change: Callable[[list[list[str]]], object]) -> Callable[[Path], None]:
    """Return what damages one CSV file of a run."""

    def damage(run: Path) -> None:
        rows = rows_of(run / name)
        change(rows)
        write_csv(run / name, rows)

    return damage


def cell(row: int, column: int, text: str) -> Callable[[list[list[str]]], object]:
    return lambda rows: rows[row].__setitem__(column, text)


def objectives(run: Path, value: object) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "objectives": value}))


MISTAKES: list[tuple[Callable[[Path], object], str]] = [
    (lambda run: (run / "front.csv").unlink(), "front.csv: no such file"),
    (lambda run: (run / "config.toml").unlink(), "config.toml: no such file"),
    (lambda run: (run / "config.toml").write_text("[space"), "config.toml: cannot be read as TOML"),
    (lambda run: (run / "config.toml").write_text("[space]\n"), "key 'search' is missing"),
    (lambda run: (run / "metrics.json").write_text("{"), "metrics.json: is no JSON"),
    (lambda run: (run / "manifest.json").write_text("{}"), "manifest.json: key 'hashes' is missing"),
    (lambda run: (run / "evaluations.csv").write_text(""), "'method' is missing|no column of a layer"),
    (lambda run: (run / "evaluations.csv").write_bytes(b"\xff\xfe"), "is no UTF-8"),
    (lambda run: shutil.rmtree(run), "no such folder"),
    (lambda run: objectives(run, ["rel_energy", "rel_energy"]), "two or more different column names"),
    (lambda run: objectives(run, ["rel_energy", "area"]), "'area'"),
    (edited("evaluations.csv", lambda rows: rows[3].pop()), "row 3: expected 8 columns, got 7"),
    (edited("evaluations.csv", cell(2, 3, "nan")), "row 2, column 'rel_energy': expected a finite number"),
    (edited("evaluations.csv", cell(2, 3, "")), "or no objective at all for a failed design"),
    (edited("evaluations.csv", cell(2, 4, "inf")), "row 2, column 'accuracy_loss_pp': expected a finite number"),
    (edited("evaluations.csv", cell(2, 4, "much")), "expected a number, got 'much'"),
    (edited("evaluations.csv", cell(2, 1, "0.5")), "column 'seed': expected a whole number"),
    (edited("evaluations.csv", cell(2, 2, "1")), "expected 2, each number once"),
    (edited("evaluations.csv", lambda rows: rows.append(rows[-1])), "each number once"),
    (edited("evaluations.csv", lambda rows: rows.pop(4)), "each number once"),
    (edited("evaluations.csv", lambda rows: rows[2].__setitem__(slice(5, 8), rows[1][5:])), "repeats a design"),
    (edited("evaluations.csv", cell(2, 5, "=cmd")), "column 'conv1': expected a multiplier"),
    (
        edited("evaluations.csv", lambda rows: [r.append("kl" if i == 0 else "0.1") for i, r in enumerate(rows)]),
        "column 'kl'",
    ),
    (edited("evaluations.csv", lambda rows: rows.__delitem__(slice(1, None))), "no rows"),
    (edited("front.csv", cell(1, 4, "")), "front.csv: row 1, column 'accuracy_loss_pp'"),
    (edited("front.csv", lambda rows: [row.pop() for row in rows]), "layers are not those of evaluations.csv"),
    (edited("front.csv", lambda rows: rows.__delitem__(slice(1, None))), "no row of method 'a', seed 0"),
    (edited("front.csv", lambda rows: rows.append(["who", *rows[1][1:]])), "'who', seed 0 has no row in evaluations.csv"),
]


@pytest.mark.parametrize(("damage", "message"), MISTAKES)
def test_damaged_runs_are_refused_in_one_line(tmp_path: Path, damage: Callable[[Path], object], message: str) -> None:
    run = write_run(tmp_path / "run", series("a", "b"))
    damage(run)
    with pytest.raises(InputError, match=message) as caught:
        compare_runs([run])
    assert "\n" not in str(caught.value)


def test_other_layers_are_another_space(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "x", series("a")), write_run(tmp_path / "y", series("b"))]
    for name in ("evaluations.csv", "front.csv"):
        edited(name, cell(0, 5, "stem"))(runs[1])
    with pytest.raises(InputError, match="y: layers are not those of x: 'conv1'"):
        compare_runs(runs, force=True)


def test_other_objectives_cannot_be_compared(tmp_path: Path) -> None:
    other = write_run(tmp_path / "y", series("b"), columns=("rel_energy", "area"))
    with pytest.raises(InputError, match=r"y: objectives are \['rel_energy', 'area'\], but x has"):
        compare_runs([write_run(tmp_path / "x", series("a")), other], force=True)


def test_no_runs() -> None:
    with pytest.raises(InputError, match="at least one folder"):
        compare_runs([])


def test_labels_are_the_shortest_that_differ() -> None:
    assert labels([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert labels([Path("/a/x"), Path("/b/x"), Path("/b/y")]) == ["a/x", "b/x", "b/y"]
