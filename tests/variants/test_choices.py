"""Variants of circuits as choices of a search."""

from __future__ import annotations

import numpy as np
import pytest

from dse.exceptions import InputError
from dse.multipliers import Multiplier, MultiplierLibrary, builtin, clipped, swapped, tuned
from dse.variants import Choices, expand
from tests.small import library


def test_without_variants_the_library_is_itself() -> None:
    choices = expand(library())
    assert choices.library.content_hash == library().content_hash
    assert choices.circuits.tolist() == [0, 1, 2, 3] and not choices.varied


def test_every_variant_of_every_circuit() -> None:
    made = library()  # exact, noisy, high, zero: only noisy tells its operands apart
    choices = expand(made, order=True, tuning=["uniform", "histogram"])
    exact = made.names[0]
    noisy = ["noisy", "noisy.uniform", "noisy.histogram", "noisy.swap", "noisy.swap.uniform", "noisy.swap.histogram"]
    rest = [f"{name}{kind}" for name in ("high", "zero") for kind in ("", ".uniform", ".histogram")]
    assert choices.library.names == (exact, *noisy, *rest)
    assert choices.circuits.tolist() == [0] + [1] * 6 + [2] * 3 + [3] * 3 and choices.varied
    for choice in choices:
        circuit = made[choice.circuit]
        table = circuit.table.T if choice.swapped else circuit.table
        assert np.array_equal(choice.multiplier.table, table)
        assert choice.multiplier.power_mw == circuit.power_mw
        assert choice.swapped == (".swap" in choice.multiplier.name)
        assert choice.tuning is None or choice.multiplier.name.endswith(choice.tuning)
    assert "weights tuned for the layer (histogram)" in choices.library["noisy.swap.histogram"].origin
    assert "operands swapped" in choices.library["noisy.swap.histogram"].origin


def test_clipped_operands_multiply_the_choices_but_for_the_uniform_tuning() -> None:
    made = library()
    choices = expand(made, order=True, x_clip=[75, 50], w_clip=[80], tuning=["uniform", "histogram"], weight_tuning=False)
    clips = ("x75", "x50", "w80", "x75w80", "x50w80")
    of_noisy = [choice for choice in choices if choice.circuit == "noisy"]
    names = {f"noisy{turned}.{clip}{kind}" for turned in ("", ".swap") for clip in clips for kind in ("", ".histogram")}
    names |= {f"noisy{turned}{kind}" for turned in ("", ".swap") for kind in ("", ".uniform", ".histogram")}
    assert {choice.multiplier.name for choice in of_noisy} == names and len(of_noisy) == len(names) == 26
    for choice in of_noisy:
        assert np.array_equal(choice.multiplier.table, choice.use(made["noisy"]).table)
    both = choices.items[choices.library.index("noisy.swap.x50w80.histogram")]
    assert (both.swapped, both.x_clip, both.w_clip, both.tuning) == (True, 50, 80, "histogram")
    assert np.array_equal(both.multiplier.table, clipped(swapped(made["noisy"]), 50, 80).table)
    assert [choice.multiplier.name for choice in choices if choice.circuit == made.names[0]] == [made.names[0]]


def test_clipped_operands_are_not_tuned_for_all_activations_alike() -> None:
    made = library()
    once = expand(made, x_clip=[50], weight_tuning=True)
    untuned = {choice.multiplier.name: choice.untuned for choice in once}
    assert untuned["noisy"] is made["noisy"] and untuned["noisy.x50"] is None
    assert np.array_equal(once.library["noisy.x50"].table, clipped(made["noisy"], 50).table)


@pytest.mark.parametrize("share", [0, 100, True, 50.0])
def test_shares_that_are_none(share: int) -> None:
    with pytest.raises(InputError, match="variants: w_clip must be an integer from 1 to 99, got"):
        expand(library(), w_clip=[share])


def test_a_circuit_that_is_tuned_once_for_all_is_tuned_in_its_own_order() -> None:
    made = library()
    expanded = expand(made, order=True, tuning=["histogram"], weight_tuning=True)
    choices, untuned = expanded.library, {c.multiplier.name: c.untuned for c in expanded}
    assert untuned["noisy"] is made["noisy"] and untuned["noisy.histogram"] is None
    swap = untuned["noisy.swap"]
    assert swap is not None and np.array_equal(swap.table, made["noisy"].table.T)
    assert all(choice.untuned is None for choice in expand(made, order=True))
    assert np.array_equal(choices["noisy"].table, tuned(made["noisy"]).table)
    assert np.array_equal(choices["noisy.swap"].table, tuned(swapped(made["noisy"])).table)
    assert np.array_equal(choices["noisy.histogram"].table, made["noisy"].table)  # layers tune the circuit as it is


def test_a_name_that_is_taken() -> None:
    clash = Multiplier("noisy.swap", np.zeros((256, 256), int), power_mw=0.0)
    with pytest.raises(InputError, match="the name 'noisy.swap' comes 2 times"):
        expand(MultiplierLibrary([*library(), clash]), order=True)


def test_operands_of_two_kinds_are_not_exchanged() -> None:
    table = np.multiply.outer(np.arange(8), np.arange(4))
    kinds = [
        Multiplier("exact", table, x_bits=3, w_bits=2, power_mw=1.0),
        Multiplier("half", table // 2, x_bits=3, w_bits=2, power_mw=0.5),
    ]
    assert expand(MultiplierLibrary(kinds), order=True).library.names == ("exact", "half")


def test_energies_are_the_circuits() -> None:
    choices = expand(builtin(), order=True, tuning=["uniform"])
    for choice, energy in zip(choices, choices.library.rel_energy, strict=True):
        assert energy == builtin().rel_energy[builtin().index(choice.circuit)]


def test_the_exact_multiplier_comes_first() -> None:
    items = expand(library()).items
    with pytest.raises(InputError, match=r"choices: expected '.*' \(exact\) first, got 'noisy'"):
        Choices((items[1], items[0]))
