"""The commands `dse multipliers ...`: options, exit codes, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dse.multipliers import load_library
from tests.multipliers.files import CRUDE, EXACT
from tests.test_main import call


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "circuits"
    folder.mkdir()
    np.save(folder / "exact.npy", EXACT)
    CRUDE.astype("<u2").tofile(folder / "crude.bin")
    (folder / "multipliers.csv").write_text("name,power_mw\nexact,0.5\ncrude,0.3\n")
    return folder


def test_import_then_list_and_inspect(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "notes.txt").write_text("no table")
    options = ["--unsigned", "--x-bits", 4, "--w-bits", 4, "--order", "wx", "--dtype", "uint16"]
    assert call(monkeypatch, "multipliers", "import", folder, "--out", "lib.npz", *options) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.splitlines()[-1] == "took 2, refused 1; wrote lib.npz"
    assert "refused  " in out and "notes.txt: line 1" in out
    assert np.array_equal(load_library("lib.npz")["crude"].table, CRUDE.T)
    assert call(monkeypatch, "multipliers", "list", "--library", "lib.npz", "--pareto", "mae", "--format", "json") == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == ["exact", "crude"]
    assert call(monkeypatch, "multipliers", "inspect", "lib.npz", "crude", "--figures", "maps") == 0
    out = capsys.readouterr().out
    assert "rank" in out and "figure   maps/crude.png" in out and Path("maps/crude.png").exists()


def test_list(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "multipliers", "list", "--signed") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("name") and lines[1].startswith("exact8s")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--pareto", "map"], "did you mean 'mae'"),
        (["list", "--library", "nowhere.npz"], "nowhere.npz"),
        (["list", "--format", "xml"], "xml"),
        (["inspect", "builtin", "trunc44u"], "did you mean 'trunc4u'"),
        (["import", "--out", "lib.npz"], "PATHS"),
        (["import", "circuits"], "--out"),
        (["import", "circuits", "--out", "lib.zip"], "lib.zip"),
        (["import", "nowhere", "--out", "lib.npz"], "nowhere"),
        (["import", "circuits/crude.bin", "--out", "lib.npz"], "say --unsigned or --signed"),
        (["import", "circuits", "--out", "lib.npz", "--strict"], "refused 1 of 2"),
        (["import", "circuits", "--out", "lib.npz", "--order", "yx"], "yx"),
        (["import", "circuits", "--out", "lib.npz", "--x-bits", "40"], "x_bits must be an integer from 2 to 12"),
        (["import", "circuits", "--out", "lib.npz", "--figures", "nowhere.csv"], "nowhere.csv"),
        (["import", "circuits", "--out", "lib.npz", "--reference-power", "1"], "'exact' is exact"),
    ],
)
def test_mistakes_end_with_code_2_and_leave_nothing(
    arguments: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert call(monkeypatch, "multipliers", *arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and len(err.splitlines()) == 1 and out == ""
    assert sorted(folder.parent.rglob("*")) == before
