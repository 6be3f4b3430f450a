"""Build what is compiled: the engine of `dse.kernels` and the inner loop of `dse.circuits.evolve`. The rest is in setup.cfg.

Without a working C compiler the installation goes on and `dse doctor` says what is missing: torch and numpy take over.
"""

from pathlib import Path

from setuptools import Extension, setup

# instruction sets are chosen at run time; nothing may be fused with an addition, which would round once less
FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]


def shared_library(name: str, folder: Path) -> Extension:
    """Return a library of a folder's C files, without any Python in it: it is loaded with ctypes."""
    sources, headers = ([str(path) for path in sorted(folder.glob(kind))] for kind in ("*.c", "*.h"))
    return Extension(name, sources, depends=headers, extra_compile_args=FLAGS, optional=True)


setup(
    ext_modules=[
        shared_library("dse.kernels._lut_native", Path("dse/kernels/native")),
        shared_library("dse.circuits._netlist_native", Path("dse/circuits/native")),
    ]
)
