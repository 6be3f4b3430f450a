"""The one function for products of codes through a table, and the same with the weights prepared once."""

from __future__ import annotations

from torch import Tensor

from dse.exceptions import InputError
from dse.kernels._engines import choose
from dse.kernels._table import LutTable, check_codes


def lut_matmul(
    x_codes: Tensor, w_codes: Tensor, lut: Tensor | LutTable, *, engine: str | None = None, max_rank: int | None = None
) -> Tensor:
    """Sum table entries over the reduction: `out[m, n] = sum_k lut[x_codes[m, k], w_codes[k, n]]`, bit-exact.

    Args:
        x_codes: Activation codes `(M, K)`, uint8 (a signed operand's code is its two's complement byte) or int16 for
            operands of more than 8 bits.
        w_codes: Weight codes `(K, N)`, same dtypes. Codes of narrower operands lie below `2^B`.
        lut: Table `(2^Bx, 2^Bw)` int32, first axis the activation's code.
        engine: A key of `ENGINES`; None: what the environment variable DSE_ENGINE names, else the fastest that is exact.
        max_rank: Only for `engine="low-rank"`, which is then no longer exact where the table has a higher rank.

    Returns:
        `(M, N)` int32, or int64 where a sum could overflow int32.

    Raises:
        InputError: For wrong ranks, dtypes, inner sizes, codes outside the table, or an engine that cannot be used.
    """
    for name, codes in (("x_codes", x_codes), ("w_codes", w_codes)):
        if not isinstance(codes, Tensor):
            raise InputError(f"lut_matmul: expected {name} to be a tensor, got {type(codes).__name__}")
    if x_codes.ndim != 2 or w_codes.ndim != 2 or x_codes.shape[1] != w_codes.shape[0]:
        raise InputError(
            f"lut_matmul: expected x_codes (M, K) and w_codes (K, N), got {tuple(x_codes.shape)} and {tuple(w_codes.shape)}"
        )
    return LutProduct(w_codes[None], lut, engine=engine, max_rank=max_rank)(x_codes[:, None])[:, 0]


class LutProduct:
    """The product with fixed weights: build once per (weights, table), call with activations.

    Args:
        w_codes: Weight codes `(G, K, N)`: one matrix for each group of a grouped convolution (`G = 1` otherwise).
        lut: Table `(2^Bx, 2^Bw)` int32.
        engine, max_rank: As for `lut_matmul`.

    Raises:
        InputError: For wrong ranks or dtypes, weight codes outside the table, or an engine that cannot be used.
    """

    def __init__(
        self, w_codes: Tensor, lut: Tensor | LutTable, *, engine: str | None = None, max_rank: int | None = None
    ) -> None:
        if not isinstance(w_codes, Tensor) or w_codes.ndim != 3:
            got = f"shape {tuple(w_codes.shape)}" if isinstance(w_codes, Tensor) else type(w_codes).__name__
            raise InputError(f"LutProduct: expected w_codes (G, K, N), got {got}")
        table = lut if isinstance(lut, LutTable) else LutTable(lut)
        check_codes("w_codes", w_codes, table.w_levels)
        if w_codes.device != table.lut.device:
            raise InputError(
                f"LutProduct: expected w_codes and lut on one device, got {w_codes.device}, {table.lut.device}"
            )
        self._levels = table.levels
        self._shape = tuple(w_codes.shape)
        self._device = w_codes.device
        self.engine, self._product = choose(engine, w_codes, table, max_rank)

    @property
    def nbytes(self) -> int:
        """Bytes held by what the engine has prepared."""
        return self._product.nbytes

    @property
    def report(self) -> object | None:
        """How far the engine's factors are from the table, for engine 'low-rank'; None for the others, which are exact."""
        return getattr(self._product, "report", None)

    def __call__(self, x_codes: Tensor) -> Tensor:
        """Return the sums: codes `(M, G, K)` -> `(M, G, N)` int32, int64 where a sum could overflow.

        Raises:
            InputError: For another shape, dtype or device, or codes outside the table.
        """
        groups, depth, _ = self._shape
        if not isinstance(x_codes, Tensor) or x_codes.ndim != 3 or tuple(x_codes.shape[1:]) != (groups, depth):
            got = f"shape {tuple(x_codes.shape)}" if isinstance(x_codes, Tensor) else type(x_codes).__name__
            raise InputError(f"LutProduct: expected x_codes (M, {groups}, {depth}), got {got}")
        check_codes("x_codes", x_codes, self._levels)
        if x_codes.device != self._device:
            raise InputError(f"x_codes: expected codes on {self._device} as the weights, got {x_codes.device}")
        return self._product(x_codes)
