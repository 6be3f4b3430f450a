"""Rules over names: which multipliers they leave to each layer."""

from __future__ import annotations

from typing import Any

import pytest

from dse.exceptions import InputError
from dse.layer_rules import allowed_multipliers

LAYERS = ("conv1", "block.conv1", "block.conv2", "fc")
MULTIPLIERS = ("exact", "mul_a", "mul_b", "other")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ["1111"] * 4),
        ({"rules": {"block.*": ["mul_*"]}}, ["1111", "1110", "1110", "1111"]),
        ({"rules": {"*conv1": ["mul_a", "other"], "block.*": ["mul_*"]}}, ["1101", "1100", "1110", "1111"]),
        ({"rules": {"fc": ["exact"]}}, ["1111", "1111", "1111", "1000"]),
        ({"rules": {"fc": []}, "exact_first": True}, ["1000", "1111", "1111", "1000"]),
        ({"exact_first": True, "exact_last": True}, ["1000", "1111", "1111", "1000"]),
    ],
)
def test_by_hand(arguments: dict[str, Any], expected: list[str]) -> None:
    found = allowed_multipliers(LAYERS, MULTIPLIERS, **arguments)
    assert found.dtype == bool
    assert ["".join(map(str, row)) for row in found.astype(int).tolist()] == expected


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"block.conv3": ["mul_a"]}, "allowed: unknown layer 'block.conv3'; did you mean 'block.conv"),
        ({"fc": ["mul_c"]}, "allowed: unknown multiplier 'mul_c'; did you mean 'mul_"),
        ({"fc": "mul_a"}, "allowed: 'fc': expected a list of names of multipliers, got the text 'mul_a'"),
    ],
)
def test_refused(rules: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        allowed_multipliers(LAYERS, MULTIPLIERS, rules)


def test_the_exact_multiplier_cannot_be_forbidden_nor_all_that_is_allowed() -> None:
    for pattern in ("exact", "*", "e*"):
        with pytest.raises(InputError, match="forbidden: 'fc': names the exact multiplier 'exact'"):
            allowed_multipliers(LAYERS, MULTIPLIERS, forbidden={"fc": [pattern]})
    with pytest.raises(InputError, match="layer 'fc': what is allowed there is forbidden there as well"):
        allowed_multipliers(LAYERS, MULTIPLIERS, {"fc": ["mul_a"]}, forbidden={"fc": ["mul_*"]})
    found = allowed_multipliers(LAYERS, MULTIPLIERS, {"fc": []}, forbidden={"fc": ["mul_*"]})
    assert found[3].tolist() == [True, False, False, False]
