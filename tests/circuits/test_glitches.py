"""The simulation in time against one transition at a time, and against hazards worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.circuits import Builder, MappedCircuit, Netlist, mapped
from dse.circuits._glitches import INERTIA, STEP_NS, glitches
from tests.circuits.arrays import I, carry_save_array
from tests.circuits.test_evaluate import netlists
from tests.circuits.test_mapping import LOGIC


def naive(circuit: MappedCircuit, steps: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Follow each of the transitions `(2, n)` of codes alone; return changes beyond the settled ones, summed."""
    net, long = circuit.netlist, 1 + int(steps.sum())
    extra = np.zeros(len(steps))
    for pair in range(x.shape[1]):
        waves = {}
        for signals, codes in ((net.x, x[:, pair]), (net.w, w[:, pair])):
            for bit, signal in enumerate(signals):
                waves[signal] = [int(codes[0]) >> bit & 1] + [int(codes[1]) >> bit & 1] * long
        for cell in circuit.cells:
            ideal = [LOGIC[cell.function](*(waves[signal][time] for signal in cell.inputs)) for time in range(long + 1)]
            for place, signal in enumerate(cell.outputs):
                if signal is not None:
                    waves[signal] = follow([values[place] for values in ideal], int(steps[signal]))
                    changes = sum(a != b for a, b in zip(waves[signal], waves[signal][1:], strict=False))
                    extra[signal] += changes - (waves[signal][0] != waves[signal][-1])
    return extra


def follow(ideal: list[int], delay: int) -> list[int]:
    """Delay a signal, leaving out values that last too short."""
    out = [ideal[0]] * len(ideal)
    for time in range(delay, len(ideal)):
        start = time - delay
        lasting = ideal[start : start + max(1, round(INERTIA * delay))]
        out[time] = ideal[start] if len(set(lasting)) == 1 else out[time - 1]
    return out


@settings(deadline=None, max_examples=40)
@given(netlists(), st.integers(0, 2**32 - 1))
def test_glitches_agree_with_one_transition_at_a_time(netlist: Netlist, seed: int) -> None:
    circuit = mapped(netlist)
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 6, circuit.netlist.first_gate + len(circuit.netlist))
    chances = [np.full(1 << bits, 0.5**bits) for bits in (netlist.x_bits, netlist.w_bits)]
    drawn = np.random.default_rng(seed)
    x, w = (drawn.choice(len(p), size=(2, 64), p=p) for p in chances)
    got = glitches(circuit, steps * STEP_NS, *chances, transitions=64, rng=np.random.default_rng(seed))
    np.testing.assert_allclose(64 * got, naive(circuit, steps, x, w))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8])
def test_a_hazard_passes_when_it_outlasts_half_of_the_delay(lag: int) -> None:
    # x xor (x or w) with w = 0 settles at 0, but is 1 for the delay of the OR after each change of x: up and down again.
    b = Builder(1, 1)
    circuit = mapped(b.netlist([b.xor(b.x[0], b.or_(b.x[0], b.w[0]))]))
    inner, outer = (cell.outputs[0] for cell in circuit.cells)
    delays = np.zeros(circuit.netlist.first_gate + 2)
    delays[[inner, outer]] = lag * STEP_NS, 6 * STEP_NS
    x, zero = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    got = glitches(circuit, delays, x, zero, transitions=1 << 14, rng=np.random.default_rng(0))
    assert got[inner] == 0
    assert got[outer] == pytest.approx(1.0 if lag >= 3 else 0.0, abs=0.03)  # x changes in half of the transitions


def test_gates_on_operands_alone_never_glitch() -> None:
    circuit = mapped(carry_save_array((I == 0) & (I >= 0)))
    delays = np.full(circuit.netlist.first_gate + len(circuit.netlist), 0.05)
    uniform = np.full(256, 1 / 256)
    got = glitches(circuit, delays, uniform, uniform, transitions=512, rng=np.random.default_rng(0))
    assert len(circuit.cells) == 8 and not got.any()
