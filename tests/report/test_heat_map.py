"""Heat maps of errors: what they show, and their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, from_callable
from dse.report import draw_error_maps
from dse.report._heat_map import draw_error_map, error_map


def crude(name: str = "crude") -> Multiplier:
    return from_callable(lambda x, w: x * w + (x < 0), name=name, x_bits=3, w_bits=2, x_signed=True, w_signed=True)


def test_rows_and_columns_rise_with_the_operands() -> None:
    info = error_map(crude())
    assert (info.x_range, info.w_range) == ((-4, 3), (-2, 1))
    assert np.array_equal(info.error, np.repeat([[1]] * 4 + [[0]] * 4, 4, axis=1))
    assert "MAE 0.5" in info.caption and "WCE 1" in info.caption and "wrong 50 %" in info.caption


def test_the_drawing_shows_the_errors() -> None:
    axes = draw_error_map(error_map(crude())).axes[0]
    (image,) = axes.images
    assert np.array_equal(image.get_array(), error_map(crude()).error)
    assert tuple(image.get_extent()) == (-2.5, 1.5, -4.5, 3.5)
    assert image.norm(0) == 0.5  # white


def test_files(tmp_path: Path) -> None:
    odd = crude("../a b$")
    paths = draw_error_maps([crude(), odd], tmp_path / "maps")
    assert [p.relative_to(tmp_path).as_posix() for p in paths] == ["maps/crude.png", "maps/.._a_b_.png"]
    content = paths[0].read_bytes()
    assert content.startswith(b"\x89PNG") and paths[0].with_suffix(".pdf").exists()
    assert draw_error_maps([crude()], tmp_path / "maps")[0].read_bytes() == content


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        draw_error_maps([crude()], tmp_path / "file" / "maps")
