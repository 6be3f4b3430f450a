"""The command `dse compare`: options and what is printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from dse._compare_command import compare
from dse.exceptions import InputError
from tests.comparison.synthetic import search, write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", {(m, s): search(k, s, 9) for m, k in (("a", 4), ("b", 1)) for s in range(3)})


def test_prints_tables_and_writes_a_folder(run: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(compare, [str(run), "--out", str(tmp_path / "out"), "--baseline", "b", "--reference", "1,8"])
    assert done.exit_code == 0, done.output
    assert "Methods in pairs" in done.output and "median final hypervolume of b" in done.output
    assert done.output.splitlines()[-1].startswith(f"written  {tmp_path / 'out' / 'comparison.md'} and ")
    assert (tmp_path / "out" / "figures" / "attainment.png").is_file()


def test_prints_only_without_a_folder(run: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(compare, [str(run)]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("options", [["--reference", "1;8"], ["--baseline", "z"], ["--out", "OCCUPIED"]])
def test_mistakes_write_nothing(run: Path, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    options = [str(tmp_path / "taken") if o == "OCCUPIED" else o for o in options]
    done = CliRunner().invoke(compare, [str(run), *options])
    assert isinstance(done.exception, InputError) and "\n" not in str(done.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "taken"]


def test_needs_a_run() -> None:
    assert CliRunner().invoke(compare, []).exit_code == 2
