"""Nothing of a user's is deleted, and no work is done for a place that cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.exceptions import InputError
from dse.places import check_place


def check(folder: Path, *, overwrite: bool) -> None:
    check_place(folder, "results", ("result.json", "table.csv"), overwrite=overwrite)


def test_a_new_place_is_left_as_it_is(tmp_path: Path) -> None:
    check(tmp_path / "some" / "where", overwrite=False)
    assert not list(tmp_path.iterdir())


def test_only_results_and_nothing_else_are_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": exists and holds no results \(no result.json\)"):
        check(tmp_path, overwrite=True)
    (tmp_path / "result.json").touch()
    check(tmp_path, overwrite=True)
    with pytest.raises(InputError, match="exists already; --overwrite .overwrite=True. replaces it"):
        check(tmp_path, overwrite=False)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="holds 'notes.txt' beside results, which --overwrite would delete"):
        check(tmp_path, overwrite=True)
    (tmp_path / "my figures").mkdir()
    with pytest.raises(InputError, match="holds 'my figures' and 1 more beside results"):
        check(tmp_path, overwrite=True)


@pytest.mark.parametrize("place", ["file/below", "file", "/proc/none", "/proc/none/below", "x" * 300])
def test_a_place_that_takes_no_files_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="expected|cannot be written|holds no results") as error:
        check(tmp_path / place, overwrite=True)
    assert place[:20] in str(error.value) and "\n" not in str(error.value)
