"""Verilog files as multipliers: figures from comments, else estimated, and what the estimate is worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.circuits import figures, has_yosys, product_table, to_verilog
from dse.circuits.families import column_truncated, exact
from dse.exceptions import InputError
from dse.multiplier_catalogue import import_account
from dse.multipliers import import_library, load_library


def write(folder: Path, name: str, columns: int, comment: str = "", signed: bool = False) -> Path:
    path = folder / f"{name}.v"
    netlist = column_truncated(columns, bits=4, signed=signed) if columns else exact(4, signed)
    path.write_text(comment + to_verilog(netlist, "top"))
    return path


def test_figures_come_from_comments(tmp_path: Path) -> None:
    write(tmp_path, "mul4u_A", 0, "// PDK45_PWR = 0.5 mW\n// PDK45_AREA = 100 um2\n/* PDK45_DELAY = 2 ns */\n// MAE = 0\n")
    write(tmp_path, "mul4u_B", 2, "// PDK45_PWR = 400 uW\n")
    import_library([tmp_path], tmp_path / "lib.npz")
    library = load_library(tmp_path / "lib.npz")
    assert (library[0].power_mw, library[0].area_um2, library[0].delay_ns) == (0.5, 100, 2)
    assert library["mul4u_B"].power_mw == pytest.approx(0.4) and library["mul4u_B"].area_um2 is None
    assert np.array_equal(library["mul4u_B"].table, product_table(column_truncated(2, bits=4)))
    assert library["mul4u_B"].netlist is not None


def test_figures_are_estimated_where_none_are_stated(tmp_path: Path) -> None:
    paths = write(tmp_path, "a", 0), write(tmp_path, "b", 3)
    import_library(paths, tmp_path / "lib.npz")
    library = load_library(tmp_path / "lib.npz")
    for name, netlist in (("a", exact(4)), ("b", column_truncated(3, bits=4))):
        estimate = figures(netlist)
        # gates in another order glitch otherwise
        assert library[name].power_mw == pytest.approx(estimate.power_mw, rel=0.05)
        assert library[name].area_um2 == pytest.approx(estimate.area_um2)
        assert "estimated" in library[name].origin


def test_sign_comes_from_the_name(tmp_path: Path) -> None:
    write(tmp_path, "mul4s_A", 0, signed=True)
    import_library([tmp_path / "mul4s_A.v"], tmp_path / "lib.npz")
    assert load_library(tmp_path / "lib.npz")[0].x_signed


def test_rank_correlation_is_reported(tmp_path: Path) -> None:
    for place, columns in enumerate((0, 2, 3, 4)):
        write(tmp_path, f"m{columns}", columns, f"// PDK45_PWR = {1 - 0.1 * place} mW\n")
    report = import_library([tmp_path], tmp_path / "lib.npz")
    assert report.ranked == (4, pytest.approx(1.0))
    assert "Spearman 1.000 with the 4 known ones" in "\n".join(import_account(report, tmp_path / "lib.npz"))


def test_swapped_operands_lose_their_gates_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m.v"
    path.write_text(
        "module m(input [3:0] b, input [3:0] a, output [7:0] p); assign p = {4'b0, a & {4{b[0]}}}; endmodule\n"
    )
    import_library([path], tmp_path / "lib.npz", order="wx", reference_power_mw=1.0)
    m = load_library(tmp_path / "lib.npz")["m"]
    assert m.netlist is None
    assert np.array_equal(m.table, np.arange(16)[:, None] * (np.arange(16) % 2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("module m(input [3:0] a, output [7:0] p); assign p = a; endmodule", "expected two input vectors"),
        ("module m(input [3:0] a, b, output [7:0] p); endmodule", "m.v"),
        ("garbage", "m.v"),
        ("", "m.v"),
    ],
)
def test_what_is_no_netlist_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.v").write_text(text)
    with pytest.raises(InputError, match=message):
        import_library([tmp_path / "m.v"], tmp_path / "lib.npz")
    assert not (tmp_path / "lib.npz").exists()


def behavioural(folder: Path) -> Path:
    path = folder / "m.v"
    path.write_text("module m(input [3:0] a, b, output [7:0] p); assign p = a * b; endmodule")
    return path


@pytest.mark.skipif(not has_yosys(), reason="Yosys (a program, or dse[yosys]) not installed")
def test_behavioural_verilog_is_read_by_yosys(tmp_path: Path) -> None:
    import_library([behavioural(tmp_path)], tmp_path / "lib.npz")
    assert load_library(tmp_path / "lib.npz")["m"].is_exact


def test_behavioural_verilog_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dse.multipliers.readers._verilog.has_yosys", lambda: False)
    with pytest.raises(InputError, match=r"pip install 'dse\[yosys\]'"):
        import_library([behavioural(tmp_path)], tmp_path / "lib.npz")


def test_declared_errors_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path, "m", 2, "// MAE = 77\n")
    with pytest.raises(InputError, match="declares mae 77"):
        import_library([path], tmp_path / "lib.npz", reference_power_mw=1.0)
