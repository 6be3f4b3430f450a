"""Tables, the page, figures and the folder they lie in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.comparison import compare_runs, summary, write_comparison
from dse.comparison._figures import attainment, attainment_difference, figures
from dse.comparison._table import Table, as_csv, as_latex, as_markdown, as_text, concise
from dse.comparison._tables import tables
from dse.exceptions import InputError
from tests.comparison.synthetic import search, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    series: dict[tuple[str, int], Any] = {(m, s): search(k, s, 15) for m, k in (("a", 4), ("b", 1)) for s in range(3)}
    series["a", 1][4] = None
    return write_run(
        tmp_path_factory.mktemp("runs") / "run", {**series, ("c", 0): search(2, 0, 5)}, stopped={"c": "converged"}
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_equal_runs_give_equal_bytes_and_are_replaced(run: Path, tmp_path: Path) -> None:
    written = write_comparison(compare_runs([run]), tmp_path / "out")
    first = contents(tmp_path / "out")
    assert sorted(first) == sorted(map(str, written))
    assert {"comparison.md", "comparison.json", "tables/pairs.tex", "figures/differences.pdf"} <= set(first)
    (tmp_path / "out" / "comparison.md").write_text("stale")
    write_comparison(compare_runs([run]), tmp_path / "out")
    assert contents(tmp_path / "out") == first
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    data = json.loads(first["comparison.json"])
    assert data["files"] == sorted(first) and data["baseline"] == "a" and data["unequal"] == []
    assert [s["failed"] for s in data["series"]] == [0, 1, 0, 0, 0, 0, 0]
    assert str(tmp_path) not in first["comparison.json"].decode() + first["comparison.md"].decode()


def test_only_an_earlier_comparison_is_replaced(run: Path, tmp_path: Path) -> None:
    found = compare_runs([run])
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("precious")
    (tmp_path / "file").write_text("")
    for name, message in (("notes", "is no comparison"), ("file", "is no folder"), ("x" * 300, "too long")):
        with pytest.raises(InputError, match=message):
            write_comparison(found, tmp_path / name)
    write_comparison(found, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="holds 'mine.txt', which is not of the earlier comparison"):
        write_comparison(found, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "precious"


def test_nothing_is_written_where_a_figure_fails(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dse.comparison._write.save", broken)
    with pytest.raises(InputError, match="No space left"):
        write_comparison(compare_runs([run]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_notes_say_how_little_there_is(run: Path, tmp_path: Path) -> None:
    text = summary(compare_runs([run]))
    assert "with n = 3 the smallest possible p is 0.25; no test of a pair can be significant" in text
    assert "of 3 values the true median lies 75% of the time" in text
    assert "c: 1 of 1 series ended of their own accord (converged) after 5 of 15 evaluations" in text
    assert "a: 1 of 45 designs failed" in text
    assert "different numbers of series: a 3, b 3, c 1" in text
    single = write_run(tmp_path / "single", {("a", 0): search(1, 0, 9)})
    text = summary(compare_runs([single]))
    assert "One method: its figures are described" in text and "one series per method" in text
    assert "Methods in pairs" not in text and "Mean ranks" not in text


def test_forced_comparisons_are_marked_everywhere(tmp_path: Path) -> None:
    one = {(m, s): search(1, s, 9) for m in "ab" for s in range(2)}
    other = {(m, s): search(1, s, 9) for m in "ab" for s in range(2, 4)}
    runs = [write_run(tmp_path / "x", one), write_run(tmp_path / "y", other, metrics={"images": {"search": 250}})]
    found = compare_runs(runs, force=True)
    mark = "UNEQUAL: y: images.search is 250, but x has 500"
    assert all(mark in table.heading for table in tables(found))
    assert all(title.startswith("UNEQUAL: ") for _, title, _ in figures(found))
    assert summary(found).count(mark) >= 3
    write_comparison(found, tmp_path / "out")
    for path in (tmp_path / "out" / "tables").iterdir():
        assert path.suffix == ".csv" or "UNEQUAL" in path.read_text()
        assert path.suffix != ".tex" or r"{l}{UNEQUAL: y: images.search is 250" in path.read_text()
    with (tmp_path / "out" / "tables" / "medians.csv").open() as file:
        assert {row["unequal"] for row in csv.DictReader(file)} == {mark.removeprefix("UNEQUAL: ")}


HOSTILE = ("=1+1", "@x", r"\input{/etc/passwd}", "50%_a&b#$", "<script>|`", "two\nlines\x1b[31m")
TABLE = Table("t", "A\ntitle", ("name", "value"), tuple((name, -0.5) for name in HOSTILE))


def test_hostile_names() -> None:
    assert [row[0] for row in csv.reader(as_csv(TABLE).splitlines())][1:3] == ["'=1+1", "'@x"]
    assert [row[1] for row in csv.reader(as_csv(TABLE).splitlines())][1:] == ["-0.5"] * 6
    tex = as_latex(TABLE)
    assert r"\textbackslash{}input\{/etc/passwd\}" in tex and r"50\%\_a\&b\#\$" in tex and r"\input" not in tex
    assert tex.splitlines()[0] == "% A title"
    assert r"\<script>\|\`" in as_markdown(TABLE)
    for text in (as_csv(TABLE), tex, as_markdown(TABLE), as_text(TABLE)):
        assert "\x1b" not in text and "two lines" in text


def test_methods_of_hostile_names(tmp_path: Path) -> None:
    series = {(name, s): search(1, s, 6) for name in HOSTILE for s in range(2)}
    write_comparison(compare_runs([write_run(tmp_path / "run", series)]), tmp_path / "out")
    files = contents(tmp_path / "out")
    assert set(json.loads(files["comparison.json"])["methods"]) == set(HOSTILE)
    assert b"<script" not in files["comparison.md"].replace(rb"\<script", b"")
    for name, content in files.items():
        assert not name.endswith(".tex") or b"\\input" not in content
        assert not name.endswith(".csv") or not any(c in content for c in (b",=", b",@", b"\x1b"))


def test_different_commits_are_told(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / k, {("a", s): search(1, s, 6) for s in seeds}, manifest={"git_commit": k * 40})
        for k, seeds in (("e", (0, 1)), ("f", (2, 3)))
    ]
    assert "different commits: e eeeeeeeeeeee, f ffffffffffff" in summary(compare_runs(runs))


def test_a_column_that_says_the_same_is_dropped_for_reading() -> None:
    table = Table("t", "T", ("problem", "n"), (("p", 1), ("p", 2)))
    assert concise(table).header == ("n",) and concise(TABLE) is TABLE
    assert as_text(concise(table)).splitlines() == ["T", "-", "n", "-", "1", "2"]


def test_attainment_of_two_fronts_by_hand() -> None:
    fronts = [np.array([[1.0, 4.0], [3.0, 2.0]]), np.array([[2.0, 3.0]])]
    best, median, worst = (points.tolist() for points in attainment(fronts))
    assert best == median == [[1, 4], [2, 3], [3, 2]]
    assert worst == [[2, 4], [3, 3]]


@pytest.mark.parametrize("copies", [1, 2])
def test_attainment_difference_counts_shares(copies: int) -> None:
    first, second = [np.array([[1.0, 1.0]])] * 2, [np.array([[2.0, 2.0]])] * copies
    corners, share = attainment_difference(first, second)
    for x, y, expected in ((1.5, 1.5, 1.0), (3.0, 3.0, 0.0), (1.5, 5.0, 1.0), (5.0, 1.5, 1.0)):
        inside = (corners[:, 0] <= x) & (x < corners[:, 2]) & (corners[:, 1] <= y) & (y < corners[:, 3])
        assert share[inside].tolist() in ([expected], [] if expected == 0 else [expected])


def test_ten_seeds_of_seven_methods(tmp_path: Path) -> None:
    methods = ("nsga2", "nsga2-unseeded", "alwann", "matching", "additive", "greedy", "random")
    series = {(m, s): search(8.0 - i, s, 100) for i, m in enumerate(methods) for s in range(10)}
    found = compare_runs([write_run(tmp_path / "run", series)])
    assert len(found.measured) == 70 and len(found.pairs) == 4 * 21 and len(found.rankings) == 4
    best = next(r for r in found.rankings if r.indicator == "hypervolume")
    assert best.result.p < 1e-4 and best.methods[int(best.result.mean_ranks.argmax())] == "random"


def test_methods_that_attain_the_same_differ_nowhere() -> None:
    front = [np.array([[0.2, 3.0], [0.5, 1.0]])]
    corners, share = attainment_difference(front, front * 2)
    assert corners.shape == (0, 4) and share.shape == (0,)
