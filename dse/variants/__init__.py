"""What a layer may be given: circuits in either operand order, with clipped operands and tuned weights or without."""

from dse.variants._choices import Choice, Choices, Tuning, expand
from dse.variants._described import described
from dse.variants._layer_tables import LayerTables, StoredCodes, plain_tables
from dse.variants._tables import choice_tables

__all__ = [
    "Choice",
    "Choices",
    "LayerTables",
    "StoredCodes",
    "Tuning",
    "choice_tables",
    "described",
    "expand",
    "plain_tables",
]
