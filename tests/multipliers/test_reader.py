"""Reading libraries from files: what is taken, and one refusal after the other."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import MultiplierLibrary, load_library
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox

EXACT = np.multiply.outer(np.arange(16), np.arange(16)).astype(np.uint16)
CRUDE = EXACT & 0xFFF8
VALUES = np.array([*range(8), *range(-8, 0)])
SIGNED = np.multiply.outer(VALUES, VALUES).astype(np.int16)
HEADER = "name,width_a,width_b,signed,power_mw,area_um2,delay_ns,mae,wce,mean_error,std_error"
ROWS = "good,4,4,0,0.4,70,1.1,0,0,0,0\ncrude,4,4,0,0.3,50,1.0,,7,,"


def write(folder: Path, csv: str = f"{HEADER}\n{ROWS}", tables: str = "lib.npz", **arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "multipliers.csv").write_text(csv, encoding="utf-8")
    np.savez_compressed(folder / tables, **(arrays or {"good": EXACT, "crude": CRUDE}))
    return folder


def refusal(path: Path, signed: bool | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_library(path, signed=signed)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_folder_and_file(tmp_path: Path) -> None:
    library = load_library(write(tmp_path / "a"))
    assert isinstance(library, MultiplierLibrary) and library.names == ("good", "crude")
    assert (library["crude"].power_mw, library["crude"].area_um2, library["crude"].delay_ns) == (0.3, 50, 1.0)
    assert library["crude"].origin == "table from lib.npz, figures from multipliers.csv"
    assert load_library(str(tmp_path / "a" / "lib.npz")).content_hash == library.content_hash


def test_one_file_may_hold_fewer_than_the_csv(tmp_path: Path) -> None:
    folder = write(tmp_path, good=EXACT)
    assert load_library(folder / "lib.npz").names == ("good",)
    assert "multipliers.csv: 'crude' has no table in the folder" in refusal(folder)


def test_only_name_and_power_are_needed(tmp_path: Path) -> None:
    folder = write(tmp_path, "\ufeffpower_mw , name\n0.4, good\n0.3,crude\n")
    library = load_library(folder)
    assert library["good"].x_bits == 4 and not library["good"].x_signed and library["good"].area_um2 is None
    folder = write(tmp_path, "name,power_mw\ngood,0.4\n", good=SIGNED)
    assert load_library(folder)[0].w_signed


def test_mixed_widths(tmp_path: Path) -> None:
    folder = write(tmp_path, "name,width_a,width_b,power_mw\ngood,4,3,1", good=EXACT[:, :8])
    assert (load_library(folder)[0].x_bits, load_library(folder)[0].w_bits) == (4, 3)


def test_choice_of_csv(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "multipliers.csv").rename(folder / "figures.csv")
    assert len(load_library(folder)) == len(load_library(folder / "lib.npz")) == 2
    (folder / "lib.csv").write_text("name,power_mw\ngood,7\ncrude,6\n")
    assert load_library(folder / "lib.npz")[0].power_mw == 7
    assert "got figures.csv, lib.csv; add or rename" in refusal(folder)


def test_signed_and_unsigned_in_one_folder(tmp_path: Path) -> None:
    folder = write(tmp_path, f"{HEADER}\n{ROWS}\nsig,4,4,1,0.5,,,,,,", good=EXACT, crude=CRUDE)
    np.savez_compressed(folder / "more.npz", sig=SIGNED)
    assert load_library(folder, signed=False).names == ("good", "crude")
    assert load_library(folder, signed=True).names == ("sig",)
    assert load_library(folder / "more.npz").names == ("sig",)
    assert "holds signed and unsigned multipliers; set signed = true or signed = false" in refusal(folder)
    assert "holds no unsigned multiplier" in refusal(folder / "more.npz", signed=False)
    np.savez_compressed(folder / "again.npz", sig=SIGNED)
    assert "more.npz: 'sig' is in again.npz already" in refusal(folder)


@needs_evoapprox
def test_published_library() -> None:
    unsigned = load_library(FOLDER, signed=False)
    assert len(unsigned) == 36 and unsigned.names[0] == "mul8u_1JFF"
    assert unsigned["mul8u_1JFF"].table[255, 255] == 65025
    assert unsigned.rel_energy[-1] == 0 and unsigned.names[-1] == "mul8u_199Z"
    assert load_library(FOLDER / "mul8u.npz").content_hash == unsigned.content_hash
    assert len(load_library(FOLDER / "mul8s.npz")) == 13
    assert "set signed" in refusal(FOLDER)


def test_missing_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "library")
    assert "no such file or folder; did you mean 'lib.npz'?" in refusal(folder / "libs.npz")
    assert "did you mean 'library'?" in refusal(tmp_path / "librari")
    assert "check the path" in refusal(tmp_path / "nowhere" / "x.npz")
    assert "expected a folder or an .npz file" in refusal(folder / "multipliers.csv")
    (folder / "multipliers.csv").unlink()
    assert "expected the figures in multipliers.csv beside the tables, or in the only CSV there, got none" in refusal(
        folder
    )
    (folder / "lib.npz").unlink()
    assert "expected .npz files" in refusal(folder)


def test_bad_npz(tmp_path: Path) -> None:
    folder = write(tmp_path)
    file = folder / "lib.npz"
    whole = file.read_bytes()
    for content in (b"", b"no zip", whole[:-30]):
        file.write_bytes(content)
        assert "is not an .npz file" in refusal(file)
    middle = whole.index(b"NUMPY") if b"NUMPY" in whole else len(whole) // 3
    file.write_bytes(whole[:middle] + bytes(40) + whole[middle + 40 :])
    assert "lib.npz: '" in refusal(file)
    np.savez(file, good=np.array([[1, "a"]], dtype=object))
    assert "'good' cannot be read (Object arrays cannot be loaded" in refusal(file)
    np.savez(file)
    assert "expected one table per multiplier, got none" in refusal(file)


def test_file_of_something_else_in_the_zip(tmp_path: Path) -> None:
    folder = write(tmp_path)
    with zipfile.ZipFile(folder / "lib.npz", "w") as archive:
        archive.writestr("good", "text")
    assert "'good' is not an array" in refusal(folder)


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("", "column 'name' is missing, got no header"),
        ("name,power\ngood,1", "column 'power_mw' is missing, got name, power"),
        ("power_mw\n1", "column 'name' is missing"),
        ("name,power_mw\n", "expected one row per multiplier, got none"),
        ("name,power_mw\ngood,1\ngood,2", "line 3 ('good'): the name comes twice"),
        ("name,power_mw\n,1", "line 2: name is empty"),
        ("name,power_mw\ngood", "line 2: expected 2 cells"),
        ("name,power_mw\ngood,1,2", "line 2: expected 2 cells"),
        ("name,power_mw\ngood,", "line 2 ('good'): power_mw is empty"),
        ("name,power_mw\ngood,abc", "line 2 ('good'): power_mw must be a finite number >= 0, got 'abc'"),
        ("name,power_mw\ngood,nan", "power_mw must be a finite number >= 0, got 'nan'"),
        ("name,power_mw\ngood,-1", "power_mw must be a finite number >= 0, got '-1'"),
        ("name,power_mw,area_um2\ngood,1,inf", "area_um2 must be a finite number >= 0"),
        ("name,power_mw,delay_ns\ngood,1,-2", "delay_ns must be"),
        ("name,power_mw,mae\ngood,1,-2", "mae must be"),
        ("name,power_mw,mean_error\ngood,1,x", "mean_error must be a finite number, got 'x'"),
        ("name,power_mw,signed\ngood,1,maybe", "signed must be 0 or 1, got 'maybe'"),
        ("name,power_mw,width_a\ngood,1,4.5", "width_a must be an integer from 2 to 12, got '4.5'"),
        ("name,power_mw,width_b\ngood,1,40", "width_b must be an integer"),
        ('name,power_mw\n"good,1', "cannot be read as a CSV file"),
        ("name,power_mw\ngood,1", "lib.npz: 'crude' has no row in multipliers.csv; add it"),
        ("name,power_mw\ngood,1\ncrud,1", "'crude' has no row in multipliers.csv; did you mean 'crud'?"),
        ("name,power_mw\ngood,1\ncrude,1\nother,1", "'other' has no table in the folder"),
        ("name,power_mw\ngood,0\ncrude,1", "power_mw is 0"),
    ],
)
def test_bad_csv(tmp_path: Path, csv: str, message: str) -> None:
    text = refusal(write(tmp_path, csv))
    assert message in text and str(tmp_path) in text


def test_csv_of_other_encoding(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "multipliers.csv").write_bytes("name,power_mw\ngüt,1".encode("latin-1"))
    assert "multipliers.csv: cannot be read as a CSV file" in refusal(folder)


@pytest.mark.parametrize(
    ("row", "table", "message"),
    [
        ("4,4,0,1,,,,,,", EXACT.astype(float), "must hold integers, got float64"),
        ("4,4,0,1,,,,,,", EXACT.ravel(), "must be (16, 16) for 4 x 4 bits, got (256,)"),
        ("4,4,0,1,,,,,,", EXACT[:, :8], "must be (16, 16) for 4 x 4 bits, got (16, 8)"),
        (",,,1,,,,,,", EXACT[:, :9], "must be (16, 8) for 4 x 3 bits, got (16, 9)"),
        (",,,1,,,,,,", np.zeros((0, 0), dtype=int), "x_bits must be"),
        ("4,4,0,1,,,,,,", EXACT + 100, "outside 0..255"),
        ("4,4,0,1,,,,,,", SIGNED, "holds -56..64, outside 0..255 of unsigned"),
        ("4,4,0,1,,,,,,", SIGNED % 256, "declared unsigned, but the table fits the signed product better"),
        ("4,4,1,1,,,,,,", (EXACT + 128) % 256 - 128.0, "must hold integers"),
        (
            "4,4,1,1,,,,,,",
            (EXACT.astype(int) + 128) % 256 - 128,
            "declared signed, but the table fits the unsigned product better",
        ),
        ("4,4,0,1,,,0.5,,,", EXACT, "multipliers.csv declares mae 0.5, but the table has 0"),
        ("4,4,0,1,,,,7,,", EXACT, "declares wce 7"),
        ("4,4,0,1,,,,,-0.5,", EXACT, "declares mean_error -0.5"),
        ("4,4,0,1,,,,,,0.1", EXACT, "declares std_error 0.1"),
        ("4,4,0,1,,,,,,", CRUDE, "none of the 1 multipliers is exact"),
    ],
)
def test_table_that_is_not_what_is_declared(tmp_path: Path, row: str, table: Any, message: str) -> None:
    text = refusal(write(tmp_path, f"{HEADER}\ngood,{row}", good=table))
    assert message in text and str(tmp_path) in text and "good" in text


def test_rounded_figures_are_accepted(tmp_path: Path) -> None:
    mae, std = np.abs(CRUDE - EXACT.astype(int)).mean(), (CRUDE - EXACT.astype(int)).std()
    folder = write(tmp_path, f"{HEADER}\ngood,4,4,0,1,,,,,,\ncrude,4,4,0,1,,,{mae:.3f},7,{-mae:.3f},{std * 1.0005}")
    assert len(load_library(folder)) == 2


def test_constant_zero_circuit_keeps_its_sign(tmp_path: Path) -> None:
    folder = write(tmp_path, f"{HEADER}\ngood,4,4,0,1,,,,,,\nzero,4,4,0,0,,,,,,", good=EXACT, zero=EXACT * 0)
    assert load_library(folder)["zero"].power_mw == 0
