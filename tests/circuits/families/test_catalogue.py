"""All designs of the catalogue, held against models in integers over all operands."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

from dse.circuits import product_table
from dse.circuits.families import Design, designs
from dse.exceptions import InputError
from tests.circuits.models import MODELS, expected_table

SIGNS = pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])


def check(design: Design) -> None:
    expected = expected_table(design.family, bits=design.bits, signed=design.signed, **design.parameters)
    np.testing.assert_array_equal(product_table(design.build()), expected, err_msg=design.name)


@SIGNS
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 7, 8])
def test_every_design_computes_what_its_paper_says(bits: int, signed: bool) -> None:
    for design in designs(bits, signed):
        check(design)


def test_there_are_many_different_designs() -> None:
    every = [design for signed in (False, True) for design in designs(8, signed)]
    tables = {hashlib.sha256(product_table(design.build()).tobytes()).digest() for design in every}
    assert len(tables) >= 470
    assert {design.family for design in every} == set(MODELS)


@SIGNS
def test_names(signed: bool) -> None:
    names = [design.name for design in designs(8, signed)]
    sign = "s" if signed else "u"
    assert len(set(names)) == len(names)
    assert names[0] == f"exact8{sign}" and all(name.endswith(sign) for name in names)
    stems = "reduced6 trunc6 trunc_c6 trunc_v6 bam_h2_v6 loa6 kulkarni_c13 momeni2_c8 etm4 drum4 loba1_k3 roba8"
    stems += " mitchell8 mitchell_t3 mitchell_w3 alm_soa3 mbm8 booth8 booth_t4 booth_abe1_p8 wallace8 dadda8"
    assert {f"{stem}{sign}" for stem in stems.split()} <= set(names)
    assert ("reduced_c6u" in names) != signed and ("mitchell_wi3s" in names) == signed
    six_bits = {design.name for design in designs(6, signed)}
    assert {f"exact6{sign}", f"drum4{sign}_6bit", f"booth_t4{sign}_6bit", f"mitchell6{sign}"} <= six_bits


def test_a_design_says_what_it_is() -> None:
    design = {d.name: d for d in designs(8, True)}["loba1_k3s"]
    assert (design.family, design.bits, design.signed) == ("loba", 8, True)
    assert design.parameters == {"products": 1, "kept_bits": 3} and "Garg" in design.source
    netlist = design.build()
    assert (netlist.x_bits, netlist.w_bits, netlist.signed, len(netlist.outputs)) == (8, 8, True, 16)
    assert pickle.loads(pickle.dumps(design)) == design and hash(design) == hash(design)


def test_every_design_names_a_source() -> None:
    assert all(design.source for design in designs())


@pytest.mark.parametrize("bits", [1, 13, 8.0])
def test_widths_without_a_catalogue_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match="designs: bits must be an integer from 2 to 12"):
        next(designs(bits))
