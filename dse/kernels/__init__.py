"""Products of integer codes through a multiplier's table: one function, `lut_matmul`, whatever engine runs.

`LutProduct` is the same with the weights prepared once, for a layer that is evaluated again and again.
"""

from dse.kernels._exact import exact_matmul
from dse.kernels._lut import LutProduct, lut_matmul
from dse.kernels._reference import naive_lut_matmul

__all__ = ["LutProduct", "exact_matmul", "lut_matmul", "naive_lut_matmul"]
