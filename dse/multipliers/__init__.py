"""Multipliers as tables of products, and the libraries a search chooses from."""

from dse.multipliers._builtin import builtin
from dse.multipliers._drum import drum
from dse.multipliers._families import broken_array, column_truncated, exact, reduced
from dse.multipliers._import import ImportReport, import_library
from dse.multipliers._library import MultiplierLibrary, MultiplierSource
from dse.multipliers._metrics import ErrorMetrics, error_metrics
from dse.multipliers._mitchell import mitchell, mitchell_truncated
from dse.multipliers._multiplier import Multiplier
from dse.multipliers._operands import operand_values
from dse.multipliers._reader import load_library
from dse.multipliers._self_check import check
from dse.multipliers._tuning import tune_weights, tuned
from dse.multipliers.readers._callable import from_callable

__all__ = [
    "ErrorMetrics",
    "ImportReport",
    "Multiplier",
    "MultiplierLibrary",
    "MultiplierSource",
    "broken_array",
    "builtin",
    "check",
    "column_truncated",
    "drum",
    "error_metrics",
    "exact",
    "from_callable",
    "import_library",
    "load_library",
    "mitchell",
    "mitchell_truncated",
    "operand_values",
    "reduced",
    "tune_weights",
    "tuned",
]
