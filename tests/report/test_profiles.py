"""Tables of profiles and of the ladder from their files, against values worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.report._draw import save
from dse.report._ladder import ladder_text
from dse.report._profiles import draw_profiles, profiles_info, profiles_table, profiles_text

PROFILES = """layer,op_count,agn_sigma,agn_alpha,fisher_sigma,fisher_alpha
a|b,10,0.1,1.0,0.1,0.5
c,20,0.2,2.0,0.1,0.1
d,30,0.3,3.0,0.1,0.9
e,40,0.4,4.0,0.1,0.0
"""
LADDER = """rung,figure,target,ms,designs,spearman,low,high,kendall,\
near_designs,near_spearman,near_low,near_high,near_kendall
proxy agn,proxy,accuracy_loss_pp,0.0005,60,0.91,0.85,0.95,0.75,30,0.7,0.4,0.9,0.5
lut-250,kl,accuracy_loss_pp,12.345,60,0.95,0.9,0.97,0.8,30,,,,
lut,kl,kl,50,60,1.0,1.0,1.0,1.0,30,1.0,1.0,1.0,1.0
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "file.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_profiles_by_hand(tmp_path: Path) -> None:
    info = profiles_info(written(tmp_path, PROFILES))
    assert info is not None and info.layers == ("a|b", "c", "d", "e")
    assert info.shares["agn"].tolist() == [10, 20, 30, 40]
    # ranks 1 2 3 4 and 3 2 4 1: squared differences 4 + 0 + 1 + 9; pairs in order 2, out of order 4
    assert info.spearman == pytest.approx(np.array([[1, 1 - 6 * 14 / 60], [1 - 6 * 14 / 60, 1]]))
    assert info.kendall == pytest.approx(np.array([[1, (2 - 4) / 6], [(2 - 4) / 6, 1]]))
    assert profiles_table(info)[1] == ["learned noise (AGN)", "1.00 / 1.00", "-0.40 / -0.33"]
    assert "| learned noise (AGN) | 1.00 / 1.00 | -0.40 / -0.33 |" in profiles_text(info)


def test_the_figure_is_drawn_the_same_twice(tmp_path: Path) -> None:
    info = profiles_info(written(tmp_path, PROFILES))
    assert info is not None
    first, second = (save(lambda: draw_profiles(info, "a caption"), tmp_path / name, "profiles") for name in ("1", "2"))
    assert first.read_bytes() == second.read_bytes()


def test_profiles_that_do_not_vary(tmp_path: Path) -> None:
    info = profiles_info(written(tmp_path, "layer,agn_alpha\na,0\nb,0\nc,0\n"))
    assert info is not None and np.isnan(info.spearman).all() and "–" in profiles_text(info)
    save(lambda: draw_profiles(info, ""), tmp_path, "profiles")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,sigma\na,1\n", "expected a column '<profile>_alpha', got layer, sigma"),
        ("layer,agn_alpha\na,x\n", "row 1, column 'agn_alpha': expected a number"),
        ("layer,agn_alpha\na,nan\n", "row 1, column 'agn_alpha': expected a finite number"),
        ("layer,agn_alpha\na,1\nb,-1\n", "row 2, column 'agn_alpha': expected a number >= 0, got '-1'"),
        ("agn_alpha\n1\n", "column 'layer' is missing"),
    ],
)
def test_profiles_that_are_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        profiles_info(written(tmp_path, text))


def test_no_files(tmp_path: Path) -> None:
    assert profiles_info(tmp_path / "profiles.csv") is None and ladder_text(tmp_path / "ladder.csv") is None


def test_ladder_by_hand(tmp_path: Path) -> None:
    text = ladder_text(written(tmp_path, LADDER))
    assert text is not None
    assert (
        "| proxy agn | proxy | 0.0005 | 0.91 (0.85 to 0.95), tau 0.75, 60 designs | 0.70 (0.40 to 0.90), tau 0.50"
        in text
    )
    assert "| lut-250 | kl | 12.3 | 0.95 (0.90 to 0.97), tau 0.80, 60 designs | – (– to –), tau –, 30 designs |" in text
    assert text.index("Against the loss of accuracy on all search images") < text.index("Against the divergence")


@pytest.mark.parametrize(("old", "new"), [("12.345", "fast"), ("0.0005", ""), (",60,0.95", ",,0.95")])
def test_a_ladder_that_is_none(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(InputError, match=r"file.csv: row \d, column"):
        ladder_text(written(tmp_path, LADDER.replace(old, new)))
