"""Stored tables: every format gives the same table back, and one refusal after the other."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers._candidate import checked
from dse.multipliers.readers import READERS, ReadOptions, read
from tests.multipliers.evoapprox import FOLDER, needs_evoapprox
from tests.multipliers.files import CRUDE, EXACT, SIGNED, c_header

OPTIONS = ReadOptions()


def write(folder: Path, name: str, table: np.ndarray) -> list[Path]:
    """Write a table in every format that stores one."""
    np.save(folder / f"{name}.npy", table)
    np.savez(folder / f"{name}.npz", table)
    np.savetxt(folder / f"{name}.csv", table, fmt="%d", delimiter=",")
    np.savetxt(folder / f"{name}.txt", table, fmt="%6d", header="any comment")
    table.astype("<i2" if table.min() < 0 else "<u2").tofile(folder / f"{name}.bin")
    c_header(folder / f"{name}.h", table)
    return [folder / f"{name}{suffix}" for suffix in READERS if suffix not in (".c", ".v")]


def only(path: Path, options: ReadOptions = OPTIONS) -> Any:
    (candidate,) = read(path, options)
    return checked(candidate, options.order)


def refusal(path: Path, options: ReadOptions = OPTIONS) -> str:
    with pytest.raises(InputError) as caught:
        only(path, options)
    text = str(caught.value)
    assert "\n" not in text and str(path) in text
    return text


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("mul4u_x", CRUDE),
        ("mul4s_x", SIGNED),
        ("mul4x3u_x", CRUDE[:, :8]),
        ("mul3x4s_y", SIGNED[[0, 1, 2, 3, -4, -3, -2, -1]]),
    ],
)
def test_all_formats_give_the_table_back(tmp_path: Path, name: str, table: np.ndarray) -> None:
    paths = write(tmp_path, name, table)
    assert len(paths) == 6
    for path in paths:
        m = only(path)
        assert m.name == name and np.array_equal(m.table, table), path
        assert m.x_signed == m.w_signed == name.startswith(("mul4s", "mul3x4s"))
        assert path.name in m.origin


def test_the_other_orientation_is_declared(tmp_path: Path) -> None:
    for path in write(tmp_path, "mul4x3u_x", CRUDE[:, :8]):
        m = only(path, ReadOptions(order="wx"))
        assert (m.x_bits, m.w_bits) == (3, 4) and np.array_equal(m.table, CRUDE[:, :8].T)
    np.save(tmp_path / "plain.npy", CRUDE[:, :8])
    m = only(tmp_path / "plain.npy", ReadOptions(x_bits=3, w_bits=4, order="wx"))
    assert np.array_equal(m.table, CRUDE[:, :8].T)
    assert "must be (8, 16)" in refusal(tmp_path / "plain.npy", ReadOptions(x_bits=3, w_bits=4))


def test_widths_and_sign_of_the_options_serve_files_that_say_nothing(tmp_path: Path) -> None:
    np.save(tmp_path / "quiet.npy", SIGNED * 0 + 3)
    assert not only(tmp_path / "quiet.npy").x_signed
    assert only(tmp_path / "quiet.npy", ReadOptions(signed=True)).x_signed
    np.save(tmp_path / "mul4u_loud.npy", CRUDE)
    assert not only(tmp_path / "mul4u_loud.npy", ReadOptions(signed=True)).x_signed
    assert "must be (256, 256)" in refusal(tmp_path / "quiet.npy", ReadOptions(x_bits=8, w_bits=8))


def test_tables_that_begin_with_the_most_negative_value(tmp_path: Path) -> None:
    by_value = np.multiply.outer(np.arange(-8, 8), np.arange(-8, 8) & ~1)
    for path in write(tmp_path, "mul4s_x", by_value):
        m = only(path)
        assert m.origin.endswith("stored by value, the most negative first")
        assert m.table[15, 14] == -1 * -2 and m.table[1, 15] == 1 * -2 and m.table[7, 2] == 14
    np.save(tmp_path / "mul4s_zero.npy", SIGNED * 0)
    assert "by value" not in only(tmp_path / "mul4s_zero.npy").origin


@needs_evoapprox
@pytest.mark.parametrize("name", ["mul8u_17C8", "mul8s_1L2N"])
def test_published_tables_come_back_identical(tmp_path: Path, name: str) -> None:
    table = np.load(FOLDER / f"{name[:5]}.npz")[name]
    for path in write(tmp_path, name, table):
        assert np.array_equal(only(path).table, table), path
    # AdaPT's order is that of the two's complement bytes, which the tables have already.
    assert "by value" not in only(tmp_path / f"{name}.h").origin


def test_one_row_short(tmp_path: Path) -> None:
    for path in write(tmp_path, "mul4u_x", CRUDE[:15]):
        text = refusal(path)
        assert "must be (16, 16)" in text or "480 bytes are no table" in text, text
    for path in write(tmp_path, "quiet", CRUDE[:15]):
        text = refusal(path)
        assert "must be (16, 16)" in text or "480 bytes are no table" in text, text


def test_products_beyond_the_range(tmp_path: Path) -> None:
    for path in write(tmp_path, "mul4u_x", CRUDE * 9):
        assert "outside 0..255 of unsigned 8-bit products" in refusal(path)


def test_raw_tables_of_other_elements(tmp_path: Path) -> None:
    CRUDE.astype("<i4").tofile(tmp_path / "four.bin")
    assert np.array_equal(only(tmp_path / "four.bin").table, CRUDE)
    SIGNED.astype("<i4").tofile(tmp_path / "mul4s_four.bin")
    assert np.array_equal(only(tmp_path / "mul4s_four.bin").table, SIGNED)
    CRUDE.astype("<u2").tofile(tmp_path / "two.bin")
    assert "uint16 or of int16; say --unsigned or --signed" in refusal(tmp_path / "two.bin")
    assert np.array_equal(only(tmp_path / "two.bin", ReadOptions(signed=False)).table, CRUDE)
    assert np.array_equal(only(tmp_path / "two.bin", ReadOptions(dtype="uint16")).table, CRUDE)
    assert "are no table of int32" in refusal(tmp_path / "two.bin", ReadOptions(dtype="int32"))
    (tmp_path / "empty.bin").write_bytes(b"")
    assert "0 bytes are no table" in refusal(tmp_path / "empty.bin")


def test_archives(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=EXACT, b=CRUDE)
    assert [c.name for c in read(tmp_path / "two.npz", OPTIONS)] == ["a", "b"]
    with zipfile.ZipFile(tmp_path / "twice.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for _ in range(2):
            archive.write(tmp_path / "two.npz", "a")
    assert "the name comes twice" in refusal(tmp_path / "twice.npz")
    np.save(tmp_path / "objects.npy", np.array([[1, "a"]], dtype=object))
    assert "Object arrays cannot be loaded" in refusal(tmp_path / "objects.npy")
    (tmp_path / "no.npy").write_bytes(b"nothing")
    assert "cannot be read" in refusal(tmp_path / "no.npy")
    np.save(tmp_path / "floats.npy", CRUDE / 2)
    assert "must hold integers, got float64" in refusal(tmp_path / "floats.npy")


def test_archives_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.multipliers._tables.MOST_BYTES", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros((256, 256)))
    assert "unpacks to" in refusal(tmp_path / "bomb.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a table of integers, got none"),
        ("1,2\n3", "line 2: expected 2 integers, got 1"),
        ("1,2\n3,x", "line 2: expected integers, got 'x'"),
        ("1,2\n3,4.0", "line 2: expected integers, got '4.0'"),
        ("1,,2\n3,4", "line 1: expected integers, got ''"),
        ("99999999999999999999,1\n1,1", "beyond 64 bits"),
        ("1,2\n3,4", "x_bits must be an integer from 2 to 12"),
    ],
)
def test_bad_text(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    assert message in refusal(tmp_path / "t.csv")


def test_text_of_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xff\xfe1")
    assert "is no UTF-8 text" in refusal(tmp_path / "t.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int lut[2][2] = {{1, 2}};", "declared with 2 rows, got 1"),
        ("int lut[2][2] = {{1, 2}, {3}};", "row 1: expected 2 integers, got 1"),
        ("int lut[2][2] = {{1, 2}, {3, x}};", "row 1: expected integers"),
        ("int lut[N][2] = {{1, 2}, {3, 4}};", "sizes must be plain numbers, got [N][2]"),
        ("int a[1][1] = {{1}}; int b[1][1] = {{1}};", "got 2; keep one table"),
        ("int lut[4] = {1, 2, 3, 4};", "expected one function of two integers, got none"),
        ("/* int lut[1][1] = {{1}};", "got 0; keep one table"),
    ],
)
def test_bad_headers(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.h").write_text(text)
    assert message in refusal(tmp_path / "t.h")


def test_headers_with_hexadecimal_numbers_and_comments(tmp_path: Path) -> None:
    rows = ",".join("{" + ",".join(f"{v:#x}u /* {v} */" for v in row) + ",}" for row in CRUDE.tolist())
    (tmp_path / "t.h").write_text(f"static const unsigned t[16][16] = {{ // the table\n{rows}\n}};")
    assert np.array_equal(only(tmp_path / "t.h").table, CRUDE)


def test_unknown_suffixes(tmp_path: Path) -> None:
    (tmp_path / "t.blif").write_text(".model t")
    assert "no reader for '.blif' files; expected one of .bin, .c, .csv" in refusal(tmp_path / "t.blif")


@pytest.mark.parametrize(("key", "value"), [("x_bits", 1), ("w_bits", 13), ("order", "ab"), ("dtype", "int8")])
def test_bad_options(key: str, value: Any) -> None:
    with pytest.raises(InputError, match=key):
        ReadOptions(**{key: value})
