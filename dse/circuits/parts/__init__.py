"""What multiplier circuits are put together from: partial products, adders, trees, detectors, shifters, sign handling."""

from dse.circuits.parts._adders import add, add_columns, add_rows, subtract
from dse.circuits.parts._checks import check_bits, check_choice, check_integer
from dse.circuits.parts._compressors import COMPRESSORS, Compressor
from dse.circuits.parts._leading_one import any_of, encode, leading_one, leading_segment
from dse.circuits.parts._logarithm import logarithm
from dse.circuits.parts._partial_products import Columns, PartialProducts, partial_products
from dse.circuits.parts._product import STRUCTURES, multiply
from dse.circuits.parts._shifter import shift_left
from dse.circuits.parts._sign_magnitude import sign_magnitude
from dse.circuits.parts._trees import compressor_tree, dadda_tree, wallace_tree

__all__ = [
    "COMPRESSORS",
    "Columns",
    "Compressor",
    "PartialProducts",
    "STRUCTURES",
    "add",
    "add_columns",
    "add_rows",
    "any_of",
    "check_bits",
    "check_choice",
    "check_integer",
    "compressor_tree",
    "dadda_tree",
    "encode",
    "leading_one",
    "leading_segment",
    "logarithm",
    "multiply",
    "partial_products",
    "shift_left",
    "sign_magnitude",
    "subtract",
    "wallace_tree",
]
