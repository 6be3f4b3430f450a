from __future__ import annotations

import csv
import json

from dse.store import Evaluation, StudyFile, to_csv, to_json_lines
from tests.store.samples import EVALUATOR, evaluation_of


def test_csv_and_json_lines_keep_every_digit() -> None:
    with StudyFile.create(":memory:", {}, {}) as study:
        study.settle([evaluation_of(i) for i in range(30)])
        study.settle([evaluation_of(i, "test") for i in range(5)])
        expected = list(study.evaluations())
        table = list(csv.DictReader(to_csv(study)))
        lines = [json.loads(line) for line in to_json_lines(study)]
        assert len(list(to_json_lines(study, "test"))) == 5 and len(list(to_csv(study, "test"))) == 6
    for row, line, e in zip(table, lines, expected, strict=True):
        assert tuple(map(int, row["assignment"].split())) == tuple(line["assignment"]) == e.assignment
        assert {n: float(row[n]) for n in ("accuracy", "kl") if row[n]} == line["figures"] == e.figures
        assert row["state"] == line["state"] == e.state and (row["error"] or None) == line["error"] == e.error
        assert float(row["finished"]) == line["finished"] == e.finished and int(row["attempt"]) == e.attempt


def test_multipliers_by_name() -> None:
    layers, multipliers = ("conv", "error"), ("exact", "=cheap")
    with StudyFile.create(":memory:", {}, {}) as study:
        study.settle([Evaluation((1, 0), "lut", EVALUATOR, {"accuracy": 0.5}, finished=0.0)])
        (row,) = csv.DictReader(to_csv(study, layers=layers, multipliers=multipliers))
        (line,) = map(json.loads, to_json_lines(study, layers=layers, multipliers=multipliers))
    assert (row["conv"], row["error (layer)"], row["error"], row["assignment"]) == ("'=cheap", "exact", "", "1 0")
    assert line["layers"] == {"conv": "=cheap", "error": "exact"} and line["assignment"] == [1, 0]


def test_a_table_holds_no_formulas() -> None:
    with StudyFile.create(":memory:", {}, {}) as study:
        study.settle([Evaluation((1,), "=1+1", EVALUATOR, {"@x": -1.0}, worker="+2", finished=0.0)])
        study.settle([Evaluation((2,), "=1+1", EVALUATOR, error='-a, "b"', finished=0.0)])
        rows = list(csv.reader(to_csv(study)))
    assert [rows[1][0], rows[0][9], rows[1][6], rows[2][4]] == ["'=1+1", "'@x", "'+2", '\'-a, "b"']
    assert rows[1][9] == "-1.0"
