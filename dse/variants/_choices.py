"""The choices of a search: every circuit of a library in the variants that were asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, is_symmetric, swapped, tuned

Tuning = Literal["uniform", "histogram"]


@dataclass(frozen=True)
class Choice:
    """A circuit as a layer may be given it.

    Args:
        multiplier: Under the choice's name and with the circuit's figures. Its table is the circuit's in this operand order;
            what tuning makes of it depends on the layer.
        circuit: The circuit's name: the multiplier's in the library, or what that names. Variants are the same hardware.
        swapped: The circuit's first operand is the weight instead of the activation.
        tuning: How each layer tunes its weights; None: not for the layer.
        untuned: What the multiplier was before it was tuned once for all layers; None: it was not.
    """

    multiplier: Multiplier
    circuit: str
    swapped: bool = False
    tuning: Tuning | None = None
    untuned: Multiplier | None = None


@dataclass(frozen=True)
class Choices:
    """M choices in order, the exact multiplier first.

    Args:
        items: The choices.
        twins: Names of choices that were dropped because one that stayed computes the same, and the index of that one.

    Raises:
        InputError: Two have one name, or the exact multiplier is not the first.
    """

    items: tuple[Choice, ...]
    twins: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        names = tuple(choice.multiplier.name for choice in self.items)
        if self.library.names != names:
            raise InputError(f"choices: expected '{self.library.names[0]}' (exact) first, got '{names[0]}'")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Choice]:
        return iter(self.items)

    @cached_property
    def library(self) -> MultiplierLibrary:
        """The choices as multipliers, in order."""
        return MultiplierLibrary([choice.multiplier for choice in self.items])

    @cached_property
    def circuits(self) -> NDArray[np.int64]:
        """Which circuit each choice is of `(M,)`, numbered in the order of their first choice."""
        number: dict[str, int] = {}
        return np.array([number.setdefault(choice.circuit, len(number)) for choice in self.items], dtype=np.int64)

    @property
    def varied(self) -> bool:
        """Whether a circuit has more than one choice."""
        return len(set(self.circuits.tolist())) < len(self)


def expand(
    library: MultiplierLibrary, *, order: bool = False, tuning: Sequence[Tuning] = (), weight_tuning: bool = False
) -> Choices:
    """Return the variants of every circuit of a library, circuit by circuit.

    Args:
        library: The circuits.
        order: Also with operands swapped, `NAME.swap`, where that changes a product and the operands are of one kind; not
            where the library has several uses of the circuit (`Multiplier.circuit`): they are its variants.
        tuning: Also with weights tuned for each layer, `NAME.uniform` and `NAME.histogram`, in both orders; not where the
            circuit is exact.
        weight_tuning: The choices that are not tuned for the layer are tuned once for all (`dse.multipliers.tuned`).

    Raises:
        InputError: A variant has the name of another multiplier.
    """
    uses = Counter(map(_circuit, library))
    variants = (_variants(m, order and uses[_circuit(m)] == 1, tuning, weight_tuning) for m in library)
    return Choices(tuple(chain.from_iterable(variants)))


def _variants(circuit: Multiplier, order: bool, tuning: Sequence[Tuning], weight_tuning: bool) -> Iterator[Choice]:
    one_kind = (circuit.x_bits, circuit.x_signed) == (circuit.w_bits, circuit.w_signed)
    orders = [(circuit, False)]
    if order and one_kind and not is_symmetric(circuit):
        orders.append((swapped(circuit), True))
    name = _circuit(circuit)
    for wired, is_swapped in orders:
        plain = Choice(wired, name, is_swapped)
        yield replace(plain, multiplier=tuned(wired), untuned=wired) if weight_tuning else plain
        for kind in () if circuit.is_exact else tuning:
            origin = "; ".join(filter(None, (wired.origin, f"weights tuned for the layer ({kind})")))
            named = replace(wired, name=f"{wired.name}.{kind}", origin=origin)
            yield Choice(named, name, is_swapped, kind)


def _circuit(multiplier: Multiplier) -> str:
    return multiplier.circuit or multiplier.name
