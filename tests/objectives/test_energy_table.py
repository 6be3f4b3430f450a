"""Tables of energies: what a file may hold, and one line for everything it may not."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from dse.exceptions import InputError
from dse.objectives import DEFAULT_ENERGY_TABLE, EnergyTable, load_energy_table
from dse.run_folder import write_toml

KEYS = [field.name for field in fields(EnergyTable)]


def written(folder: Path, **changes: Any) -> Path:
    """Write the built-in table with some figures changed; None leaves a key out."""
    data = {key: value for key, value in {**asdict(DEFAULT_ENERGY_TABLE), **changes}.items() if value is not None}
    write_toml(folder / "mine.toml", data)
    return folder / "mine.toml"


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_energy_table(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message


def test_published_figures() -> None:
    table = DEFAULT_ENERGY_TABLE
    assert 32 * table.adder_pj_per_bit == pytest.approx(0.1)  # Horowitz: 32-bit addition
    assert 64 * table.sram_pj_per_bit == pytest.approx(20)  # 64 bits from 32 KiB
    assert 256 * 10 * table.wire_pj_per_bit_mm == pytest.approx(310, rel=0.01)  # Keckler et al.: 256 bits over 10 mm
    accumulate = 24 * (table.adder_pj_per_bit + table.register_pj_per_bit)
    in_macs = 8 * table.sram_pj_per_bit / (table.multiplier_pj + accumulate)
    assert in_macs == pytest.approx(6, rel=0.25)  # Eyeriss, Chen et al., ISCA 2016: a global buffer's access, in MACs


def test_a_file_replaces_every_figure(tmp_path: Path) -> None:
    figures = {key: 2 + i for i, key in enumerate(KEYS) if key != "source"}  # integers stand for numbers too
    assert load_energy_table(written(tmp_path, source="mine", **figures)) == EnergyTable(source="mine", **figures)


def test_the_file_of_the_docs_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "energy.md").read_text(encoding="utf-8")
    (tmp_path / "mine.toml").write_text(text.split("```toml\n")[1].split("```")[0])
    assert load_energy_table(tmp_path / "mine.toml").multiplier_pj == 0.1


def test_the_hash_is_that_of_the_figures() -> None:
    table = DEFAULT_ENERGY_TABLE
    assert replace(table, source="elsewhere").content_hash == table.content_hash
    others = {replace(table, **{key: getattr(table, key) + 1}).content_hash for key in KEYS if key != "source"}
    assert len(others - {table.content_hash}) == len(KEYS) - 1


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    assert f"mine.toml: {key}: missing" in refused(written(tmp_path, **{key: None}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pich_mm": 0.1}, "unknown key 'pich_mm'; did you mean 'pitch_mm'?"),
        ({"sram_pj_per_bit": -0.1}, "sram_pj_per_bit: expected a number from 0 to 1,000,000, got -0.1"),
        ({"register_pj_per_bit": float("nan")}, "register_pj_per_bit: expected a number from 0 to 1,000,000, got nan"),
        ({"wire_pj_per_bit_mm": float("inf")}, "wire_pj_per_bit_mm: expected a number from 0 to 1,000,000, got inf"),
        ({"adder_pj_per_bit": "0.1"}, "adder_pj_per_bit: expected a number from 0 to 1,000,000, got '0.1'"),
        ({"pitch_mm": True}, "pitch_mm: expected a number from 0 to 1,000,000, got True"),
        ({"multiplier_pj": 0.0}, "multiplier_pj: expected at least 1e-06, got 0.0; energies are relative"),
        ({"rows": 0}, "rows: expected an integer from 1 to 1,000,000, got 0"),
        ({"columns": 1.5}, "columns: expected an integer from 1 to 1,000,000, got 1.5"),
        ({"rows": True}, "rows: expected an integer from 1 to 1,000,000, got True"),
        ({"source": " "}, "source: expected one line of text"),
        ({"multiplier_pj": 1e-320}, "multiplier_pj: expected at least 1e-06"),
        ({"multiplier_pj": -1.0}, "multiplier_pj: expected a number from 0 to 1,000,000, got -1.0"),
        ({"sram_pj_per_bit": 1e300}, "sram_pj_per_bit: expected a number from 0 to 1,000,000, got 1e+300"),
        ({"columns": 1_000_001}, "columns: expected an integer from 1 to 1,000,000, got 1000001"),
        ({"source": "two\nlines"}, "source: expected one line of text"),
        ({"source": 3}, "source: expected one line of text"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in refused(written(tmp_path, **changes))


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.toml")
