"""The choices of a search: every circuit of a library in the variants that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dse.circuits.parts import check_integer
from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, clipped, is_symmetric, swapped, tuned

Tuning = Literal["uniform", "histogram"]


@dataclass(frozen=True)
class Choice:
    """A circuit as a layer may be given it.

    Args:
        multiplier: Under the choice's name and with the circuit's figures. Its table is the circuit's in this operand order
            and with these ranges; what tuning makes of it depends on the layer.
        circuit: The circuit's name in the library. Variants are the same hardware.
        swapped: The circuit's first operand is the weight instead of the activation.
        x_clip, w_clip: Shares of the ranges of activations and weights that their codes cover, per cent; see
            `dse.multipliers.clipped`.
        tuning: How each layer tunes its weights; None: not for the layer.
        untuned: What the multiplier was before it was tuned once for all layers; None: it was not.
    """

    multiplier: Multiplier
    circuit: str
    swapped: bool = False
    x_clip: int = 100
    w_clip: int = 100
    tuning: Tuning | None = None
    untuned: Multiplier | None = None

    def use(self, circuit: Multiplier) -> Multiplier:
        """Return what a circuit computes in this order and with these ranges, without any tuning."""
        return clipped(swapped(circuit) if self.swapped else circuit, self.x_clip, self.w_clip)


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
    def n_circuits(self) -> int:
        """Number of circuits."""
        return int(self.circuits.max()) + 1

    @property
    def varied(self) -> bool:
        """Whether a circuit has more than one choice."""
        return self.n_circuits < len(self)


def expand(
    library: MultiplierLibrary,
    *,
    order: bool = False,
    x_clip: Sequence[int] = (),
    w_clip: Sequence[int] = (),
    tuning: Sequence[Tuning] = (),
    weight_tuning: bool = False,
) -> Choices:
    """Return the variants of every circuit of a library, circuit by circuit.

    Args:
        library: The circuits.
        order: Also with operands swapped, `NAME.swap`, where that changes a product and the operands are of one kind.
        x_clip, w_clip: Also with activations and weights that cover such shares of their ranges, per cent, `NAME.x50`,
            `NAME.w75`, `NAME.x50w75`; not where the circuit is exact, which errs by what it clips alone.
        tuning: Also with weights tuned for each layer, `NAME.uniform` and `NAME.histogram`, in both orders; not where the
            circuit is exact. `uniform` counts all activations alike and would answer clipped ones by larger weights: not
            with clipped operands.
        weight_tuning: The choices that are not tuned for the layer are tuned once for all (`dse.multipliers.tuned`), again
            not with clipped operands.

    Raises:
        InputError: A variant has the name of another multiplier, or a share is none.
    """
    for key, shares in (("x_clip", x_clip), ("w_clip", w_clip)):
        for share in shares:
            check_integer("variants", key, share, 1, 99)
    orders, clips = (False, True) if order else (False,), tuple(product((100, *x_clip), (100, *w_clip)))
    wired = chain.from_iterable(_wired(m, orders, clips[:1] if m.is_exact else clips) for m in library)
    return Choices(tuple(chain.from_iterable(_tuned(choice, tuning, weight_tuning) for choice in wired)))


def _wired(circuit: Multiplier, orders: Sequence[bool], clips: Sequence[tuple[int, int]]) -> Iterator[Choice]:
    """Yield the uses of a circuit in these orders and with these ranges."""
    one_kind = (circuit.x_bits, circuit.x_signed) == (circuit.w_bits, circuit.w_signed)
    turns = one_kind and not is_symmetric(circuit)
    for is_swapped, (x_clip, w_clip) in product(orders, clips):
        if turns or not is_swapped:
            choice = Choice(circuit, circuit.name, is_swapped, x_clip, w_clip)
            yield replace(choice, multiplier=choice.use(circuit))


def _tuned(plain: Choice, tuning: Sequence[Tuning], weight_tuning: bool) -> Iterator[Choice]:
    """Yield a choice as it is, or tuned once for all layers, and tuned for each."""
    wired, is_clipped = plain.multiplier, (plain.x_clip, plain.w_clip) != (100, 100)
    yield replace(plain, multiplier=tuned(wired), untuned=wired) if weight_tuning and not is_clipped else plain
    for kind in () if wired.is_exact else tuning:
        if kind == "histogram" or not is_clipped:
            origin = "; ".join(filter(None, (wired.origin, f"weights tuned for the layer ({kind})")))
            yield replace(plain, multiplier=replace(wired, name=f"{wired.name}.{kind}", origin=origin), tuning=kind)
