"""One 8 x 8 member of each family, as Verilog in Icarus, against the family's model in integers on every pair."""

from __future__ import annotations

from pathlib import Path

import pytest

from dse.circuits import write_verilog
from dse.circuits.families import Design, designs
from tests.circuits.models import expected_table
from tests.circuits.test_verilog import needs_icarus, simulate


def one_of_each_family(signed: bool) -> list[Design]:
    """Return the middle one of the designs of each family."""
    by_family: dict[str, list[Design]] = {}
    for design in designs(signed=signed):
        by_family.setdefault(design.family, []).append(design)
    return [found[len(found) // 2] for found in by_family.values()]


@needs_icarus
@pytest.mark.parametrize("design", [*one_of_each_family(False), *one_of_each_family(True)], ids=lambda design: design.name)
def test_icarus_agrees_with_the_model(design: Design, tmp_path: Path) -> None:
    expected = expected_table(design.family, bits=8, signed=design.signed, **design.parameters)
    write_verilog(design.build(), tmp_path, "circuit", expected=expected)
    assert "PASS: 65536 pairs" in simulate(tmp_path, "circuit")
