"""A study of every version of the format: all open, with the values they were written with.

A new version adds a file, made by `python -m tests.store.test_versions`, and leaves the others as they are.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dse.store import StudyFile, salvage
from dse.store._schema import VERSION
from tests.store.samples import CONFIG, MANIFEST, evaluation_of, study_of

STUDIES = Path(__file__).parent / "studies"
EXPECTED = [*map(evaluation_of, range(12)), *(evaluation_of(i, "test") for i in range(3))]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_a_study_of_every_version_opens(tmp_path: Path, version: int) -> None:
    shutil.copy(STUDIES / f"version{version}.sqlite", tmp_path / "s")
    salvage(tmp_path / "s", tmp_path / "salvaged")
    for name in ("s", "salvaged"):
        with StudyFile.open(tmp_path / name) as study:
            assert list(study.evaluations()) == sorted(EXPECTED, key=lambda e: (e.fidelity, e.assignment))
            assert study.config == CONFIG and study.manifest == MANIFEST
            assert study.settle([evaluation_of(0), evaluation_of(12)]).tolist() == [False, True]


if __name__ == "__main__":
    with study_of(STUDIES / f"version{VERSION}.sqlite", 12) as made:
        made.settle(EXPECTED[12:])
