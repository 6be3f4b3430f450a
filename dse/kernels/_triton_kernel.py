"""The Triton program behind `dse.kernels._triton`, which imports it only where Triton is installed."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def lut_sums(
    x: tl.tensor,
    w: tl.tensor,
    lut: tl.tensor,
    out: tl.tensor,
    rows: tl.tensor,
    groups: tl.tensor,
    depth: tl.tensor,
    columns: tl.tensor,
    x_levels: tl.tensor,
    constant: tl.tensor,
    block_rows: tl.constexpr,
    block_columns: tl.constexpr,
) -> None:
    """Write one block of `out[m, g, n] = constant + sum_k lut[x[g, k, m], w[g, k, n]]`.

    Programs are counted columns first, then rows, then groups, in one dimension: the others end at 65,535.

    Args:
        x: Codes `(G, K, M)`, any integer type; m runs fastest, so that a block's codes lie side by side.
        w: Codes `(G, K, N)`, any integer type.
        lut: Entries by weight `(2^Bw, 2^Bx)`, int16 or int32, those of the table less a constant.
        out: Sums `(M, G, N)`, int32 or int64, which is also the type they are formed in.
        rows, groups, depth, columns, x_levels: M, G, K, N and 2^Bx.
        constant: Added to every sum: K times what was taken off the entries.
        block_rows, block_columns: Outputs of one program, powers of two.
    """
    program = tl.program_id(0).to(tl.int64)
    wide = tl.cdiv(columns, block_columns)
    high = tl.cdiv(rows, block_rows)
    group = program // (wide * high)
    m = (program // wide % high) * block_rows + tl.arange(0, block_rows)
    n = (program % wide) * block_columns + tl.arange(0, block_columns)
    in_rows, in_columns = m < rows, n < columns
    x += group * depth * rows + m
    w += group * depth * columns + n
    inside = in_columns[:, None] & in_rows[None, :]
    sums = tl.zeros((block_columns, block_rows), dtype=out.dtype.element_ty)
    for _ in tl.range(0, depth, loop_unroll_factor=4):
        # Masked codes are 0, and so a valid place in the table.
        code = tl.load(x, mask=in_rows, other=0).to(tl.int32)
        strip = tl.load(w, mask=in_columns, other=0).to(tl.int32) * x_levels
        sums += tl.load(lut + strip[:, None] + code[None, :]).to(sums.dtype)  # threads of a warp differ in rows
        x += rows
        w += columns
    place = (m[None, :] * groups + group) * columns + n[:, None]
    tl.store(out + place, sums + constant, mask=inside)
