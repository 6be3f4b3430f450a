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
from dse.kernels._table import LutTable

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
    "engine_name",
    "exact_matmul",
    "instruction_sets",
    "lut_matmul",
    "naive_lut_matmul",
    "use_instruction_set",
]
