from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.store import Evaluation, Salvaged, StudyFile, salvage
from dse.store._schema import PAGE_SIZE
from tests.store.samples import CONFIG, EVALUATOR, MANIFEST, evaluation_of, study_of


def test_a_sound_study_is_copied_and_left_as_it_is(tmp_path: Path) -> None:
    with study_of(tmp_path / "s", 300) as study:
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        assert salvage(tmp_path / "s", tmp_path / "out") == Salvaged(300, 0, True, True)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "out"} == before
        with StudyFile.open(tmp_path / "out") as copy:
            assert list(copy.evaluations()) == list(study.evaluations())
            assert copy.config == CONFIG and copy.manifest == MANIFEST


@pytest.mark.parametrize("layers", [1, 100, 1_500, 2_000, 2_040, 5_000, 10_000])
@pytest.mark.parametrize("in_log", [True, False])
def test_rows_longer_than_a_page(tmp_path: Path, layers: int, in_log: bool) -> None:
    rng = np.random.default_rng(layers)
    long = [Evaluation(tuple(rng.integers(0, 1 << 16, layers).tolist()), "lut", EVALUATOR, {"kl": 1.0}) for _ in range(5)]
    study = StudyFile.create(tmp_path / "s", {"text": "ä" * 9 * layers}, {})
    study.settle(long)
    study.update_manifest({"text": "b" * 9 * layers})
    stored = list(study.evaluations())
    if not in_log:
        study.close()
    assert salvage(tmp_path / "s", tmp_path / "out") == Salvaged(5, 0, True, True)
    study.close()
    with StudyFile.open(tmp_path / "out") as copy:
        assert list(copy.evaluations()) == stored
        assert copy.config == {"text": "ä" * 9 * layers} and copy.manifest == {"text": "b" * 9 * layers}


def test_the_newest_manifest_is_taken(tmp_path: Path) -> None:
    with study_of(tmp_path / "s", 1) as study:
        for i in range(20):
            study.update_manifest({"i": i, "text": "x" * 300 * (i % 7)})
        salvage(tmp_path / "s", tmp_path / "out")
        with StudyFile.open(tmp_path / "out") as copy:
            assert copy.manifest == study.manifest


def test_lost_pages_are_counted(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 300).close()
    data = bytearray((tmp_path / "s").read_bytes())
    (page,) = [
        i
        for i in range(0, len(data), PAGE_SIZE)
        if evaluation_of(150).worker and f"{1 / 153!r}".encode() in data[i : i + PAGE_SIZE]
    ]
    data[page : page + PAGE_SIZE] = bytes(PAGE_SIZE)
    (tmp_path / "s").write_bytes(data)
    done = salvage(tmp_path / "s", tmp_path / "out")
    assert done.kept + done.lost == 300 and 5 < done.lost < 30


def test_without_its_beginning(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 300).close()
    data = (tmp_path / "s").read_bytes()
    (tmp_path / "s").write_bytes(bytes(2 * PAGE_SIZE) + data[2 * PAGE_SIZE :])
    with pytest.raises(InputError, match="salvage"):
        StudyFile.open(tmp_path / "s")
    assert salvage(tmp_path / "s", tmp_path / "out") == Salvaged(300, 0, False, False)
    with StudyFile.open(tmp_path / "out") as copy:
        assert copy.config == {} and len(list(copy.evaluations())) == 300


@pytest.mark.parametrize("content", [b"", b"x", bytes(100_000), b"\x08\x00\x2c" * 10_000])
def test_nothing_intact_is_nothing_written(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(InputError, match="no intact row"):
        salvage(tmp_path / "s", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    study_of(tmp_path / "s", 1).close()
    for name in ("s", "out", "link"):
        if name != "s":
            (tmp_path / "out").write_text("mine", encoding="utf-8")
            os.symlink(tmp_path / "nowhere", tmp_path / "link") if name == "link" else None
        with pytest.raises(InputError, match="exists already"):
            salvage(tmp_path / "s", tmp_path / name)
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine" and not (tmp_path / "nowhere").exists()
