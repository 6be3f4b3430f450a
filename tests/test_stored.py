"""Figures through a study file: nothing is scored twice, nothing is lost, nothing depends on who did it or when."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from dse.evaluator import Job
from dse.exceptions import RunError
from dse.executors import SerialExecutor, open_executor
from dse.objectives import Figures
from dse.store import StudyFile
from dse.stored import StoredFigures, check_figures
from tests.toy_study import SPACE, Toy, digest, search

HEAVY = bool(os.environ.get("DSE_HEAVY"))  # the full numbers, minutes instead of seconds
KILLS = 50 if HEAVY else 5
PROCESSES = 8 if HEAVY else 3


class Counting(Toy):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, job: Job) -> list[Figures]:
        self.asked += [tuple(design.tolist()) for design in job.designs]
        return super().__call__(job)


def designs(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, len(SPACE.multipliers), (count, len(SPACE.layers)))


def test_each_design_is_scored_once_and_answered_in_order() -> None:
    toy = Counting()
    population = designs(40)
    with StudyFile.create(":memory:", {}, {}) as study:
        stored = StoredFigures(study, SerialExecutor(lambda: toy), fidelity="lut", evaluator="toy")
        again = StoredFigures(study, SerialExecutor(lambda: toy), fidelity="lut", evaluator="toy")
        twice = np.vstack([population, population[::-1]])
        found = stored.column("accuracy", twice)
        assert found.tolist() == again.column("accuracy", twice).tolist()
    assert found.tolist() == [figures["accuracy"] for figures in Toy()(Job(twice, "lut"))]
    assert sorted(toy.asked) == sorted(set(map(tuple, population.tolist())))


def test_progress_is_of_what_was_not_known() -> None:
    population, told = designs(20), []
    with StudyFile.create(":memory:", {}, {}) as study:
        for progress in (None, lambda *count: told.append(count)):
            stored = StoredFigures(study, SerialExecutor(Toy), fidelity="lut", evaluator="toy", progress=progress)
            stored(population if progress else population[:3])
        stored(population)
    assert told == [(8, 17), (16, 17), (17, 17)]


@pytest.mark.parametrize("what", ["raise", "nan", "inf", "none", "missing", "empty", "complex", "text"])
def test_a_design_that_misbehaves_fails_alone_with_its_reason(what: str) -> None:
    population = designs(20)
    bad = tuple(population[7].tolist())

    class Broken(Toy):
        def __call__(self, job: Job) -> list[Figures]:
            found = super().__call__(job)
            for i, design in enumerate(job.designs):
                if tuple(design.tolist()) != bad:
                    continue
                if what == "raise":
                    raise RuntimeError("out of\nluck")
                values = {"nan": np.nan, "inf": np.inf, "none": None, "complex": 1j, "text": "0.5"}
                found[i] = {"accuracy": values.get(what)} if what in values else {}  # type: ignore[dict-item]
            return found[:-1] if what == "missing" and bad in map(tuple, job.designs.tolist()) else found

    with StudyFile.create(":memory:", {}, {}) as study:
        executor = SerialExecutor(Broken, check=check_figures)
        found = StoredFigures(study, executor, fidelity="lut", evaluator="toy").column("accuracy", population)
        (failed,) = study.failures(9)
    assert np.flatnonzero(np.isnan(found)).tolist() == [7]
    assert failed.assignment == bad and failed.error and "\n" not in failed.error


def test_hanging_and_dying_designs_fail_alone_and_the_search_goes_on() -> None:
    population = designs(12)
    hangs, dies = (tuple(population[i].tolist()) for i in (3, 8))

    class Broken(Toy):
        def __call__(self, job: Job) -> list[Figures]:
            design = tuple(job.designs[0].tolist())
            if design == hangs:
                time.sleep(600)
            if design == dies:
                os._exit(7)
            return super().__call__(job)

    with (
        StudyFile.create(":memory:", {}, {}) as study,
        open_executor(Broken, jobs=2, timeout_s=1.5, check=check_figures) as executor,
    ):
        found = StoredFigures(study, executor, fidelity="lut", evaluator="toy", workers=2)
        assert np.flatnonzero(np.isnan(found.column("accuracy", population))).tolist() == [3, 8]
        reasons = [failed.error or "" for failed in study.failures(9)]
    assert len(reasons) == 2 and any("1.5 s" in reason for reason in reasons) and any("7" in reason for reason in reasons)


def test_the_exact_network_has_figures_or_nothing_has() -> None:
    class Broken(Toy):
        def __call__(self, job: Job) -> list[Figures]:
            raise ArithmeticError("no finite output")

    for factory in (Toy, Broken):
        with StudyFile.create(":memory:", {}, {}) as study:
            executor = SerialExecutor(factory, check=check_figures)
            found = StoredFigures(study, executor, fidelity="lut", evaluator="toy")
            if factory is Toy:
                n_layers = designs(1).shape[1]
                assert found.exact(n_layers) == found(np.zeros((1, n_layers), dtype=np.int64))[0]
            else:
                with pytest.raises(RunError, match="exact quantised network cannot be evaluated: .*no finite output"):
                    found.exact(designs(1).shape[1])


@pytest.mark.parametrize("jobs", [2, 3])
def test_the_same_search_whatever_the_number_of_workers(jobs: int) -> None:
    with StudyFile.create(":memory:", {}, {}) as one, StudyFile.create(":memory:", {}, {}) as many:
        assert digest(search(one, 60)) == digest(search(many, 60, jobs=jobs))
        assert figures(one) == figures(many)


def test_a_larger_budget_goes_on_as_if_it_had_been_the_budget_from_the_start() -> None:
    with StudyFile.create(":memory:", {}, {}) as short, StudyFile.create(":memory:", {}, {}) as long:
        search(short, 50)
        assert digest(search(short, 100)) == digest(search(long, 100))


def figures(study: StudyFile) -> list[tuple[tuple[int, ...], dict[str, float]]]:
    return [(e.assignment, dict(e.figures)) for e in study.evaluations()]


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM evaluation").fetchone()[0])


def start(path: Path, evaluations: int, jobs: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.toy_study", str(path), str(evaluations), str(jobs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_random_moments_and_resumed(tmp_path: Path, jobs: int) -> None:
    """No acknowledged evaluation is lost or changed, and the end is that of a search that was left alone."""
    path, chance = tmp_path / "study.sqlite", random.Random(jobs)
    evaluations = 1000 if HEAVY else 150
    StudyFile.create(path, {}, {}).close()
    before: dict[tuple[int, ...], float] = {}
    for _ in range(KILLS):
        process = start(path, evaluations, jobs)
        while rows(path) == len(before) and process.poll() is None:  # imports take the first seconds
            time.sleep(0.01)
        time.sleep(0.15 * chance.random())
        with suppress(ProcessLookupError):  # it had ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)
        with StudyFile.open(path) as study:
            now = {e.assignment: float(e.finished or 0) for e in study.evaluations()}
        assert before.items() <= now.items()  # the same rows, written once
        before = now
    assert len(before) >= KILLS  # every process had stored something new when it was killed
    last = start(path, evaluations, jobs)
    said, complaint = last.communicate(timeout=300)
    assert last.returncode == 0, complaint
    with StudyFile.create(":memory:", {}, {}) as alone, StudyFile.open(path) as study:
        assert said.strip() == digest(search(alone, evaluations))
        assert figures(alone) == figures(study)


def test_processes_share_one_study(tmp_path: Path) -> None:
    """Several processes run one search: each design is evaluated once, and all of them end with the same history."""
    path, evaluations = tmp_path / "study.sqlite", 1000 if HEAVY else 200
    StudyFile.create(path, {}, {}).close()
    processes = [start(path, evaluations, 1) for _ in range(PROCESSES)]
    ends = [process.communicate(timeout=300) for process in processes]
    assert all(process.returncode == 0 for process in processes), ends
    with StudyFile.create(":memory:", {}, {}) as alone, StudyFile.open(path) as study:
        assert {said.strip() for said, _ in ends} == {digest(search(alone, evaluations))}
        assert figures(alone) == figures(study)
        assert study.counts()["lut"].running == 0
        spent = study.counts()["lut"].seconds
    assert spent < 2 * 0.01 * len(figures_of(path)) + 5  # nobody did the work of another


def figures_of(path: Path) -> list[tuple[tuple[int, ...], dict[str, float]]]:
    with StudyFile.open(path) as study:
        return figures(study)
