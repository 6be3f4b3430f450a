"""Imports: what is taken, what is refused, and that nothing half-done is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import ImportReport, MultiplierLibrary, import_library, load_library
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox
from tests.multipliers.files import CRUDE, EXACT, SIGNED, c_header, c_model, needs_compiler

FIGURES = "name,power_mw\nmul4u_exact,0.5\nmul4u_crude,0.3\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "circuits"
    folder.mkdir()
    np.save(folder / "mul4u_exact.npy", EXACT)
    c_header(folder / "mul4u_crude.h", CRUDE)
    (folder / "figures.csv").write_text(FIGURES)
    return folder


def take(folder: Path, *more: Path, **options: Any) -> tuple[ImportReport, MultiplierLibrary]:
    """Import and read what was written."""
    out = folder.parent / "lib.npz"
    report = import_library([folder, *more], out, overwrite=True, **options)
    return report, load_library(out)


def refusal(folder: Path, *paths: Path | str, **options: Any) -> str:
    """Return the message of an import that fails, and check that it leaves nothing."""
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(InputError) as caught:
        import_library(paths or [folder], folder.parent / "lib.npz", **options)
    assert sorted(folder.parent.rglob("*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder(folder: Path) -> None:
    (folder / "README.md").write_text("about")
    (folder / "deeper").mkdir()
    np.savetxt(folder / "deeper" / "mul4u_crude2.txt", CRUDE & ~1, fmt="%d")
    (folder / "deeper" / "more.csv").write_text("name,power_mw,mae\nmul4u_crude2,0.2,11.25\n")
    report, library = take(folder)
    assert library.names == ("mul4u_exact", "mul4u_crude", "mul4u_crude2")
    assert np.array_equal(library["mul4u_crude"].table, CRUDE)
    assert library.power_mw.tolist() == [0.5, 0.3, 0.2]
    assert library["mul4u_crude"].origin == "table from mul4u_crude.h, figures from CSV"
    assert report.refused == () and report.passed_over == {".md": 1}
    assert report.warnings == (("mul4u_crude2", "has the same table as 'mul4u_crude'"),)


def test_a_folder_takes_what_it_can(folder: Path) -> None:
    np.save(folder / "mul4u_short.npy", CRUDE[:15])
    np.save(folder / "mul4u_poor.npy", CRUDE)
    (folder / "notes.txt").write_text("not a table")
    report, library = take(folder)
    assert library.names == ("mul4u_exact", "mul4u_crude")
    assert [text.split(": ")[0].rsplit("/")[-1] for text in report.refused] == [
        "notes.txt",
        "mul4u_poor.npy",
        "mul4u_short.npy",
    ]
    assert "its power is unknown; give a CSV" in report.refused[1]
    (folder.parent / "lib.npz").unlink()
    text = refusal(folder, strict=True)
    assert text.startswith("refused 3 of 5, so nothing is written: ") and "notes.txt: line 1: expected integers" in text


def test_a_file_that_is_named_must_be_right(folder: Path) -> None:
    (folder / "mul4u_short.npy").write_bytes(b"")
    assert "mul4u_short.npy: cannot be read" in refusal(folder, folder, folder / "mul4u_short.npy")
    (folder / "notes.md").write_text("")
    assert "no reader for '.md' files" in refusal(folder, folder / "notes.md")
    assert "no such file or folder" in refusal(folder, folder / "missing.npy")


def test_figures_beside_a_file(folder: Path, tmp_path: Path) -> None:
    assert "its power is unknown" in refusal(folder, folder / "mul4u_exact.npy")
    (folder / "mul4u_exact.csv").write_text("name,power_mw\nmul4u_exact,0.7\n")
    import_library([folder / "mul4u_exact.npy"], tmp_path / "a.npz")
    assert load_library(tmp_path / "a.npz").power_mw.tolist() == [0.7]
    assert "has a row in another CSV too" in refusal(folder)
    import_library([folder], tmp_path / "b.npz", figures=folder / "figures.csv")
    assert load_library(tmp_path / "b.npz").power_mw.tolist() == [0.5, 0.3]
    assert "nowhere.csv: cannot be read" in refusal(folder, figures=folder / "nowhere.csv")


def test_rows_say_widths_signs_and_errors(folder: Path) -> None:
    np.save(folder / "odd.npy", SIGNED * 0 + 1)
    (folder / "figures.csv").write_text(f"{FIGURES}odd,0.1\n")
    assert not take(folder)[1]["odd"].x_signed
    (folder / "figures.csv").write_text(
        "name,power_mw,signed,wce,error_probability\nmul4u_exact,1,,,\nmul4u_crude,1,,45,0\n"
    )
    (report, _) = take(folder)
    assert "its row of figures declares error_probability 0, but the table has 0.703125" in report.refused[0]


def test_an_exact_multiplier_is_added_on_demand(folder: Path) -> None:
    (folder / "mul4u_exact.npy").unlink()
    text = refusal(folder)
    assert "none of the 1 multipliers is exact" in text and "--reference-power" in text
    report, library = take(folder, reference_power_mw=0.9)
    assert library.names == ("exact4u", "mul4u_crude") and library.rel_energy.tolist() == [1, 0.3 / 0.9]
    assert report.multipliers[0].origin.startswith("generated")
    np.save(folder / "mul4u_exact.npy", EXACT)
    (folder.parent / "lib.npz").unlink()
    assert "'mul4u_exact' is exact, so nothing is added" in refusal(folder, reference_power_mw=0.9)


def test_mixed_widths_and_order(tmp_path: Path) -> None:
    folder = tmp_path / "circuits"
    folder.mkdir()
    np.save(folder / "mul4x3u_a.npy", CRUDE[:, :8])
    (folder / "f.csv").write_text("name,power_mw\nmul4x3u_a,0.1\n")
    _, library = take(folder, reference_power_mw=1, order="wx")
    assert library.names == ("exact3x4u", "mul4x3u_a") and library[0].table.shape == (8, 16)
    assert np.array_equal(library["mul4x3u_a"].table, CRUDE[:, :8].T)


def test_a_library_is_imported_again(folder: Path, tmp_path: Path) -> None:
    _, library = take(folder)
    np.save(tmp_path / "mul4u_more.npy", CRUDE.T)
    (tmp_path / "multipliers.csv").write_text("name,power_mw\nmul4u_more,0.1\n")
    report = import_library([tmp_path / "lib.npz", tmp_path / "mul4u_more.npy"], tmp_path / "two.npz", order="wx")
    again = load_library(tmp_path / "two.npz")
    assert [m.table_hash for m in again][:2] == [m.table_hash for m in library]
    assert np.array_equal(again["mul4u_more"].table, CRUDE)
    assert len(report.warnings) == 1


def test_two_signs_in_one_library(folder: Path) -> None:
    np.save(folder / "mul4s_exact.npy", SIGNED)
    (folder / "figures.csv").write_text(f"{FIGURES}mul4s_exact,0.6\n")
    out = folder.parent / "lib.npz"
    import_library([folder], out)
    assert load_library(out, signed=True).names == ("mul4s_exact",)
    assert len(load_library(out, signed=False)) == 2


def test_several_widths_in_one_folder(folder: Path) -> None:
    np.save(folder / "mul4x3u_x.npy", EXACT[:, :8])
    np.save(folder / "mul3s_y.npy", SIGNED[np.ix_([0, 1, 2, 3, 12, 13, 14, 15], [0, 1, 2, 3, 12, 13, 14, 15])])
    (folder / "figures.csv").write_text(f"{FIGURES}mul3s_y,0.6\nmul4x3u_x,0.1\n")
    out = folder.parent / "lib.npz"
    report = import_library([folder], out)
    assert [m.name for m in report.multipliers] == ["mul3s_y", "mul4u_crude", "mul4u_exact"]
    assert load_library(out, signed=False).names == ("mul4u_exact", "mul4u_crude")
    (line,) = report.refused
    assert line.startswith(f"{folder}/mul4x3u_x.npy: 'mul4x3u_x' is u4 x u3")
    assert "choose the other by --x-bits and --w-bits" in line
    report = import_library([folder], out, w_bits=3, overwrite=True)
    assert [m.name for m in report.multipliers] == ["mul3s_y", "mul4x3u_x"] and len(report.refused) == 2
    out.unlink()
    assert "'mul4x3u_x' is u4 x u3" in refusal(folder, folder, folder / "mul4x3u_x.npy")
    assert "refused 1 of 4" in refusal(folder, strict=True)


def test_names_that_come_twice(folder: Path) -> None:
    np.save(folder / "mul4u_crude.npy", CRUDE)
    assert "'mul4u_crude' comes from" in refusal(folder)


@pytest.mark.parametrize("name", ["../stray", "/stray", "a/../../b", "..\\stray", "C:\\stray"])
def test_names_that_lead_elsewhere(folder: Path, name: str) -> None:
    np.savez(folder / "arrays.npz", **{name: CRUDE})
    assert "leads out of the file; rename the array" in refusal(folder)


def test_links_that_lead_elsewhere(folder: Path) -> None:
    (folder.parent / "secret.npy").write_bytes(b"")
    (folder / "link.npy").symlink_to(folder.parent / "secret.npy")
    assert "link.npy: is a link that leads out of" in refusal(folder)
    (folder / "link.npy").unlink()
    (folder / "up").symlink_to(folder.parent)
    assert "up: is a link that leads out of" in refusal(folder)


def test_links_to_nothing_are_named(folder: Path) -> None:
    for name in ("broken.npy", "broken.c", "broken.csv", "broken.txt"):
        (folder / name).symlink_to(folder / "missing")
    (report, library) = take(folder)
    assert len(library) == 2 and report.refused == tuple(
        f"{folder}/broken.{suffix}: is a link to a file that is not there; mend or remove it"
        for suffix in ("c", "csv", "npy", "txt")
    )


@pytest.mark.parametrize("name", ["dse_library", "mul4u_exact.npy", "dse_library.npy"])
def test_names_that_a_library_needs_itself(folder: Path, name: str) -> None:
    np.save(folder / f"{name}.npy", EXACT)
    (folder / "figures.csv").write_text(f"{FIGURES}{name},0.1\n")
    (report, library) = take(folder)
    assert len(library) == 2
    assert report.refused == (
        f"{folder}/{name}.npy: no multiplier may be called 'dse_library' or end in '.npy', got '{name}'; rename it",
    )


def test_a_refused_multiplier_is_named_once(folder: Path) -> None:
    np.save(folder / "mul4u_big.npy", EXACT + 99)
    (report, _) = take(folder)
    assert report.refused[0].startswith(f"{folder}/mul4u_big.npy: multiplier 'mul4u_big': table holds 99..324, outside")


def test_files_beyond_the_limit(folder: Path) -> None:
    with (folder / "mul4u_big.npy").open("wb") as file:
        file.truncate(1 << 30)
    assert "1,073,741,824 bytes are more than the 268,435,456" in refusal(folder)


def test_what_is_passed_over(folder: Path) -> None:
    os.mkfifo(folder / "pipe.npy")
    assert len(take(folder)[1]) == 2
    assert len(take(folder)[1]) == 2  # the library itself lies beside, not in the folder
    import_library([folder], folder / "lib.npz")
    assert len(import_library([folder], folder / "lib.npz", overwrite=True).multipliers) == 2


def test_the_library_to_write(folder: Path) -> None:
    out = folder.parent / "lib.npz"
    import_library([folder], out)
    content = out.read_bytes()
    assert "lib.npz: exists; name another file or replace it (--overwrite)" in refusal(folder)
    import_library([folder], out, overwrite=True)
    assert out.read_bytes() == content
    for path, message in (("lib.zip", "give it that suffix"), ("missing/lib.npz", "its folder does not exist")):
        with pytest.raises(InputError, match=message):
            import_library([folder], folder.parent / path)


def test_nothing_to_take(tmp_path: Path) -> None:
    folder = tmp_path / "circuits"
    folder.mkdir()
    assert "holds no file with one of the suffixes .bin, .c" in refusal(folder)
    (folder / "notes.txt").write_text("no table")
    assert "no multiplier could be taken, so nothing is written: " in refusal(folder)
    assert "order must be one of xw, wx" in refusal(folder, order="yx")


@needs_compiler
def test_models_that_misbehave_leave_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.multipliers.readers._c_model.CPU_S", 1)
    folder = tmp_path / "models"
    c_model(folder, "mul4u_exact")
    c_model(folder, "mul4u_loop", "volatile int on = 1; while (on); return 0;")
    c_model(folder, "mul4u_crash", "return *(volatile int *)0;")
    c_model(folder, "mul4u_file", f'FILE *f = fopen("{tmp_path}/stray", "w"); fputs("x", f); return 0;')
    c_model(folder, "mul4u_memory", "for (;;) { volatile char *p = malloc(1 << 20); *p = 1; }")
    c_model(folder, "mul4s_typed", "int a = A & 15, b = B & 15; return ((a ^ 8) - 8) * ((b ^ 8) - 8);")
    report = import_library([folder], tmp_path / "lib.npz")
    assert [m.name for m in report.multipliers] == ["mul4s_typed", "mul4u_exact"]
    assert [text.split(":")[0] for text in report.refused] == [
        f"{folder}/mul4u_{what}.c" for what in ("crash", "file", "loop", "memory")
    ]
    assert report.warnings == (
        ("mul4s_typed", "operand A is typed uint8_t, but the multiplier is signed; taken as signed"),
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lib.npz", "models"]


@needs_compiler
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_import_does_not_wait_for_models(tmp_path: Path, number: int, status: int) -> None:
    folder, scratch = tmp_path / "models", tmp_path / "scratch"
    scratch.mkdir()
    for name in range(4):
        c_model(folder, f"mul4u_{name}", "extern unsigned sleep(unsigned); sleep(999); return 0;")
    # Models may take far longer than the test waits, and that is far longer than a busy machine takes to end.
    program = "from dse import __main__; from dse.multipliers.readers import _c_model as c; c.CPU_S = 999; __main__.main()"
    command = [sys.executable, "-c", program, "multipliers", "import", folder, "--out", tmp_path / "lib.npz"]
    with subprocess.Popen(command, env=os.environ | {"TMPDIR": str(scratch)}, stderr=subprocess.PIPE) as process:
        while not any(scratch.glob("*/model")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=120) == status
    assert sorted(tmp_path.iterdir()) == [folder, scratch] and not list(scratch.iterdir())


def test_an_interrupted_import_does_not_wait_for_yosys(tmp_path: Path) -> None:
    (tmp_path / "yosys").write_text("#!/bin/sh\ntouch ../started; exec sleep 999\n")
    (tmp_path / "yosys").chmod(0o700)
    (tmp_path / "m.v").write_text("module m(input [3:0] a, input [3:0] b, output [7:0] p);\nassign p = a * b;\nendmodule\n")
    command = [sys.executable, "-m", "dse", "multipliers", "import", tmp_path / "m.v", "--out", tmp_path / "lib.npz"]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.v", "started", "yosys"]


@needs_evoapprox
def test_published_tables_through_other_formats(tmp_path: Path) -> None:
    folder = tmp_path / "circuits"
    folder.mkdir()
    published = load_library(FOLDER, signed=True)
    for i, m in enumerate(published):
        path = folder / m.name
        if i % 3 == 0:
            m.table.astype("<i2").tofile(f"{path}.bin")
        elif i % 3 == 1:
            c_header(path.with_suffix(".h"), m.table)
        else:
            np.savetxt(f"{path}.csv", m.table, fmt="%d", delimiter=",")
    import_library([folder], tmp_path / "lib.npz", figures=FOLDER / "multipliers.csv")
    library = load_library(tmp_path / "lib.npz")
    assert {m.name: m.table_hash for m in library} == {m.name: m.table_hash for m in published}
    assert {m.name: m.power_mw for m in library} == {m.name: m.power_mw for m in published}
