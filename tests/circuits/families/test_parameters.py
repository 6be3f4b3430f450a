"""Every parameter a family takes: all values at small widths, some at 12 bits, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pytest

from dse.circuits import Netlist, families, product_table
from dse.circuits.families import (
    booth,
    broken_array,
    column_truncated,
    compressed,
    drum,
    error_tolerant,
    exact,
    loba,
    lower_or,
    minimally_biased,
    mitchell,
    mitchell_truncated,
    recursive,
    reduced,
    roba,
    set_one_logarithmic,
)
from dse.circuits.parts import COMPRESSORS
from dse.exceptions import InputError
from tests.circuits.models import MODELS, expected_table

SIGNS = pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])


STRUCTURES: dict[str, object] = {"structure": ("array", "wallace", "dadda")}


def grid(**values: object) -> Iterator[dict[str, object]]:
    """Yield every combination."""
    for combination in product(*values.values()):  # type: ignore[call-overload]
        yield dict(zip(values, combination, strict=True))


def all_parameters(family: str, bits: int) -> Iterator[dict[str, object]]:
    """Yield every valid combination of a family's parameters at one width."""
    everything: dict[str, dict[str, object]] = {
        "exact": STRUCTURES,
        "reduced": {"kept_bits": range(1, bits + 1), "correction": ("none", "constant"), **STRUCTURES},
        "broken_array": {"horizontal": range(bits), "vertical": range(2 * bits - 1), **STRUCTURES},
        "column_truncated": {
            "columns": range(2 * bits - 1),
            "correction": ("none", "constant", "variable"),
            **STRUCTURES,
        },
        "lower_or": {"columns": range(2 * bits)},
        "compressed": {"compressor": COMPRESSORS, "columns": range(2 * bits + 1)},
        "recursive": {"block": ("kulkarni", "rehman1", "rehman3"), "columns": (None, *range(2 * bits))},
        "error_tolerant": {"low_bits": (None, *range(1, bits))},
        "drum": {"kept_bits": range(3, bits + 1)},
        "loba": {"products": range(4), "kept_bits": range(1, bits + 1)},
        "roba": {},
        "mitchell": {},
        "mitchell_truncated": {"fraction_bits": range(1, bits), "unbiased": (False, True), "inverting": (False, True)},
        "set_one_logarithmic": {"ones": range(1, bits)},
        "minimally_biased": {},
        "booth": {
            "truncated_columns": range(bits + 1),
            "encoder": ("abe1", "abe2"),
            "approximate_columns": range(2 * bits + 1),
        },
    }
    return grid(**everything[family])


@SIGNS
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("family", MODELS)
def test_all_parameters_of_small_widths(family: str, bits: int, signed: bool) -> None:
    make: Callable[..., Netlist] = getattr(families, family)
    for parameters in all_parameters(family, bits):
        expected = expected_table(family, bits=bits, signed=signed, **parameters)
        got = product_table(make(**parameters, bits=bits, signed=signed))
        np.testing.assert_array_equal(got, expected, err_msg=f"{family} {parameters}")


@pytest.mark.parametrize("bits", [9, 10])
@pytest.mark.parametrize(
    ("family", "parameters"),
    [
        ("exact", {"structure": "wallace"}),
        ("exact", {"structure": "dadda"}),
        ("column_truncated", {"columns": 9, "correction": "variable"}),
        ("recursive", {}),
        ("compressed", {"compressor": "strollo", "columns": 17}),
        ("loba", {"products": 2, "kept_bits": 3}),
        ("minimally_biased", {}),
        ("booth", {"encoder": "abe2", "approximate_columns": 9}),
    ],
)
def test_wider_operands(family: str, parameters: dict[str, object], bits: int) -> None:
    for signed in (False, True):
        expected = expected_table(family, bits=bits, signed=signed, **parameters)
        got = product_table(getattr(families, family)(**parameters, bits=bits, signed=signed))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("make", [exact, booth], ids=["array", "booth"])
def test_twelve_bits_multiply(make: Callable[..., Netlist]) -> None:
    values = np.arange(4096)
    np.testing.assert_array_equal(product_table(make(bits=12)), np.multiply.outer(values, values))


@SIGNS
def test_twelve_bits_of_every_family_build(signed: bool) -> None:
    for design in families.designs(12, signed):
        netlist = design.build()
        assert len(netlist.outputs) == 24 and len(netlist) < 4000, design.name


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exact(1), "exact: bits must be an integer from 2 to 12, got 1"),
        (lambda: exact(13), "bits must be"),
        (lambda: reduced(4, structure="tree"), "unknown structure of reduced 'tree'"),
        (lambda: broken_array(1, 2, structure="tree"), "unknown structure of broken_array 'tree'"),
        (lambda: column_truncated(2, structure="tree"), "unknown structure of column_truncated 'tree'"),
        (lambda: exact(structure="tree"), "unknown structure of exact 'tree'; valid: array, dadda, wallace"),
        (lambda: reduced(0), "reduced: kept_bits must be an integer from 1 to 8, got 0"),
        (lambda: reduced(9), "kept_bits"),
        (lambda: reduced(2.0), "kept_bits"),  # type: ignore[arg-type]
        (lambda: reduced(6, correction="variable"), "unknown correction of reduced 'variable'; valid: constant, none"),
        (lambda: column_truncated(15), "columns must be an integer from 0 to 14"),
        (lambda: column_truncated(-1), "columns"),
        (lambda: column_truncated(3, correction="constan"), "did you mean 'constant'"),
        (lambda: broken_array(8, 0), "horizontal must be an integer from 0 to 7"),
        (lambda: broken_array(0, 15), "vertical"),
        (lambda: lower_or(16), "columns must be an integer from 0 to 15"),
        (lambda: compressed("momeni", 8), "did you mean 'momeni2'"),
        (lambda: compressed("lin", 17), "columns must be an integer from 0 to 16"),
        (lambda: recursive("kulkarny"), "did you mean 'kulkarni'"),
        (lambda: recursive(columns=16), "columns must be an integer from 0 to 15"),
        (lambda: error_tolerant(8), "low_bits must be an integer from 1 to 7"),
        (lambda: error_tolerant(0), "low_bits"),
        (lambda: drum(2), "kept_bits must be an integer from 3 to 8"),
        (lambda: drum(9), "kept_bits"),
        (lambda: drum(True), "kept_bits"),
        (lambda: drum(3, bits=2), "bits must be an integer from 3 to 12"),
        (lambda: loba(4, 3), "products must be an integer from 0 to 3"),
        (lambda: loba(0, 0), "kept_bits must be an integer from 1 to 8"),
        (lambda: roba(bits=1), "bits must be"),
        (lambda: mitchell(bits=0), "bits must be"),
        (lambda: mitchell_truncated(0), "fraction_bits must be an integer from 1 to 7"),
        (lambda: mitchell_truncated(8), "fraction_bits"),
        (lambda: set_one_logarithmic(8), "ones must be an integer from 1 to 7"),
        (lambda: minimally_biased(bits=13), "bits must be"),
        (lambda: booth(truncated_columns=9), "truncated_columns must be an integer from 0 to 8"),
        (lambda: booth(approximate_columns=17), "approximate_columns must be an integer from 0 to 16"),
        (lambda: exact(signed=None), "signed must be True or False, got None"),  # type: ignore[arg-type]
        (lambda: drum(4, signed="no"), "signed must be True or False, got 'no'"),  # type: ignore[arg-type]
        (lambda: booth(encoder="abe3"), "unknown encoder of booth 'abe3'; did you mean"),
    ],
)
def test_refuses(make: Callable[[], Netlist], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
