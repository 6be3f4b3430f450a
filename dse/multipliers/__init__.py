"""Multipliers as tables of products, and the libraries a search chooses from."""

from dse.multipliers._builtin import PACKAGED, builtin, catalogue, generate
from dse.multipliers._catalogue import Entry, catalogue_entries, measured_entries, with_fronts, write_catalogue
from dse.multipliers._circuit import ESTIMATED, from_netlist
from dse.multipliers._clip import clipped, spread_codes
from dse.multipliers._evolved import evolved, evolved_source, figure_comments
from dse.multipliers._import import ImportReport, import_library
from dse.multipliers._library import MultiplierLibrary, MultiplierSource
from dse.multipliers._library_file import write_library
from dse.multipliers._metrics import ErrorMetrics, error_metrics
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import operand_values
from dse.multipliers._rank import MOST_RANK, error_rank
from dse.multipliers._reader import load_library
from dse.multipliers._self_check import check, twins
from dse.multipliers._swap import is_symmetric, swapped
from dse.multipliers._tuning import fit_weights, tune_weights, tuned
from dse.multipliers._widths import widths
from dse.multipliers.readers._callable import from_callable

__all__ = [
    "Entry",
    "ErrorMetrics",
    "ImportReport",
    "Multiplier",
    "MultiplierLibrary",
    "MultiplierSource",
    "ESTIMATED",
    "MOST_RANK",
    "PACKAGED",
    "builtin",
    "catalogue",
    "catalogue_entries",
    "check",
    "clipped",
    "error_metrics",
    "error_rank",
    "evolved",
    "evolved_source",
    "figure_comments",
    "fit_weights",
    "from_callable",
    "from_netlist",
    "generate",
    "import_library",
    "is_symmetric",
    "load_library",
    "measured_entries",
    "operand_values",
    "spread_codes",
    "swapped",
    "tune_weights",
    "tuned",
    "twins",
    "widths",
    "with_fronts",
    "write_catalogue",
    "write_library",
]
