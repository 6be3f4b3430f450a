from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dse.exceptions import InputError, RunError
from dse.store import StudyFile, _schema, salvage
from tests.store.samples import CONFIG, MANIFEST, evaluation_of, study_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    study_of(tmp_path / "s", 20).close()
    return tmp_path / "s"


def refused(path: Path, match: str, error: type[Exception] = InputError) -> None:
    with pytest.raises(error, match=match) as caught:
        StudyFile.open(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON evaluation BEGIN DELETE FROM evaluation; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE other (x)",
        "CREATE VIRTUAL TABLE other USING fts5(x)",
        "CREATE INDEX i ON evaluation (fidelity)",
        "CREATE INDEX i ON evaluation (abs(seconds))",
        "ALTER TABLE evaluation ADD COLUMN x",
        "ALTER TABLE evaluation RENAME TO other",
        "ALTER TABLE evaluation DROP COLUMN worker",
        "DROP TABLE claim",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE study (x)' WHERE name = 'study'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'x' WHERE name = 'study'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = 3 WHERE name = 'study'",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 0, 'CREATE TABLE x (y)')",
        "PRAGMA application_id = 7",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM; PRAGMA journal_mode = WAL",
    ],
)
def test_other_tables_than_a_studys_are_refused(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(statement)
    connection.close()
    refused(path, "salvage")


@pytest.mark.parametrize("version", [0, 2, 2**31 - 1])
def test_another_version_is_refused(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    refused(path, f"version {version}, expected 1; update dse")


@pytest.mark.parametrize("content", [b"", b"x", b"SQLite format 3\0", b"SQLite format 3\0" + bytes(5000), b"<html>" * 99])
def test_what_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refused(path, "salvage")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))


def _link(path: Path) -> None:
    os.symlink(path.with_name("target"), path)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize(
    ("make", "kind"), [(_fifo, "pipe"), (_link, "symbolic link"), (Path.mkdir, "folder"), (_socket, "socket")]
)
def test_only_plain_files_are_opened(path: Path, suffix: str, make: Callable[[Path], None], kind: str) -> None:
    path.with_name("target").write_bytes(path.read_bytes())
    place = path.with_name(path.name + suffix)
    place.unlink(missing_ok=True)
    cwd = os.getcwd()
    os.chdir(path.parent)  # names of sockets are short
    try:
        make(place)
    finally:
        os.chdir(cwd)
    before = path.with_name("target").read_bytes()
    refused(path, f"got a {kind}")
    with pytest.raises(InputError, match=f"got a {kind}"):
        salvage(path, path.with_name("out"))
    assert path.with_name("target").read_bytes() == before


def test_a_device_is_refused() -> None:
    refused(Path("/dev/zero"), "got a device")


@pytest.mark.parametrize("name", ["missing", "no/folder", "x" * 300, "nul\0"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no study file is there"):
        StudyFile.open(tmp_path / name)


def test_a_rollback_journal_would_change_the_study(path: Path) -> None:
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(600))
    before = path.read_bytes()
    refused(path, "journal: studies have no such file")
    assert path.read_bytes() == before


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_too_large_is_refused(path: Path, suffix: str) -> None:
    with open(f"{path}{suffix}", "ab") as file:
        file.truncate(_schema.MAX_BYTES + 1)  # a hole takes no space
    refused(path, "bytes, expected")


def test_a_row_too_large_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE study SET text = zeroblob(20000000) WHERE name = 'config'")
    connection.close()
    refused(path, "too big")


@pytest.mark.parametrize("name", ["a?mode=memory", "a#b", "a%20b", "ä b", "a'b"])
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    study_of(tmp_path / name, 3).close()
    with StudyFile.open(tmp_path / name) as study:
        assert len(list(study.evaluations())) == 3


def test_nothing_is_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        StudyFile.create(path, CONFIG, MANIFEST)
    assert path.read_bytes() == before
    path.with_name("t-wal").write_bytes(b"x")
    with pytest.raises(InputError, match="t-wal: exists already"):
        StudyFile.create(path.with_name("t"), CONFIG, MANIFEST)
    assert sorted(p.name for p in path.parent.iterdir()) == ["s", "t-wal"]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_create_a_study_one_does(path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    before = path.read_bytes()
    check, calls = _schema.check_free, iter([True, False])

    def refuse(*_: object) -> None:
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(_schema, "check_free", lambda place: None if next(calls) else check(place))  # not there yet
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(InputError, match="exists already"):
        StudyFile.create(path, {}, {})
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == ["s"]


def test_file_systems_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "no links here"))
    with study_of(tmp_path / "s", 3) as study:
        assert len(list(study.evaluations())) == 3


def test_a_folder_that_is_missing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="folder") as caught:
        StudyFile.create(tmp_path / "no" / "s", {}, {})
    assert "\n" not in str(caught.value)


_LIMITED = """
import resource, signal, sys
from dse.exceptions import RunError
from dse.store import StudyFile
from tests.store.samples import evaluation_of
study = StudyFile.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    for i in range(20, 2000):
        study.settle([evaluation_of(i)])
        print(i)
except RunError as error:
    print(error)
"""


def test_a_file_that_may_not_grow_keeps_what_was_acknowledged(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *acknowledged, error = done.stdout.splitlines()
    assert len(acknowledged) > 1 and error.startswith(f"{path}: ") and "stays readable" in error
    with StudyFile.open(path) as study:
        assert {e.assignment for e in study.evaluations()} == {
            evaluation_of(i).assignment for i in [*range(20), *map(int, acknowledged)]
        }


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 256 KiB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    return folder


def test_a_full_disk(small_disk: Path) -> None:
    try:
        study = StudyFile.create(small_disk / "s", CONFIG, MANIFEST)
        done = 0
        with pytest.raises(RunError, match="full; free some space"):
            for done in range(3000):
                study.settle([evaluation_of(done)])
        study.close()
        subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
        with StudyFile.open(small_disk / "s") as study:
            assert len(list(study.evaluations())) == done > 10
            assert study.settle([evaluation_of(done)]).all()
    finally:
        subprocess.run(["umount", small_disk], check=True)


def test_a_folder_that_cannot_be_written_to(small_disk: Path) -> None:
    try:
        study_of(small_disk / "s", 3).close()
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        refused(small_disk / "s", "writable", RunError)
        with pytest.raises(RunError, match="folder"):
            StudyFile.create(small_disk / "t", {}, {})
    finally:
        subprocess.run(["umount", small_disk], check=True)
