"""Processes that evaluate the same designs in one study, and write down what they begin and what is acknowledged."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from dse.store import StudyFile
from tests.store.samples import EVALUATOR, FIDELITY, designs, evaluation_of, number_of

_context = multiprocessing.get_context("forkserver")  # a bare process to fork from, with what is imported here
_context.set_forkserver_preload(["tests.store.workers"])


def start(path: Path, log: Path, count: int, batch: int) -> BaseProcess:
    process = _context.Process(target=_work, args=(path, log, count, batch))
    process.start()
    return process


def start_opening(path: Path, first: int, count: int) -> BaseProcess:
    process = _context.Process(target=_open_often, args=(path, first, count))
    process.start()
    return process


def _open_often(path: Path, first: int, count: int) -> None:
    """Settle designs `first` to `first + count`, opening the study anew for each."""
    for number in range(first, first + count):
        with StudyFile.open(path) as study:
            assert study.claim(designs(number + 1)[number:], FIDELITY, EVALUATOR).all()
            study.settle([evaluation_of(number)])


def _work(path: Path, log: Path, count: int, batch: int) -> None:
    """Evaluate designs 0 to `count` until all are settled, beginning somewhere, `batch` at a time."""
    population = np.roll(designs(count), -int.from_bytes(os.urandom(2), "big") % count, axis=0)
    with StudyFile.open(path) as study:
        while True:
            unknown = np.array([known is None for known in study.lookup(population, FIDELITY, EVALUATOR)])
            population = population[unknown]
            if not len(population):
                return
            for start in range(0, len(population), batch):
                part = population[start : start + batch]
                _evaluate(study, log, part[study.claim(part, FIDELITY, EVALUATOR)])
            time.sleep(0.002)  # others are at the rest


def _evaluate(study: StudyFile, log: Path, mine: np.ndarray) -> None:
    numbers = [number_of(tuple(design)) for design in mine.tolist()]
    if numbers:
        _write(log, "begun", numbers)
        study.settle([evaluation_of(number) for number in numbers])
        _write(log, "acknowledged", numbers)


def _write(log: Path, what: str, numbers: list[int]) -> None:
    """Append in one call, so that lines of several processes do not mix and outlive them."""
    with open(log, "ab", buffering=0) as file:
        file.write("".join(f"{what} {number}\n" for number in numbers).encode())


def events(log: Path) -> Iterator[tuple[str, int]]:
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else ():
        what, number = line.split()
        yield what, int(number)


@contextmanager
def ended(processes: list[BaseProcess]) -> Iterator[None]:
    """Kill these processes in the end, whatever happened."""
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()
