"""Tables, selections and accounts of multiplier libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dse.circuits.families import column_truncated
from dse.exceptions import InputError
from dse.multiplier_catalogue import import_account, inspection, listing, open_library, pareto_optimal
from dse.multipliers import ImportReport, Multiplier, MultiplierLibrary, builtin, from_netlist
from tests.multipliers.files import CRUDE, EXACT

# By power: x2 is beaten by nothing, x3 by x2 in both, x4 is cheap and bad.
LIBRARY = MultiplierLibrary(
    Multiplier(name, EXACT & mask, x_bits=4, w_bits=4, power_mw=power)
    for name, mask, power in (("exact", ~0, 1.0), ("x2", ~1, 0.5), ("x3", ~3, 0.6), ("x4", ~7, 0.1))
)


@pytest.mark.parametrize("metric", ["mae", "wce", "mean_error", "std_error", "mre", "error_probability"])
def test_pareto_optimal(metric: str) -> None:
    def beaten(m: Multiplier) -> bool:
        own = m.power_mw, abs(getattr(m.errors, metric))
        others = [(o.power_mw, abs(getattr(o.errors, metric))) for o in LIBRARY]
        return any(o != own and o[0] <= own[0] and o[1] <= own[1] for o in others)  # type: ignore[operator]

    assert pareto_optimal(LIBRARY, metric) == [m for m in LIBRARY if not beaten(m)]
    assert "x3" not in [m.name for m in pareto_optimal(LIBRARY, metric)]


def test_an_unknown_metric() -> None:
    with pytest.raises(InputError, match="unknown error metric 'map'; did you mean 'mae'"):
        pareto_optimal(LIBRARY, "map")


def test_listing() -> None:
    lines = list(listing(LIBRARY, list(LIBRARY)[1:2]))
    assert len(lines) == 2 and lines[1].split()[:5] == ["x2", "4x4", "uu", "0.5000", "0.500"]
    (entry,) = json.loads("\n".join(listing(LIBRARY, list(LIBRARY)[1:2], as_json=True)))
    assert entry["name"] == "x2" and entry["rel_energy"] == 0.5 and entry["mae"] == LIBRARY["x2"].errors.mae
    assert entry["x_bits"] == 4 and entry["x_signed"] is False and entry["area_um2"] is None


def test_inspection() -> None:
    broken = Multiplier("broken", CRUDE + 1, x_bits=4, w_bits=4, power_mw=0.1)
    lines = list(inspection(MultiplierLibrary([*LIBRARY, broken])))
    place = lines[0].index("rank")
    # Without its lowest bit a product errs by x_0 w_0; the last one by x (w & 3) and a constant.
    assert [int(line[place : place + 4]) for line in (*lines[1:3], lines[5])] == [0, 1, 2]
    assert lines[6:] == [
        "warning: broken: lut[0, w] is not 0 for 16 of 16 operands (up to 1)",
        "warning: broken: lut[x, 0] is not 0 for 16 of 16 operands (up to 1)",
    ]


def test_names_have_room_and_estimates_are_told_once() -> None:
    long = "a_circuit_of_quite_some_length"
    library = MultiplierLibrary([*LIBRARY, from_netlist(column_truncated(3, bits=4), name=long, origin="mine")])
    for lines in (list(inspection(library)), list(listing(library, list(library)))):
        place = lines[0].index("sign")
        assert [line[place : place + 4] for line in lines[1:6]] == ["  uu"] * 5
        assert lines[5].startswith(f"{long} ") and lines[5].endswith("  mine *")
        assert lines[6] == "* power, area and delay estimated from its gates"
        assert sum("estimated" in line for line in lines) == 1


def test_the_rank_of_truncated_arrays() -> None:
    """An array without its c lowest columns errs by the sum of x_i w_j with i + j < c: c independent rows."""
    lines = list(inspection(open_library("catalogue", names=["dadda_trunc4u", "dadda_trunc7u"])))
    place = lines[0].index("rank")
    assert {line.split()[0]: int(line[place : place + 4]) for line in lines[1:4]} == {
        "dadda8u": 0,
        "dadda_trunc4u": 4,
        "dadda_trunc7u": 7,
    }


def test_open_library(tmp_path: Path) -> None:
    assert len(open_library("builtin", signed=True)) == len(builtin(signed=True))
    with pytest.raises(InputError, match="did you mean 'dadda8u'"):
        open_library("builtin", names=["dada8u"])
    lines = list(inspection(open_library("widths", names=["exact5x4"])))
    assert len(lines) == 4 and "exact array of 5 x 4 bits *" in lines[2]
    with pytest.raises(InputError, match="no such file"):
        open_library(str(tmp_path / "missing.npz"))


def test_import_account() -> None:
    report = ImportReport(tuple(LIBRARY)[:1], (("exact", "odd"),), ("a.c: broken",), {".md": 2, ".png": 1}, (3, 0.5))
    assert list(import_account(report, Path("lib.npz"))) == [
        "took     exact: 4 x 4 bits uu, 1 mW, MAE 0; ",
        "warning  exact: odd",
        "refused  a.c: broken",
        "estimate of power from gates: Spearman 0.500 with the 3 known ones",
        "took 1, refused 1, passed over files of other kinds (2 .md, 1 .png); wrote lib.npz",
    ]
