"""Products of integer codes through a multiplier's table: one function, `lut_matmul`, whatever engine runs.

`LutProduct` is the same with the weights prepared once; `NativeLayer` a whole layer, from real inputs to real outputs.
"""

from dse.kernels._compiled import instruction_sets, use_instruction_set
from dse.kernels._engines import ENGINES, engine_name
from dse.kernels._engines import VARIABLE as ENGINE_VARIABLE
from dse.kernels._exact import exact_matmul
from dse.kernels._lut import LutProduct, lut_matmul
from dse.kernels._native_layers import Geometry, InputCodes, NativeLayer, Output
from dse.kernels._operands import Operands
from dse.kernels._reference import naive_lut_matmul
from dse.kernels._slope_sums import activation_slope_sums, weight_slope_sums
from dse.kernels._table import LutTable
from dse.kernels._table_gradient import WINDOW, TableGradient, smoothed, table_gradient

__all__ = [
    "ENGINES",
    "ENGINE_VARIABLE",
    "Geometry",
    "InputCodes",
    "LutProduct",
    "LutTable",
    "NativeLayer",
    "Operands",
    "Output",
    "TableGradient",
    "WINDOW",
    "activation_slope_sums",
    "engine_name",
    "exact_matmul",
    "instruction_sets",
    "lut_matmul",
    "naive_lut_matmul",
    "smoothed",
    "table_gradient",
    "use_instruction_set",
    "weight_slope_sums",
]
