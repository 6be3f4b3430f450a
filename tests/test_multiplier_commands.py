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
    for name, dtype in (("complex", complex), ("duration", "m8[s]"), ("objects", object), ("records", [("a", "i4")])):
        np.save(f"{name}.npy", np.ones(256, dtype=dtype))
    np.save("none.npy", np.full(256, np.nan))
    np.save("table.npy", EXACT.astype("m8[s]"))
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
    assert lines[0].startswith("name") and lines[1].startswith("dadda8s")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "--pareto", "map"], "did you mean 'mae'"),
        (["list", "--library", "nowhere.npz"], "nowhere.npz"),
        (["list", "--format", "xml"], "xml"),
        (["inspect", "catalogue", "drum44u"], "did you mean 'drum4u'"),
        (["evolve", "--out", "e.v"], "--max-error"),
        (["evolve", "--max-error", "5", "--out", "e.npz"], "expected NAME.v"),
        (["evolve", "--max-error", "5", "--out", "5.v"], "expected NAME.v"),
        (["evolve", "--max-error", "5", "--out", "nowhere/e.v"], "expected NAME.v"),
        (["evolve", "--max-error", "-5", "--out", "e.v"], "max_error must be at least 0"),
        (["evolve", "--max-error", "5", "--from", "dada8u", "--out", "e.v"], "did you mean 'dadda8u'"),
        (["evolve", "--max-error", "5", "--from", "reduced2u", "--out", "e.v"], "own error is above max_error"),
        (["evolve", "--max-error", "5", "--x-weights", "nowhere.npy", "--out", "e.v"], "nowhere.npy"),
        (["evolve", "--max-error", "5", "--w-weights", "circuits/exact.npy", "--out", "e.v"], "w_weights must be 256"),
        (["evolve", "--max-error", "5", "--x-weights", "complex.npy", "--out", "e.v"], "got complex128"),
        (["evolve", "--max-error", "5", "--x-weights", "duration.npy", "--out", "e.v"], "got timedelta64"),
        (["evolve", "--max-error", "5", "--x-weights", "objects.npy", "--out", "e.v"], "objects.npy: cannot be read"),
        (["evolve", "--max-error", "5", "--x-weights", "records.npy", "--out", "e.v"], "got [('a', '<i4')]"),
        (["evolve", "--max-error", "5", "--x-weights", "none.npy", "--out", "e.v"], "x_weights must be 256 finite"),
        (["evolve", "--max-error", "5", "--x-weights", "circuits", "--out", "e.v"], "circuits: cannot be read"),
        (["import", "table.npy", "--out", "l.npz"], "must hold integers, got timedelta64"),
        (["verilog", "drum4u", "--signed", "--out", "v"], "'drum4u' is unsigned"),
        (["verilog", "drum4s", "--unsigned", "--out", "v"], "'drum4s' is signed"),
        (["verilog", "drun4u", "--out", "v"], "did you mean 'drum4u'"),
        (["verilog", "drum4u", "--out", "circuits/exact.npy"], "is a file"),
        (["verilog", "drum4u", "--out", "circuits/exact.npy/v"], "cannot be written: Not a directory"),
        (["verilog", "drum4u", "--out", "/proc/v"], "/proc/v: cannot be written"),
        (["verilog", "drum4u", "--out", "/proc"], "/proc: cannot be written"),
        (["catalogue", "nowhere.npz", "--out", "page"], "nowhere.npz"),
        (["catalogue", "--out", "circuits/exact.npy"], "is a file"),
        (["catalogue", "--out", "circuits/exact.npy/page"], "cannot be written: Not a directory"),
        (["catalogue", "--measure", "--out", "/proc/page"], "/proc/page: cannot be written"),
        (["catalogue", "--measure", "--out", "n" * 300], "cannot be written: File name too long"),
        (["inspect", "builtin", "dadda8u", "--figures", "circuits/exact.npy/maps"], "cannot be written: Not a directory"),
        (["inspect", "builtin", "dadda8u", "--figures", "/proc/maps"], "/proc/maps: cannot be written"),
        (["evolve", "--max-error", "5", "--out", "/proc/e.v"], "/proc: cannot be written"),
        (["evolve", "--max-error", "5", "--out", f"{'n' * 300}.v"], "cannot be written: File name too long"),
        (["import", "circuits", "--out", f"{'n' * 300}.npz"], "cannot be written: File name too long"),
        (["import", "circuits", "--unsigned", "--x-bits", "4", "--w-bits", "4", "--dtype", "uint16"]
        + ["--out", "/proc/l.npz"], "/proc/l.npz: cannot be written"),
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


def test_evolve_then_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.arange(256))
    arguments = ["--max-error", "60", "--candidates", "600", "--seed", "3", "--x-weights", "x.npy"]
    assert call(monkeypatch, "multipliers", "evolve", *arguments, "--out", "mine_u.v") == 0
    out = capsys.readouterr().out
    assert "mine_u" in out and "wrote    mine_u.v" in out
    command = f"// dse multipliers evolve --from dadda8u {' '.join(arguments)} --out mine_u.v"
    assert Path("mine_u.v").read_text().splitlines()[0] == command
    first = Path("mine_u.v").read_bytes()
    assert call(monkeypatch, "multipliers", "evolve", *arguments, "--out", "mine_u.v") == 2
    Path("mine_u.v").unlink()
    assert call(monkeypatch, "multipliers", "evolve", *arguments, "--out", "mine_u.v") == 0
    assert Path("mine_u.v").read_bytes() == first
    assert call(monkeypatch, "multipliers", "import", "mine_u.v", "--out", "l.npz", "--reference-power", "0.3") == 0
    assert 0 < load_library("l.npz")["mine_u"].errors.mae


def test_circuits_as_verilog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "multipliers", "verilog", "drum4u", "mitchell8s", "--out", "v") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(list(Path("v").iterdir())) == 6
    assert call(monkeypatch, "multipliers", "verilog", "mitchell8s", "--library", "catalogue", "--out", "v") == 0
    assert call(monkeypatch, "multipliers", "verilog", "exact5x4", "--library", "widths", "--out", "w") == 2
    assert "'exact5x4': no gates that compute its table" in capsys.readouterr().err
    np.save("m.npy", EXACT)
    assert call(monkeypatch, "multipliers", "import", "m.npy", "--out", "l.npz", "--unsigned", "--x-bits", "4") == 2
    figures = Path("multipliers.csv")
    figures.write_text("name,power_mw\nm,1\n")
    assert call(monkeypatch, "multipliers", "import", "m.npy", "--out", "l.npz", "--unsigned") == 0
    assert call(monkeypatch, "multipliers", "verilog", "m", "--library", "l.npz", "--out", "w") == 2
    assert "no gates that compute its table are known" in capsys.readouterr().err and not Path("w").exists()


def test_catalogue_page(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--unsigned", "--x-bits", 4, "--w-bits", 4, "--dtype", "uint16"]
    assert call(monkeypatch, "multipliers", "import", folder, "--out", "lib.npz", *options) == 0
    capsys.readouterr()
    assert call(monkeypatch, "multipliers", "catalogue", "--out", "page", "lib.npz") == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    (folder / "lib.npz").write_bytes(Path("lib.npz").read_bytes())
    assert call(monkeypatch, "multipliers", "catalogue", "--out", "two", "lib.npz", "circuits/lib.npz", "builtin") == 0
    text = Path("two/README.md").read_text()
    for name in ("lib.npz, unsigned: 2", "circuits/lib.npz, unsigned: 2", "builtin, unsigned: ", "builtin, signed: "):
        assert f"- {name}" in text
    text = Path("page/README.md").read_text()
    assert "`dse multipliers catalogue --out page lib.npz`" in text and "- lib, unsigned: 2 circuits" in text
