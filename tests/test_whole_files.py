"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.exceptions import InputError
from dse.whole_files import whole_folder, writable_folder, write_whole


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_whole(tmp_path / "a.txt", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        write_whole(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.txt", b"old")]


def test_folders(tmp_path: Path) -> None:
    folder = writable_folder(tmp_path / "a" / "b")
    assert folder == writable_folder(folder) and list(folder.iterdir()) == []
    path = write_whole(folder / "file", b"")
    for odd in (path, path / "below", tmp_path / ("n" * 300), Path("/proc")):
        with pytest.raises(InputError, match="cannot be written: [A-Z].*; check its folder"):
            writable_folder(odd)
    with pytest.raises(InputError, match="cannot be written: No such file"):
        write_whole(tmp_path / "missing" / "file", b"")


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "below" / "folder"
    for text in ("old", "new"):
        with whole_folder(folder) as scratch:
            (scratch / text).write_text(text)
    with pytest.raises(KeyError), whole_folder(folder) as scratch:
        (scratch / "half").write_text("half")
        raise KeyError
    assert [path.name for path in folder.iterdir()] == ["new"] and [p.name for p in folder.parent.iterdir()] == ["folder"]
    with pytest.raises(InputError, match="cannot be written"), whole_folder(folder / "new" / "below"):
        pass
