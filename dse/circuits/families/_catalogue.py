"""Every family at a spread of its parameters, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from dse.circuits._netlist import Netlist
from dse.circuits.families._booth import ENCODERS, booth
from dse.circuits.families._compressed import compressed
from dse.circuits.families._drum import drum
from dse.circuits.families._etm import error_tolerant
from dse.circuits.families._exact import exact
from dse.circuits.families._loba import loba
from dse.circuits.families._lower_or import lower_or
from dse.circuits.families._mbm import minimally_biased
from dse.circuits.families._mitchell import mitchell, mitchell_truncated, set_one_logarithmic
from dse.circuits.families._recursive import BLOCKS, recursive
from dse.circuits.families._roba import roba
from dse.circuits.families._truncated import broken_array, column_truncated, reduced
from dse.circuits.parts import COMPRESSORS, check_bits

_BARROIS = "Barrois et al., DATE 2017"
_SCHULTE = "Schulte and Swartzlander, VLSI Signal Processing VI, 1993"
_DADDA = "Dadda, Alta Frequenza 1965"
_MAHDIANI = "Mahdiani et al., IEEE TCAS-I 57(4), 2010"
_COMPRESSOR_SOURCES = {
    "momeni2": "Momeni et al., IEEE TC 64(4), 2015, design 2",
    "yang1": "Yang et al., DFTS 2015, ACCI1",
    "lin": "Lin and Lin, ICCD 2013",
    "ha": "Ha and Lee, IEEE Embedded Systems Letters 10(1), 2018",
    "akbari1": "Akbari et al., IEEE TVLSI 25(4), 2017, DQ4:2C1",
    "akbari3": "Akbari et al., IEEE TVLSI 25(4), 2017, DQ4:2C3",
    "akbari4": "Akbari et al., IEEE TVLSI 25(4), 2017, DQ4:2C4",
    "venkatachalam": "Venkatachalam and Ko, IEEE TVLSI 25(5), 2017",
    "strollo": "Strollo et al., IEEE TCAS-I 67(9), 2020",
    "sabetzadeh": "Sabetzadeh et al., IEEE TCAS-I 66(11), 2019",
}
_BLOCK_SOURCES = {
    "kulkarni": "Kulkarni et al., VLSI Design 2011",
    "rehman1": "Rehman et al., ICCAD 2016, version 1 in lpACLib",
    "rehman3": "Rehman et al., ICCAD 2016, version 3 in lpACLib",
}


@dataclass(frozen=True)
class Design:
    """One multiplier of a family, built when it is asked for.

    Args:
        name: Stem, sign and width: `exact8u`; a stem with a parameter gets its width only where it is not 8 (`drum4u`,
            `drum4u_6bit`).
        family: Name of the function in `dse.circuits.families` that builds it.
        parameters: Keyword arguments of that function besides the format.
        source: The paper that defines it.
        bits: Width of both operands.
        signed: Operands are two's complement.
    """

    name: str
    family: str
    parameters: Mapping[str, object] = field(hash=False)
    source: str
    bits: int
    signed: bool
    _make: Callable[..., Netlist] = field(repr=False, compare=False)

    def build(self) -> Netlist:
        """Return the netlist, made anew at every call."""
        return self._make(**self.parameters, bits=self.bits, signed=self.signed)


@dataclass(frozen=True)
class _Entry:
    """A design in any format: the stem of its name, what makes it, with what, and whose it is."""

    stem: str
    make: Callable[..., Netlist]
    source: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    only_signed: bool | None = None  # the only signedness it is offered for; both for None


def designs(bits: int = 8, signed: bool = False) -> Iterator[Design]:
    """Yield the designs of one format, the exact array first, family by family; nothing is built yet.

    Args:
        bits: Width of both operands, 2 to 12.
        signed: Operands are two's complement.

    Yields:
        Designs with different names. Some compute the same table by different circuits: the exact ones, those whose
        products are added by an array or by a tree, and at small widths neighbours in a parameter.

    Raises:
        InputError: The width is out of range.
    """
    check_bits("designs", bits)
    for entries in (_arrays, _trees, _segments, _logarithms, _booths):
        for entry in entries(bits):
            if entry.only_signed in (None, signed):
                name, family, parameters = _name(entry.stem, bits, signed), entry.make.__name__, dict(entry.parameters)
                yield Design(name, family, parameters, entry.source, bits, signed, entry.make)


def _name(stem: str, bits: int, signed: bool) -> str:
    sign = "s" if signed else "u"
    return f"{stem}{bits}{sign}" if stem.isalpha() else f"{stem}{sign}{'' if bits == 8 else f'_{bits}bit'}"


def _arrays(bits: int) -> Iterator[_Entry]:
    """Yield what is an array, whole or in part."""
    yield _Entry("exact", exact, "array, Baugh and Wooley, IEEE TC 1973, where signed")
    yield from _without_products(bits)
    for columns in range(2, 2 * bits - 1):
        yield _Entry(f"loa{columns}", lower_or, _MAHDIANI, {"columns": columns})


def _without_products(bits: int) -> Iterator[_Entry]:
    """Yield arrays that lack partial products."""
    for kept in range(bits - 1, 1, -1):
        yield _Entry(f"reduced{kept}", reduced, _BARROIS, {"kept_bits": kept})
        parameters = {"kept_bits": kept, "correction": "constant"}
        # The mean error of signed operands is a quarter of the lowest column left, so that their constant is 0.
        yield _Entry(f"reduced_c{kept}", reduced, f"{_BARROIS}; constant: {_SCHULTE}", parameters, False)
    for columns in range(1, 2 * bits - 3):
        yield _Entry(f"trunc{columns}", column_truncated, "truncated array", {"columns": columns})
    for correction, source in (
        ("constant", _SCHULTE),
        ("variable", "King and Swartzlander, Asilomar 1997"),
    ):
        for columns in range(3, 2 * bits - 3):
            parameters = {"columns": columns, "correction": correction}
            yield _Entry(f"trunc_{correction[0]}{columns}", column_truncated, source, parameters)
    for horizontal in range(1, bits // 2 + 1):
        for vertical in range(horizontal + 1, min(horizontal + bits - 1, 2 * bits - 1)):
            parameters = {"horizontal": horizontal, "vertical": vertical}
            yield _Entry(f"bam_h{horizontal}_v{vertical}", broken_array, _MAHDIANI, parameters)


def _trees(bits: int) -> Iterator[_Entry]:
    """Yield what adds by trees: exact ones, approximate blocks, approximate compressors."""
    yield _Entry("wallace", exact, "Wallace, IEEE TEC 1964", {"structure": "wallace"})
    yield _Entry("dadda", exact, _DADDA, {"structure": "dadda"})
    for entry in _without_products(bits):
        if entry.parameters.get("correction") != "variable":  # which is a tree anyway
            parameters = {**entry.parameters, "structure": "dadda"}
            yield replace(entry, stem=f"dadda_{entry.stem}", source=f"{entry.source}; {_DADDA}", parameters=parameters)
    for block in BLOCKS:
        for columns in range(1, 2 * bits - 2 + bits % 2, 2):
            yield _Entry(f"{block}_c{columns}", recursive, _BLOCK_SOURCES[block], {"block": block, "columns": columns})
    for compressor in COMPRESSORS:
        for columns in sorted({*range(bits // 2 + 1, bits + 3), 2 * bits - 3}):
            parameters = {"compressor": compressor, "columns": columns}
            yield _Entry(f"{compressor}_c{columns}", compressed, _COMPRESSOR_SOURCES[compressor], parameters)


def _segments(bits: int) -> Iterator[_Entry]:
    """Yield what multiplies parts of the operands."""
    for low in range(1, bits):
        yield _Entry(f"etm{low}", error_tolerant, "Kyaw et al., EDSSC 2010", {"low_bits": low})
    for kept in range(3, bits):
        yield _Entry(f"drum{kept}", drum, "Hashemi et al., ICCAD 2015", {"kept_bits": kept})
    for products in range(4):
        for kept in range(2, bits - 1 if products < 3 else (bits + 1) // 2):  # two halves are the whole
            parameters = {"products": products, "kept_bits": kept}
            yield _Entry(
                f"loba{products}_k{kept}", loba, "Garg et al., Journal of Electronic Testing 36, 2020", parameters
            )
    yield _Entry("roba", roba, "Zendegani et al., IEEE TVLSI 25(2), 2017")


def _logarithms(bits: int) -> Iterator[_Entry]:
    yield _Entry("mitchell", mitchell, "Mitchell, IRE TEC 1962")
    for kept in range(1, bits - 1):
        for letters, flags in (("t", {}), ("w", {"unbiased": True}), ("wi", {"unbiased": True, "inverting": True})):
            stem, parameters = f"mitchell_{letters}{kept}", {"fraction_bits": kept, **flags}
            only_signed = True if "inverting" in flags else None
            yield _Entry(stem, mitchell_truncated, "Kim et al., IEEE TC 68(5), 2019", parameters, only_signed)
    for ones in range(1, bits):
        yield _Entry(f"alm_soa{ones}", set_one_logarithmic, "Liu et al., IEEE TCAS-I 65(9), 2018", {"ones": ones})
    yield _Entry("mbm", minimally_biased, "Saadat et al., IEEE TCAD 37(11), 2018")


def _booths(bits: int) -> Iterator[_Entry]:
    yield _Entry("booth", booth, "MacSorley, Proceedings of the IRE 1961")
    for columns in range(1, bits + 1):
        source = "MacSorley, Proceedings of the IRE 1961, truncated"
        yield _Entry(f"booth_t{columns}", booth, source, {"truncated_columns": columns})
    for encoder in ENCODERS:
        for columns in range(2, 2 * bits - 1, 2):
            parameters = {"encoder": encoder, "approximate_columns": columns}
            yield _Entry(f"booth_{encoder}_p{columns}", booth, "Liu et al., IEEE TC 66(8), 2017", parameters)
