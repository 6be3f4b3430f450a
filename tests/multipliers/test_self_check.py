"""What is found odd about a valid table."""

from __future__ import annotations

import numpy as np
import pytest

from dse.multipliers import Multiplier, check, generate, twins
from tests.multipliers.files import CODES, CRUDE, EXACT, SIGNED


def mult(table: np.ndarray, name: str = "m", signed: bool = False) -> Multiplier:
    return Multiplier(name, table, x_bits=4, w_bits=4, x_signed=signed, w_signed=signed)


@pytest.mark.parametrize("table", [EXACT, CRUDE])
def test_nothing_odd(table: np.ndarray) -> None:
    assert check(mult(table)) == [] and check(generate("exact8s")) == []


@pytest.mark.parametrize(
    ("table", "findings"),
    [
        (EXACT * 0 + 7, ["constant: every product is 7"]),
        (
            np.broadcast_to(CODES, (16, 16)),
            ["the activation changes nothing", "lut[0, w] is not 0 for 15 of 16 operands (up to 15)"],
        ),
        (np.broadcast_to(CODES[:, None], (16, 16)), ["the weight changes nothing", "lut[x, 0] is not 0 for 15 of 16"]),
        (
            EXACT | 3,
            [
                "lut[0, w] is not 0 for 16 of 16 operands (up to 3)",
                "lut[x, 0] is not 0 for 16 of 16 operands (up to 3)",
            ],
        ),
        (SIGNED % 256, ["declared unsigned, but the table fits the signed product better"]),
    ],
)
def test_oddities(table: np.ndarray, findings: list[str]) -> None:
    found = check(mult(table))
    assert len(found) == len(findings)
    assert all(text.startswith(finding) for text, finding in zip(found, findings, strict=True)), found


def test_the_largest_wrong_product_of_zero_keeps_its_sign() -> None:
    table = SIGNED.copy()
    table[0, 3], table[0, 5] = 2, -4
    assert check(mult(table, signed=True)) == ["lut[0, w] is not 0 for 2 of 16 operands (up to -4)"]


def test_twins() -> None:
    exact, first, turned = mult(EXACT, "exact"), mult(CRUDE, "first"), mult(CRUDE.T, "turned")
    again = [mult(CRUDE, f"again{i}") for i in range(3)]
    assert twins([exact, first, turned, *again, mult(CRUDE.T, "back")]) == {
        "turned": "has the transposed table of 'first'; check the operand order of both",
        **{m.name: "has the same table as 'first'" for m in again},
        "back": "has the same table as 'turned'",
    }
    assert twins([mult(SIGNED % 128, "u"), mult(SIGNED % 128, "s", signed=True)]) == {}


def test_a_transposed_table_alone_is_not_recognised() -> None:
    """As the documentation says: its error figures are those of the right one."""
    assert check(mult(CRUDE.T)) == [] and mult(CRUDE.T).errors == mult(CRUDE).errors
