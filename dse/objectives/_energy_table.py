"""What the parts of an accelerator spend: the figures behind the energy levels, replaceable by the user's own."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dse.exceptions import InputError, under, unknown_name
from dse.toml_files import read_toml

_LEAST, _MOST = 1e-6, 1e6  # far beyond any technology, and near enough for sums and ratios to stay numbers


@dataclass(frozen=True)
class EnergyTable:
    """Energies of an output-stationary array of processing elements (PEs) and its on-chip memory, in one technology.

    Args:
        source: Where the figures come from, one line.
        multiplier_pj: One product of the exact 8 x 8 multiplier that relative energies refer to, pJ, at least 1e-6.
        adder_pj_per_bit: One addition, pJ per bit of the sum.
        register_pj_per_bit: One clock cycle of a register, pJ per bit.
        wire_pj_per_bit_mm: One value over one mm of wire, pJ per bit.
        pitch_mm: Distance of neighbouring PEs, mm.
        sram_pj_per_bit: One access to the on-chip memory, pJ per bit.
        rows: PEs in a column: output positions computed together, which share a weight.
        columns: PEs in a row: output channels computed together, which share an activation.

    Raises:
        InputError: If a figure is no number from 0 to 1e6, the multiplier's is below 1e-6, a side of the array is no integer
            from 1 to 1,000,000, or the source is no single line.
    """

    source: str
    multiplier_pj: float
    adder_pj_per_bit: float
    register_pj_per_bit: float
    wire_pj_per_bit_mm: float
    pitch_mm: float
    sram_pj_per_bit: float
    rows: int
    columns: int

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the figures (not the source)."""
        figures = [(key, float(value)) for key, value in asdict(self).items() if key != "source"]
        return hashlib.sha256(repr(figures).encode()).hexdigest()


def _check(key: str, value: object) -> None:
    if key == "source":
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise InputError(f"{key}: expected one line of text that says where the figures come from, got {value!r}")
    elif key in ("rows", "columns"):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
            raise InputError(f"{key}: expected an integer from 1 to {_MOST:,.0f}, got {value!r}")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise InputError(f"{key}: expected a number from 0 to {_MOST:,.0f}, got {value!r}")
    elif key == "multiplier_pj" and value < _LEAST:
        raise InputError(f"{key}: expected at least {_LEAST:g}, got {value!r}; energies are relative to it")


DEFAULT_ENERGY_TABLE = EnergyTable(
    source="built-in estimates for 45 nm: Horowitz ISSCC 2014, Aladdin ISCA 2014, Keckler et al. IEEE Micro 2011",
    # Horowitz, "Computing's energy problem", ISSCC 2014, 45 nm, 0.9 V: 8-bit integer multiplication, 0.2 pJ
    multiplier_pj=0.2,
    # the same: 32-bit integer addition, 0.1 pJ (its 8-bit addition, 0.03 pJ, gives 0.0038 per bit)
    adder_pj_per_bit=0.1 / 32,
    # Shao et al., "Aladdin", ISCA 2014, power model in its code: a flip-flop of a commercial 40 nm process spends 9.0 fJ per
    # cycle, at any clock from 1 to 6 ns; taken over to 45 nm unscaled, an estimate
    register_pj_per_bit=0.009,
    # Keckler et al., "GPUs and the future of parallel computing", IEEE Micro 31(5), 2011, table 1: 240 fJ per transition,
    # bit and mm at 40 nm, 0.9 V, of which random data cause one every second time; unscaled, an estimate
    wire_pj_per_bit_mm=0.12,
    # estimate: multiplier (EvoApprox's exact one: 710 um2), adder and registers take 1,200 um2; at a density of 70 % this is
    # a square 0.04 mm wide
    pitch_mm=0.05,
    # Horowitz as above: 64 bits from 32 KiB, 20 pJ (10 pJ from 8 KiB, 100 pJ from 1 MiB)
    sram_pj_per_bit=20 / 64,
    # assumption: 256 PEs, of the size of Eyeriss (168 PEs; Chen et al., ISCA 2016)
    rows=16,
    columns=16,
)


def load_energy_table(path: str | Path) -> EnergyTable:
    """Read a TOML file that holds every argument of `EnergyTable` as a key.

    Raises:
        InputError: One line that names file and key, for a key that is unknown, missing or not as it should be.
    """
    data = read_toml(Path(path))
    keys = [field.name for field in fields(EnergyTable)]
    with under(f"{path}: "):
        for key in data:
            if key not in keys:
                raise unknown_name("key", key, keys)
        for key in keys:
            if key not in data:
                raise InputError(f"{key}: missing; an energy table holds all of {', '.join(keys)}")
        return EnergyTable(**data)
