"""The compiled engine as ctypes sees it: where its library is, the structures of `native/job.h`, and its functions.

Knows nothing of torch: pointers are plain addresses, and every check is made by the callers.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int32, c_int64, c_void_p
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

_STEM = "_lut_native"  # setup.py builds it under this name


def _fields(text: str, kind: type) -> list[tuple[str, type]]:
    return [(name, kind) for name in text.split()]


class Job(ctypes.Structure):
    """`struct job`."""

    _fields_ = (
        *_fields("strips table lowest base slope w rows", c_void_p),
        *_fields("levels w_levels groups depth columns", c_int64),
        *_fields("x position tap", c_void_p),
        *_fields("images image_stride group_stride positions position_stride", c_int64),
        *_fields("offset scale out", c_void_p),
        *_fields("out_image out_position out_column wide block table_bytes", c_int64),
    )


class Windows(ctypes.Structure):
    """`struct windows`."""

    _fields_ = _fields(
        "rows columns in_columns kernel_rows kernel_columns row_stride column_stride row_dilation column_dilation",
        c_int64,
    )


class Planes(ctypes.Structure):
    """`struct planes`."""

    _fields_ = (
        ("x", c_void_p),
        *_fields("channels height width batch_stride channel_stride row_stride column_stride", c_int64),
        *_fields("left right top bottom", c_int64),
        ("scale", c_float),
        *_fields("zero low high", c_int32),
        ("codes", c_void_p),
    )


class Slopes(ctypes.Structure):
    """`struct slopes`."""

    _fields_ = (
        *_fields("grad position piece", c_void_p),
        *_fields("images positions image_stride group_stride pieces length", c_int64),
        *_fields("x pixel", c_void_p),
        *_fields("x_image plane", c_int64),
        *_fields("w slopes", c_void_p),
        *_fields("levels w_levels groups depth", c_int64),
        ("out", c_void_p),
    )


_SIGNATURES: dict[str, tuple[type | None, tuple[object, ...]]] = {
    "dse_struct_bytes": (c_int64, (c_int64,)),
    "dse_levels": (c_int64, ()),
    "dse_shift": (c_int64, (c_int64,)),
    "dse_level_name": (c_char_p, (c_int64,)),
    "dse_cache_bytes": (c_int64, ()),
    "dse_tiles": (c_int64, (POINTER(Job), c_int64)),
    "dse_row_bytes": (c_int64, (POINTER(Job), c_int64)),
    "dse_lay_out": (None, (POINTER(Job), c_int64, c_int64, c_int64)),
    "dse_units": (c_int64, (POINTER(Job), c_int64)),
    "dse_scratch_bytes": (c_int64, (POINTER(Job),)),
    "dse_sum": (None, (POINTER(Job), c_int64, c_int64, c_int64, c_void_p)),
    "dse_sum_directly": (None, (POINTER(Job), c_int64, c_int64)),
    "dse_spans": (c_int64, (POINTER(Job), c_void_p)),
    "dse_depthwise_bytes": (c_int64, (POINTER(Job), POINTER(Windows))),
    "dse_depthwise": (None, (POINTER(Job), POINTER(Windows), c_int64, c_int64, c_int64, c_void_p)),
    "dse_quantize": (None, (POINTER(Planes), c_int64, c_int64, c_int64)),
    "dse_slope_bytes": (c_int64, (POINTER(Slopes),)),
    "dse_activation_slopes": (None, (POINTER(Slopes), c_int64, c_int64, c_int64, c_void_p)),
    "dse_weight_units": (c_int64, (POINTER(Slopes),)),
    "dse_weight_slopes": (None, (POINTER(Slopes), c_int64, c_int64, c_int64, c_void_p)),
}


def open_library(path: Path) -> ctypes.CDLL:
    """Load the compiled engine at `path`; raises OSError if that is no such library."""
    library = ctypes.CDLL(str(path))
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise OSError(f"{path.name} lacks {name}: it was built from another version") from None
        function.restype, function.argtypes = result, arguments
    for which, structure in enumerate((Job, Windows, Planes, Slopes)):
        if library.dse_struct_bytes(which) != ctypes.sizeof(structure):
            raise OSError(f"{path.name} has another struct {structure.__name__.lower()}: it was built from another version")
    return library


@cache
def library() -> ctypes.CDLL | str:
    """Return the compiled engine, or why there is none: one line that says what to do (in a clone of the project)."""
    here = Path(__file__).parent
    built = [path for suffix in EXTENSION_SUFFIXES if (path := here / f"{_STEM}{suffix}").is_file()]
    if not built:
        return (
            "not built: no working C compiler (gcc or clang) at installation; install one, then `make clean install`"
        )
    try:
        return open_library(built[0])
    except OSError as error:
        return f"cannot be loaded ({' '.join(str(error).split())}); `make clean install` builds it anew"
