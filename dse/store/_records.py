"""Rows in the raw pages of an SQLite file, found without its trees: what a damaged file still holds."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dse.store._schema import MAX_ROW_BYTES, PAGE_SIZE
from dse.store._wal import FRAME_HEADER, HEADER

# https://www.sqlite.org/fileformat2.html#record_format: a row begins with the size of its header and then has one number for
# each column: 0 for `id`, which stands elsewhere, and 44 for a checksum, a blob of 16 bytes.
_START = re.compile(rb"(?=[\x05-\x3f]\x00\x2c)")
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # bytes of each kind
_MOST_LOCAL = PAGE_SIZE - 35  # bytes of a row on its own page; a longer one has fewer there and the rest on a chain of pages
_LEAST_LOCAL = (PAGE_SIZE - 12) * 32 // 255 - 23
_CHAINED = PAGE_SIZE - 4  # bytes of a row on a page of the chain, behind the next one's number


class Pages:
    """The pages of a file and of the log beside it, whatever state they are in.

    Args:
        path: The file; it is only read.
    """

    def __init__(self, path: Path) -> None:
        self._file = _mapped(path)
        self._log = _mapped(path.with_name(f"{path.name}-wal"))
        frame = FRAME_HEADER + PAGE_SIZE
        self._logged = range(HEADER + FRAME_HEADER, len(self._log), frame)  # where pages begin
        # the newest copy of each page that the log has; its number stands where its frame begins
        self._newest = {_number(self._log, start - FRAME_HEADER): start for start in self._logged}

    def rows(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield whatever looks like a row, with its `id`, current or not: the caller verifies checksums."""
        for data, starts in ((self._file, range(0, len(self._file), PAGE_SIZE)), (self._log, self._logged)):
            for start in starts:
                page = data[start : start + PAGE_SIZE]
                for match in _START.finditer(page):
                    yield from self._row(page, match.start())

    def _row(self, page: bytes, at: int) -> Iterator[tuple[int, list[Any]]]:
        """Yield the row whose header begins at `at`, for each way to follow its chain, or nothing."""
        try:
            kinds = _kinds(page[at + 1 : at + page[at]])
            size = page[at] + sum(map(_size, kinds))
            local = _local_size(size)
            beginning = page[at : at + local]
            rests = [b""] if local == size else [self._chain(page, at + local, size - local, log) for log in (True, False)]
            for rest in rests:
                yield _row_number(page, at), _values(kinds, (beginning + rest)[page[at] :])
        except (ValueError, IndexError, struct.error):  # it only looked like one
            return

    def _chain(self, page: bytes, at: int, size: int, log: bool) -> bytes:
        """Return `size` bytes from the chain of pages whose first number stands at `at`, from the log where it has them."""
        parts = []
        while size > 0:
            number = _number(page, at)
            start = self._newest.get(number) if log else None
            data, start = (self._file, (number - 1) * PAGE_SIZE) if start is None else (self._log, start)
            page, at = data[start : start + PAGE_SIZE], 0
            parts.append(page[4 : 4 + size])
            size -= _CHAINED
        return b"".join(parts)


def _mapped(path: Path) -> mmap.mmap | bytes:
    if not path.is_file() or not path.stat().st_size:
        return b""
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _number(data: mmap.mmap | bytes, at: int) -> int:
    return int(struct.unpack_from(">I", data, at)[0])


def _local_size(size: int) -> int:
    if size > MAX_ROW_BYTES:
        raise ValueError("too long for a row")
    if size <= _MOST_LOCAL:
        return size
    local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % _CHAINED
    return local if local <= _MOST_LOCAL else _LEAST_LOCAL


def _row_number(page: bytes, at: int) -> int:
    """Return the `id` that ends just before `at`: seven bits in each byte, the highest bit set in all but the last."""
    start = at - 1
    while start > max(at - 9, 0) and page[start - 1] & 0x80:
        start -= 1
    number = 0
    for byte in page[start:at]:
        number = number << 7 | byte & 0x7F
    return number


def _kinds(header: bytes) -> list[int]:
    kinds, kind = [], 0
    for byte in header:
        kind = kind << 7 | byte & 0x7F
        if not byte & 0x80:
            kinds.append(kind)
            kind = 0
    return kinds


def _size(kind: int) -> int:
    if kind in (10, 11):
        raise ValueError("a kind that no file has")
    return (kind - 12) // 2 if kind >= 12 else 8 if kind == 7 else _INTEGERS.get(kind, 0)


def _values(kinds: list[int], body: bytes) -> list[Any]:
    values: list[Any] = []
    at = 0
    for kind in kinds:
        part = body[at : at + _size(kind)]
        if len(part) < _size(kind):
            raise ValueError("the page ends before the row")
        at += len(part)
        if kind in _INTEGERS:
            values.append(int.from_bytes(part, "big", signed=True))
        elif kind in (0, 8, 9):
            values.append({0: None, 8: 0, 9: 1}[kind])
        else:
            values.append(struct.unpack(">d", part)[0] if kind == 7 else part if kind % 2 == 0 else part.decode())
    return values
