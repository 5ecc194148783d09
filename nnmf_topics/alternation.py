"""A single NMF by alternating steps: codes, then the factor, each improved and not solved."""

from collections.abc import Sequence

from nnmf_topics._backend import HOST, namespace, on_gpu
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.coordinate_descent import coordinate_descent
from nnmf_topics.optimizers import column_lengths, kept_alive, unit_columns
from nnmf_topics.products import accumulate, project
from nnmf_topics.reductions import inner

_SWEEPS, _LAST_SWEEPS = 2, 8


def alternate(parts: Sequence[Matrix], A: Array, steps: int) -> tuple[Array, list[Array]]:
    """Improve the factor of a single NMF by coordinate descent on the codes and on it, in turn.

    Far cheaper than exact codes, and as good where they are only a start. The factor is
    extrapolated from one step to the next (Ang and Gillis, "Accelerating nonnegative matrix
    factorization algorithms using extrapolation", 2019), from anew whenever the error rose.

    Parameters
    ----------
    parts : Matrices (m, documents)
    A : Array (m, k) in normal form
    steps : int

    Returns
    -------
    The factor (m, k) in normal form, and its codes (k, documents) of every part.
    """
    xp = namespace(A)
    codes: list[Array] = []
    ahead, lowest, momentum = A, float("inf"), 1.0
    for _ in range(steps):
        gram = ahead.T @ ahead
        codes, XS, SS = _codes(ahead, gram, parts, codes, _SWEEPS)
        error = inner(gram, SS) - 2 * inner(ahead.T, XS.T)
        momentum = 1.0 if error > lowest else (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        lowest = float(error)
        moved = kept_alive(coordinate_descent(SS, XS.T, ahead.T, _SWEEPS).T, ahead)
        beyond = moved - A
        beyond *= (momentum - 1) / (momentum + 1)
        beyond += moved
        ahead = kept_alive(xp.maximum(beyond, xp.zeros_like(beyond)), moved)
        lengths = column_lengths(ahead)
        A, ahead = moved / lengths, unit_columns(ahead)
        codes = [S * lengths[:, None] for S in codes]
    A = unit_columns(A)
    return A, _codes(A, A.T @ A, parts, codes, _LAST_SWEEPS)[0]


def _codes(
    A: Array, gram: Array, parts: Sequence[Matrix], near: Sequence[Array], sweeps: int
) -> tuple[list[Array], Array, Array]:
    """Codes of every part, improved from those near, or from zero; the sums X S^T and S S^T."""
    xp = namespace(A)

    def improved(number: int) -> tuple[Array, Array, Array]:
        part = parts[number]
        rhs = project(A, part)
        start = near[number] if near else xp.zeros_like(rhs)
        S = coordinate_descent(gram, rhs, start, sweeps)
        return S, accumulate(part, S), S @ S.T

    done = map(improved, range(len(parts))) if on_gpu(A) else HOST.map(improved, range(len(parts)))
    S, XS, SS = next(done)
    codes = [S]
    for S, data, square in done:
        codes.append(S)
        XS += data
        SS += square
    return codes, XS, SS
