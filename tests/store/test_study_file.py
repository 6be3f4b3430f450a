from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError, RunError
from dse.store import Evaluation, StudyFile, Tally, _claims
from dse.store._process import LEASE_S
from tests.store.samples import CONFIG, EVALUATOR, FIDELITY, MANIFEST, designs, evaluation_of, study_of


@pytest.fixture(params=["file", "memory"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> StudyFile:
    path = ":memory:" if request.param == "memory" else tmp_path / "study.sqlite"
    study = StudyFile.create(path, CONFIG, MANIFEST)
    request.addfinalizer(study.close)
    return study


def test_what_is_settled_is_looked_up(study: StudyFile) -> None:
    settled = [evaluation_of(i) for i in range(0, 40, 2)]
    assert study.settle(settled).all()
    found = study.lookup(designs(40), FIDELITY, EVALUATOR)
    assert found == [evaluation_of(i) if i % 2 == 0 else None for i in range(40)]
    assert study.lookup(designs(40), "test", EVALUATOR) == [None] * 40
    assert study.lookup(designs(40), FIDELITY, "f") == [None] * 40
    assert study.lookup(designs(0), FIDELITY, EVALUATOR) == []


def test_more_designs_than_a_query_takes(study: StudyFile) -> None:
    study.settle([evaluation_of(i) for i in range(1200)])
    assert study.lookup(designs(1200), FIDELITY, EVALUATOR) == [evaluation_of(i) for i in range(1200)]
    assert not study.claim(designs(1200), FIDELITY, EVALUATOR).any()


def test_the_first_result_stays(study: StudyFile) -> None:
    other = Evaluation(evaluation_of(1).assignment, FIDELITY, EVALUATOR, error="later")
    assert study.settle([evaluation_of(1), evaluation_of(2), other]).tolist() == [True, True, False]
    assert study.settle([other, evaluation_of(3)]).tolist() == [False, True]
    assert study.lookup(designs(2)[1:], FIDELITY, EVALUATOR) == [evaluation_of(1)]


def test_one_wrong_evaluation_spoils_its_call_only(study: StudyFile) -> None:
    study.settle([evaluation_of(0)])
    wrong = Evaluation((1,), FIDELITY, EVALUATOR, {"accuracy": np.nan})
    with pytest.raises(InputError, match="finite"):
        study.settle([evaluation_of(1), wrong])
    assert list(study.evaluations()) == [evaluation_of(0)]


def test_evaluations_come_in_one_order_however_they_were_settled(study: StudyFile) -> None:
    order = np.random.default_rng(0).permutation(60)
    settled = [evaluation_of(int(i), fidelity) for i in order for fidelity in ("test", "lut")]
    study.settle(settled)
    expected = sorted(settled, key=lambda e: (e.fidelity, e.evaluator, e.assignment))
    assert list(study.evaluations()) == expected
    assert list(study.evaluations("test")) == expected[60:]
    assert list(study.evaluations("noise")) == []


def test_counts(study: StudyFile) -> None:
    assert study.counts() == {}
    study.settle([evaluation_of(i) for i in range(20)])
    study.claim(designs(25), FIDELITY, EVALUATOR)
    study.claim(designs(3), "test", EVALUATOR)
    first, last = evaluation_of(0).finished, evaluation_of(19).finished
    assert study.counts() == {
        FIDELITY: Tally(18, 2, 5, sum(0.25 * i for i in range(20)), first, last),
        "test": Tally(running=3),
    }


def test_configuration_and_manifest(study: StudyFile) -> None:
    assert study.config == CONFIG and study.manifest == MANIFEST
    study.update_manifest({"hashes": {"model": "a" * 20_000}})
    study.update_manifest({"versions": 2})
    assert study.manifest == {"versions": 2, "hashes": {"model": "a" * 20_000}}
    with pytest.raises(InputError, match="manifest"):
        study.update_manifest({"x": float("nan")})
    assert study.config == CONFIG and study.manifest["versions"] == 2


@pytest.mark.parametrize("config", [{"x": float("inf")}, {"x": object()}])
def test_a_configuration_that_is_not_plain_leaves_no_file(tmp_path: Path, config: dict[str, object]) -> None:
    with pytest.raises(InputError, match="config"):
        StudyFile.create(tmp_path / "s", config, {})
    assert not list(tmp_path.iterdir())


def test_a_study_outlives_its_object(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 30).close()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    with StudyFile.open(tmp_path / "s") as study:
        assert list(study.evaluations()) == sorted(map(evaluation_of, range(30)), key=lambda e: e.assignment)
        assert study.config == CONFIG and study.manifest == MANIFEST
    study.close()  # once more


def test_a_claim_is_taken_once(study: StudyFile) -> None:
    population = np.concatenate([designs(6), designs(2)])
    study.settle([evaluation_of(4)])
    assert study.claim(population, FIDELITY, EVALUATOR).tolist() == [True] * 4 + [False, True, False, False]
    assert not study.claim(population, FIDELITY, EVALUATOR).any()
    assert study.claim(designs(6), "test", EVALUATOR).all()
    assert study.attempts(designs(7), FIDELITY, EVALUATOR).tolist() == [1, 1, 1, 1, 0, 1, 0]
    study.settle([evaluation_of(0)])
    assert study.attempts(designs(2), FIDELITY, EVALUATOR).tolist() == [0, 1]
    study.release()
    study.release()
    assert study.counts()[FIDELITY].running == 0
    assert study.claim(designs(6), FIDELITY, EVALUATOR).tolist() == [False, True, True, True, False, True]


def test_claims_of_the_living_are_respected_and_closing_ends_them(tmp_path: Path) -> None:
    one = StudyFile.create(tmp_path / "s", {}, {})
    with StudyFile.open(tmp_path / "s") as other:
        assert one.claim(designs(3), FIDELITY, EVALUATOR).all()
        assert other.claim(designs(5), FIDELITY, EVALUATOR).tolist() == [False] * 3 + [True] * 2
        one.close()
        assert other.claim(designs(5), FIDELITY, EVALUATOR).tolist() == [True] * 3 + [False] * 2
        assert other.attempts(designs(5), FIDELITY, EVALUATOR).tolist() == [1] * 5


def test_claims_of_the_dead_are_the_next_attempt(tmp_path: Path) -> None:
    with StudyFile.create(tmp_path / "s", {}, {}) as study:
        for attempt in (1, 2, 3):
            dropped = StudyFile.open(tmp_path / "s")
            assert dropped.claim(designs(4), FIDELITY, EVALUATOR).all()
            assert dropped.attempts(designs(4), FIDELITY, EVALUATOR).tolist() == [attempt] * 4
            dropped._process.end()  # as after a crash: nothing is released
            dropped._connection.close()
        assert study.counts() == {FIDELITY: Tally()}
        assert study.claim(designs(4), FIDELITY, EVALUATOR).all()
        assert study._connection.execute("SELECT COUNT(*) FROM process").fetchone() == (2,)  # the first dead are forgotten


def test_a_heartbeat_keeps_a_lease(study: StudyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    study.heartbeat()  # nothing to keep yet
    study.claim(designs(1), FIDELITY, EVALUATOR)
    study._connection.execute("UPDATE process SET machine = 'elsewhere', heartbeat = heartbeat - ?", (2 * LEASE_S,))
    assert study.counts()[FIDELITY].running == 0
    study.heartbeat()
    assert study.counts()[FIDELITY].running == 1
    (beaten,) = study._connection.execute("SELECT heartbeat FROM process").fetchone()
    _claims.beat(study._connection, study._number or 0)  # too early to write again
    assert study._connection.execute("SELECT heartbeat FROM process").fetchone() == (beaten,)


def test_a_changed_row_is_never_a_number(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 30).close()
    with sqlite3.connect(tmp_path / "s") as connection:
        connection.execute("UPDATE evaluation SET figures = replace(figures, '0', '1') WHERE id = 5")
    connection.close()
    with StudyFile.open(tmp_path / "s") as study:
        for read in (lambda: list(study.evaluations()), lambda: study.lookup(designs(30), FIDELITY, EVALUATOR)):
            with pytest.raises(InputError, match=r"s: evaluation 5 is damaged; `dse doctor --salvage .*`") as caught:
                read()
            assert "\n" not in str(caught.value)
        assert study.lookup(designs(3), FIDELITY, EVALUATOR) == [evaluation_of(i) for i in range(3)]


def test_a_key_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 2).close()
    with sqlite3.connect(tmp_path / "s") as connection:
        (key,) = connection.execute("SELECT key FROM evaluation WHERE id = 1").fetchone()
        connection.execute("DELETE FROM evaluation WHERE id = 1")
        connection.execute("UPDATE evaluation SET key = ?", (key,))
    connection.close()
    with StudyFile.open(tmp_path / "s") as study, pytest.raises(InputError, match="another design"):
        study.lookup(designs(2), FIDELITY, EVALUATOR)


@pytest.mark.parametrize("value", ["'x'", "x'ff'", "1e999", "9223372036854775807", "-1"])
@pytest.mark.parametrize(
    "column", ["process.machine", "process.pid", "process.started", "process.token", "process.heartbeat"]
    + ["claim.process", "claim.worker", "claim.attempt"],
)  # fmt: skip
def test_damaged_claims_are_somebodys_or_nobodys(tmp_path: Path, column: str, value: str) -> None:
    with study_of(tmp_path / "s", 2) as study:
        study.claim(designs(6), FIDELITY, EVALUATOR)
        table, _, name = column.partition(".")
        study._connection.execute(f"UPDATE {table} SET {name} = {value}")
        with StudyFile.open(tmp_path / "s") as other:
            assert other.counts()[FIDELITY].running in (0, 4)
            free = other.claim(designs(6), FIDELITY, EVALUATOR)
            assert not free[:2].any() and free[2:].all() == free[2:].any()
            assert (other.attempts(designs(6), FIDELITY, EVALUATOR)[2:] >= 1).all()


@pytest.mark.parametrize("name", ["config", "manifest"])
@pytest.mark.parametrize("change", ["SET text = '{}'", "SET revision = 9", "SET name = 'x'"])
def test_a_changed_configuration_is_refused(tmp_path: Path, name: str, change: str) -> None:
    study_of(tmp_path / "s", 2).close()
    with sqlite3.connect(tmp_path / "s") as connection:
        connection.execute(f"UPDATE study {change} WHERE name = '{name}'")
    connection.close()
    with pytest.raises(InputError, match=f"{name}.*salvage"):
        StudyFile.open(tmp_path / "s")


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_that_was_taken_away_acknowledges_nothing(tmp_path: Path, suffix: str) -> None:
    with study_of(tmp_path / "s", 10) as study:
        os.unlink(f"{tmp_path / 's'}{suffix}")
        with pytest.raises(RunError, match="removed or replaced"):
            study.settle([evaluation_of(10)])


def test_a_full_disk_is_one_line_and_what_was_stored_stays(tmp_path: Path) -> None:
    with study_of(tmp_path / "s", 10) as study:
        (pages,) = study._connection.execute("PRAGMA page_count").fetchone()
        study._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(RunError, match=r"full; free some space") as caught:
            study.settle([evaluation_of(i) for i in range(10, 200)])
        assert "\n" not in str(caught.value)
        assert len(list(study.evaluations())) == 10
    with StudyFile.open(tmp_path / "s") as study:
        assert study.settle([evaluation_of(i) for i in range(10, 20)]).all()


def test_another_thread_is_the_callers_mistake(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def settle(study: StudyFile) -> None:
        try:
            study.settle([evaluation_of(0)])
        except sqlite3.ProgrammingError as error:
            caught.append(error)

    with study_of(tmp_path / "s", 0) as study:
        thread = threading.Thread(target=settle, args=(study,))
        thread.start()
        thread.join()
    assert len(caught) == 1
