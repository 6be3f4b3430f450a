"""How often signals change before they settle: a simulation in time of random transitions, 64 in a machine word.

All operand bits change at time 0. A cell's output follows its inputs after the cell's delay at its load, but a pulse that
is shorter than half of it is swallowed: ANDs, ORs and adders are a gate and an inverter, and a pulse need outlast only one
of the two. What is left is what ripples through an array: in the exact 8 x 8 one it doubles the power, in shallow circuits
it adds next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dse.circuits._mapping import MappedCircuit

Wave = NDArray[np.uint64]  # (steps, words): a signal's values over time, of 64 transitions a word

STEP_NS = 0.005  # a cell and its load take 5 to 40 of these steps
INERTIA = 0.5  # shortest pulse that passes, of the delay

_LOGIC: dict[str, Callable[..., tuple[Wave, ...]]] = {
    "not": lambda a: (~a,),
    "and": lambda a, b: (a & b,),
    "or": lambda a, b: (a | b,),
    "xor": lambda a, b: (a ^ b,),
    "nand": lambda a, b: (~(a & b),),
    "nor": lambda a, b: (~(a | b),),
    "xnor": lambda a, b: (~(a ^ b),),
    "half_adder": lambda a, b: (a ^ b, a & b),
    "full_adder": lambda a, b, c: (a ^ b ^ c, a & b | (a ^ b) & c),
    "mux": lambda select, low, high: (~select & low | select & high,),
}


def glitches(
    circuit: MappedCircuit,
    delays_ns: NDArray[np.float64],
    x: NDArray[np.float64],
    w: NDArray[np.float64],
    *,
    transitions: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the changes of every signal beyond those from its old settled value to its new one.

    Args:
        circuit: The mapped circuit.
        delays_ns: `(signals,)` delay from the inputs of the cell that drives a signal to the signal.
        x: `(2^x_bits,)` chances of the activation codes, before and after a transition independently.
        w: `(2^w_bits,)` the same of the weight codes.
        transitions: How many to simulate, in whole words of 64.
        rng: Draws them.

    Returns:
        `(signals,)` float64, mean number for each transition, 0 for operands.
    """
    words = -(-transitions // 64)
    waves: dict[int, Wave] = {}
    for signals, chances in ((circuit.netlist.x, x), (circuit.netlist.w, w)):
        codes = rng.choice(len(chances), size=(2, 64 * words), p=chances)
        waves.update({signal: _packed(codes >> bit & 1) for bit, signal in enumerate(signals)})
    extra = np.zeros(len(delays_ns))
    for cell in circuit.cells:
        inputs = _same_length([waves[signal] for signal in cell.inputs])
        for signal, wave in zip(cell.outputs, _LOGIC[cell.function](*inputs), strict=True):
            if signal is not None:
                waves[signal] = _delayed(wave, max(1, round(delays_ns[signal] / STEP_NS)))
                extra[signal] = _changes(waves[signal]) - _changes(waves[signal][[0, -1]])
    return extra / (64 * words)


def _packed(bits: NDArray[np.int64]) -> Wave:
    """Pack `(2, 64 n)` bits before and after into a wave of two steps."""
    return np.packbits(bits.astype(np.uint8), axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _same_length(waves: list[Wave]) -> list[Wave]:
    """Let every wave keep its last value until the longest ends."""
    steps = max(len(wave) for wave in waves)
    return [np.concatenate([wave, np.repeat(wave[-1:], steps - len(wave), axis=0)]) for wave in waves]


def _delayed(wave: Wave, delay: int) -> Wave:
    """Return the wave `delay` steps later; where a value lasts for less than `INERTIA` of that, the one before stays."""
    steps = len(wave)
    changes = wave[1:] ^ wave[:-1]
    brief = np.zeros_like(wave)
    for ahead in range(min(round(INERTIA * delay), steps) - 1):
        brief[: steps - 1 - ahead] |= changes[ahead:]
    passed = np.empty((steps + delay, wave.shape[1]), dtype=np.uint64)
    passed[: delay + 1] = wave[0]
    for step in range(1, steps):
        kept = passed[step + delay - 1]
        passed[step + delay] = kept ^ ((kept ^ wave[step]) & ~brief[step])
    return passed


def _changes(wave: Wave) -> int:
    return int(np.bitwise_count(wave[1:] ^ wave[:-1]).sum())
