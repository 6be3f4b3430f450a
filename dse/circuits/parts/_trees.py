"""Trees that reduce columns of bits until at most two are left in each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from dse.circuits._builder import Builder
from dse.circuits.parts._compressors import Compressor
from dse.circuits.parts._partial_products import Columns

_DADDA_HEIGHTS = (28, 19, 13, 9, 6, 4, 3, 2)  # each at most one and a half of the next
_COMPRESSOR_HEIGHTS = (16, 8, 4, 2)


def dadda_tree(builder: Builder, columns: Columns) -> Columns:
    """Reduce in the fewest stages with the fewest adders (Dadda, Alta Frequenza 1965)."""
    return _reduced(builder, columns, _DADDA_HEIGHTS, None, 0)


def compressor_tree(builder: Builder, columns: Columns, compressor: Compressor, approximate_columns: int) -> Columns:
    """Reduce to half the height in each stage, with approximate 4:2 compressors in the lowest columns.

    The scheme is that of Momeni et al. (IEEE TC 2015, Fig. 9), with Dadda's rule for what a column needs; which bits meet
    in a compressor is ours, as papers leave it to figures of one width. Stages reduce to heights 16, 8, 4, 2. In each, the
    columns are taken from the lowest; a column's bits stand in order of the partial products' rows, then the constant,
    then the carries that arrive from the column below in this stage. While the column is higher than the stage allows by
    3 or more, its first four bits go through a compressor; by 2, its first three through a full adder; by 1, its first
    two through a half adder. The sum goes to the end of the column, the carry to the end of the next. Columns from
    `approximate_columns` on have full adders in place of compressors (two of them are an exact 4:2 compressor).
    """
    return _reduced(builder, columns, _COMPRESSOR_HEIGHTS, compressor, approximate_columns)


def wallace_tree(builder: Builder, columns: Columns) -> Columns:
    """Reduce as many bits as possible in each stage (Wallace, IEEE TEC 1964): threes, and pairs that are left over."""
    while max(map(len, columns)) > 2:
        stage: Columns = [[] for _ in range(len(columns) + 1)]
        for column, bits in enumerate(columns):
            for first in range(0, len(bits), 3):
                group = bits[first : first + 3]
                if len(group) == 1:
                    stage[column] += group
                    continue
                total, carry = builder.half_adder(*group) if len(group) == 2 else builder.full_adder(*group)
                stage[column].append(total)
                stage[column + 1].append(carry)
        columns = stage[: len(columns)]
    return columns


def _reduced(
    builder: Builder, columns: Columns, heights: Iterable[int], compressor: Compressor | None, below: int
) -> Columns:
    for height in heights:
        if max(map(len, columns)) > height:
            columns = _stage(builder, columns, height, compressor, below)
    return columns


def _stage(builder: Builder, columns: Columns, height: int, compressor: Compressor | None, below: int) -> Columns:
    stage: Columns = []
    carries: list[int] = []
    for column, bits in enumerate(columns):
        queue, carries = deque([*bits, *carries]), []
        while (excess := len(queue) - height) > 0:
            if excess >= 3 and compressor is not None and column < below:
                total, carry = compressor(builder, *(queue.popleft() for _ in range(4)))
            elif excess >= 2:
                total, carry = builder.full_adder(*(queue.popleft() for _ in range(3)))
            else:
                total, carry = builder.half_adder(queue.popleft(), queue.popleft())
            queue.append(total)
            carries.append(carry)
        stage.append(list(queue))
    return stage
