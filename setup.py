"""Build the compiled engine of `dse.kernels`; everything else about the package stands in setup.cfg.

Without a working C compiler the installation goes on and `dse doctor` says what is missing: plain torch takes over.
"""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("dse/kernels/native")

setup(
    ext_modules=[
        Extension(
            "dse.kernels._lut_native",  # loaded with ctypes: a shared library without any Python in it
            sources=[str(path) for path in sorted(NATIVE.glob("*.c"))],
            depends=[str(path) for path in sorted(NATIVE.glob("*.h"))],
            # instruction sets are chosen at run time; nothing may be fused with an addition, which would round once less
            extra_compile_args=[
                "-O3",
                "-ffp-contract=off",
                "-fno-math-errno",
                "-fno-trapping-math",
                "-fvisibility=hidden",
            ],
            optional=True,
        )
    ]
)
