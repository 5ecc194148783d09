"""What is done with every column of codes by itself, a warp for each."""

from collections.abc import Iterator
from typing import Any

from nnmf_topics._backend import namespace
from nnmf_topics._cuda.launching import launch
from nnmf_topics._typing import Array

MOST_TOPICS = 1024
"""That the lanes of a warp, with a word of bits each, can tell apart."""

_MOST_WARPS = 2**15
_SMALL = (32, 64)
"""Supports whose systems are solved in shared memory: twice as many topics leave room for a quarter
of the warps. Larger ones have theirs in memory."""
_WARPS_OF_A_BLOCK = {4: 4, 8: 2}  # by the bytes of a number: no block has too much shared memory
_MEMORY = 2**26


def descend(gram: Array, rhs: Array, start: Array, sweeps: int) -> Array:
    """Return what sweeps make of a start; gram (k, k), rhs and start (n, k)."""
    xp = namespace(rhs)
    gram, rhs, start = _as_read(gram, rhs, start, rhs.dtype)
    n, k = rhs.shape
    codes = xp.empty_like(rhs)
    if codes.size:
        each = 1
        while 32 * each < k:
            each *= 2
        blocks = -(-min(n, _MOST_WARPS) // 4)
        arguments = (gram, rhs, start, codes, n, k, sweeps)
        launch("columns", f"descend_{each}", rhs, blocks, 128, *arguments)
    return codes


def solve(gram: Array, support: Array, rhs: Array) -> Array:
    """Solve gram[P, P] u[P] = rhs[P] on every column's support; support, rhs and u (n, k)."""
    gram, rhs, support = _as_read(gram, rhs, support, "bool")
    u = namespace(rhs).empty_like(rhs)
    if u.size:
        fewest = -1
        for most, memory, bytes_, shape in _ways(rhs):
            arguments = (gram, support, rhs, u, *rhs.shape, fewest, most, memory, bytes_)
            launch("columns", "solve_columns", rhs, *shape[:2], *arguments, bytes_=shape[2])
            fewest = most
    return u


def pivot(
    gram: Array, rhs: Array, support: Array, epsilon: Any, rounds: int, patience: int
) -> tuple[Array, Array, Array]:
    """Exchange what is wrong until nothing is, as `pivoting.solve` does.

    Returns
    -------
    Codes (n, k) that are not negative, their support, and which columns (n,) are not zero: those
    that are still wrong.
    """
    xp = namespace(rhs)
    gram, rhs, support = _as_read(gram, rhs, support, "bool")
    support = xp.array(support)  # a copy: it is moved
    lengths = xp.sqrt(xp.diagonal(gram))
    codes, open_ = xp.empty_like(rhs), xp.ones(rhs.shape[0], dtype=xp.uint8)
    if codes.size:
        for most, memory, bytes_, shape in _ways(rhs):
            arguments = (gram, lengths, rhs, support, codes, open_, *rhs.shape, most)
            arguments = (*arguments, rhs.dtype.type(epsilon), rounds, patience, memory, bytes_)
            launch("columns", "pivot_columns", rhs, *shape[:2], *arguments, bytes_=shape[2])
    return codes, support, open_


def _as_read(gram: Array, rhs: Array, other: Array, dtype: Any) -> tuple[Array, Array, Array]:
    """Return gram (k, k) and arrays of columns (n, k) as the kernels read them.

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, gram and right-hand sides differ in precision, or the others are not
        of the dtype.
    """
    k = rhs.shape[1]
    if gram.shape != (k, k) or other.shape != rhs.shape:
        shapes = ", ".join(map(str, (gram.shape, rhs.shape, other.shape)))
        raise ValueError(f"a Gram matrix, right-hand sides and columns of shapes {shapes}")
    if gram.dtype != rhs.dtype or other.dtype != dtype:
        dtypes = ", ".join(str(array.dtype) for array in (gram, rhs, other))
        raise TypeError(f"a Gram matrix, right-hand sides and columns of dtypes {dtypes}")
    xp = namespace(rhs)
    return xp.ascontiguousarray(gram), xp.ascontiguousarray(rhs), xp.ascontiguousarray(other)


def _ways(rhs: Array) -> Iterator[tuple[int, Array | None, int, tuple[int, int, int]]]:
    """Yield how columns of ever larger supports are worked on, those of k topics at last.

    That is the most topics, memory for the systems of all warps or None, the bytes that each warp
    has of it, and the number of blocks, of threads, and bytes of shared memory of a block.
    """
    xp, (n, k), size = namespace(rhs), rhs.shape, rhs.dtype.itemsize
    for most in sorted({*(small for small in _SMALL if small < k), k}):
        bytes_ = -(-(most * (most + 1) // 2 * size + most * (size + 4)) // 8) * 8
        if most <= _SMALL[-1]:
            warps = _WARPS_OF_A_BLOCK[size]
            blocks = -(-min(n, _MOST_WARPS) // warps)
            yield most, None, bytes_, (blocks, 32 * warps, warps * bytes_)
        else:
            warps = max(min(n, _MEMORY // bytes_), 1)
            yield most, xp.empty(warps * bytes_, dtype=xp.uint8), bytes_, (warps, 32, 0)
