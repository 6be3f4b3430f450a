"""Which multipliers each layer may get, from rules over names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError, under, unknown_name


def allowed_multipliers(
    layers: Sequence[str],
    multipliers: Sequence[str],
    rules: Mapping[str, Sequence[str]] | None = None,
    *,
    forbidden: Mapping[str, Sequence[str]] | None = None,
    exact_first: bool = False,
    exact_last: bool = False,
) -> NDArray[np.bool_]:
    """Return the multipliers that rules leave to each layer, `(L, M)`, for `SearchSpace.allowed`.

    Args:
        layers: Names of the layers `(L,)`, in forward order.
        multipliers: Names of the library `(M,)`, index 0 exact.
        rules: Pattern of layers to patterns of the multipliers they may get (`*`, `?`, `[...]`). A layer that several rules
            name may get what all of them leave; one that none names may get all. The exact multiplier needs no mention.
        forbidden: Pattern of layers to patterns of multipliers they may not get, whatever the rules.
        exact_first, exact_last: Keep the first or the last layer exact.

    Raises:
        InputError: If a pattern matches no layer or no multiplier, the exact multiplier is forbidden, or all that a rule
            allows a layer is forbidden.
    """
    allowed = np.ones((len(layers), len(multipliers)), dtype=bool)
    for pattern, names in (rules or {}).items():
        with under("allowed: "):
            allowed[_matching(pattern, layers, "layer")] &= _any_of(names, multipliers, pattern)
    given = allowed.any(axis=1)
    for pattern, names in (forbidden or {}).items():
        with under("forbidden: "):
            named = _any_of(names, multipliers, pattern)
            if named[0]:
                name = f"the exact multiplier '{multipliers[0]}', which every layer may get"
                raise InputError(f"'{pattern}': names {name}; leave it out")
            allowed[_matching(pattern, layers, "layer")] &= ~named
    if (empty := np.flatnonzero(given & ~allowed.any(axis=1))).size:
        raise InputError(f"layer '{layers[empty[0]]}': what is allowed there is forbidden there as well; change one of them")
    for place, exact in ((0, exact_first), (-1, exact_last)):
        if exact:
            allowed[place] = False
    allowed[:, 0] = True
    return allowed


def _any_of(patterns: Sequence[str], multipliers: Sequence[str], key: str) -> NDArray[np.bool_]:
    if isinstance(patterns, str):
        raise InputError(f"'{key}': expected a list of names of multipliers, got the text '{patterns}'")
    found = np.zeros(len(multipliers), dtype=bool)
    for pattern in patterns:
        found |= _matching(pattern, multipliers, "multiplier")
    return found


def _matching(pattern: str, names: Sequence[str], what: str) -> NDArray[np.bool_]:
    found = np.array([fnmatchcase(name, pattern) for name in names], dtype=bool)
    if not found.any():
        raise unknown_name(what, pattern, names)
    return found
