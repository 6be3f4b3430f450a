"""Whether a write-ahead log lost commits by damage: SQLite would drop them without a word."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER, FRAME_HEADER = 32, 24  # bytes; https://www.sqlite.org/fileformat2.html#walformat
_MAGIC = b"\x37\x7f\x06"
_MASK = 0xFFFFFFFF
_BLOCK = 256  # frames at a time
_LOOKS, _PAUSE_S = 3, 0.05  # a log that others write to may look broken for a moment


def is_broken(wal: Path, page_size: int) -> bool:
    """Whether at least two commits stand behind a frame that does not verify, or a frame behind a broken header.

    SQLite reads the log up to the first frame whose checksum fails. A crash of the machine may leave one unfinished commit
    behind that, since every commit is synced before the next begins; if there are two, the first was acknowledged.
    """
    for look in range(_LOOKS):
        time.sleep(_PAUSE_S if look else 0)
        if not _looks_broken(wal, page_size):
            return False
    return True


def _looks_broken(wal: Path, page_size: int) -> bool:
    try:
        data = wal.read_bytes()
    except FileNotFoundError:
        return False
    size = FRAME_HEADER + page_size
    if len(data) < HEADER + size:
        return False
    order = ">" if data[3] & 1 else "<"  # of the words that checksums are formed of
    header = np.frombuffer(data, f"{order}u4", HEADER // 4 - 2)
    state = _chain((0, 0), _sums(header[None]), header.size // 2)[0]
    stored = np.frombuffer(data, ">u4", 2, HEADER - 8)
    if not data.startswith(_MAGIC) or state != tuple(stored.tolist()):
        return True
    count = (len(data) - HEADER) // size
    frames = np.frombuffer(data, np.uint8, count * size, HEADER).reshape(count, size)
    heads = frames[:, :FRAME_HEADER].copy().view(">u4")  # page, size after a commit or 0, two salts, two checksums
    current = (heads[:, 2:4] == np.frombuffer(data, ">u4", 2, 16)).all(axis=1)  # others are left from before a reset
    valid = _valid_frames(frames, state, order)
    return int(np.count_nonzero(current[valid:] & (heads[valid:, 1] != 0))) >= 2


def _valid_frames(frames: NDArray[np.uint8], state: tuple[int, int], order: str) -> int:
    """Return how many frames `(F, 24 + page)` verify, one after the other."""
    for start in range(0, len(frames), _BLOCK):
        block = frames[start : start + _BLOCK]
        words = np.concatenate([block[:, :8], block[:, FRAME_HEADER:]], axis=1).view(f"{order}u4")
        stored = block[:, 16:FRAME_HEADER].copy().view(">u4")
        states = _chain(state, _sums(words), words.shape[1] // 2)
        wrong = (np.array(states, np.uint32) != stored).any(axis=1)
        if wrong.any():
            return start + int(np.argmax(wrong))
        state = states[-1]
    return len(frames)


# Each pair of words adds to a checksum: s0 += x0 + s1, then s1 += x1 + s0, modulo 2^32. That is linear: the state after n
# pairs is M^n times the one before plus the sum over the pairs of M^(n - 1 - i) (x0, x0 + x1), with M = ((1, 1), (1, 2)).


def _chain(state: tuple[int, int], sums: NDArray[np.uint32], pairs: int) -> list[tuple[int, int]]:
    """Return the checksum after each row, from each row's own share `(F, 2)` of it."""
    (a, b), (c, d) = _powers(pairs)[pairs].tolist()
    states = []
    for x, y in sums.tolist():
        state = ((a * state[0] + b * state[1] + x) & _MASK, (c * state[0] + d * state[1] + y) & _MASK)
        states.append(state)
    return states


def _sums(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return what each row of words `(F, 2n)` adds to a checksum, `(F, 2)`."""
    first = words[:, ::2].astype(np.uint32)
    both = first + words[:, 1::2].astype(np.uint32)
    weights = _powers(first.shape[1])[-2::-1]
    rows = [(first * weights[:, r, 0] + both * weights[:, r, 1]).sum(axis=1, dtype=np.uint32) for r in (0, 1)]
    return np.stack(rows, axis=1)


@cache
def _powers(count: int) -> NDArray[np.uint32]:
    """Return powers 0 to `count` of M, `(count + 1, 2, 2)`."""
    (a, b), (c, d) = (1, 0), (0, 1)
    powers = []
    for _ in range(count + 1):
        powers.append(((a, b), (c, d)))
        (a, b), (c, d) = ((a + c) & _MASK, (b + d) & _MASK), ((a + 2 * c) & _MASK, (b + 2 * d) & _MASK)
    return np.array(powers, np.uint32)
