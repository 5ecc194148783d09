"""The systems under every layer: gram[P, P] u[P] = rhs[P], P being each column's own support."""

from types import ModuleType

import numpy as np

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._compiled import cuda_kernels_for, kernels_for
from nnmf_topics._typing import Array
from nnmf_topics.batched_systems import BatchedSystems


class CompiledSystems:
    """`BatchedSystems` by compiled loops."""

    def __init__(self, kernels: ModuleType, gram: Array, support: Array) -> None:
        self._kernels, support = kernels, np.ascontiguousarray(support.T)
        plan = kernels.by_size(support)
        self._parts = (*plan, *kernels.factorise(np.ascontiguousarray(gram), support, *plan))

    def solve(self, rhs: Array) -> Array:
        """Solve for right-hand sides of shape (k, n); the result is 0 off the support."""
        return self._kernels.substitute(np.ascontiguousarray(rhs.T), *self._parts).T


class LaunchedSystems:
    """`BatchedSystems` by kernels of a GPU, which factorise anew for every right-hand side.

    On supports of a few dozen topics that is cheaper than to keep the factors in memory.
    """

    def __init__(self, kernels: ModuleType, gram: Array, support: Array) -> None:
        self._kernels, self._gram, self._support = kernels, gram, support

    def solve(self, rhs: Array) -> Array:
        """Solve for right-hand sides of shape (k, n); the result is 0 off the support."""
        return self._kernels.solve(self._gram, self._support.T, rhs.T).T


class SupportSystems:
    """The systems of all columns of a support, factorised; columns may move to another support.

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite
    support : boolean Array of shape (k, n)
    """

    def __init__(self, gram: Array, support: Array) -> None:
        self.gram = gram
        self.move_all(support)

    def move_all(self, support: Array) -> None:
        """Solve all columns on another support from now on."""
        self.support, self._systems = support, _systems_of(self.gram, support)
        self._newer: tuple[Array, SupportSystems] | None = None

    def move(self, columns: Array, support: Array) -> "SupportSystems":
        """Solve some columns, given by their numbers, on another support from now on.

        Returns
        -------
        SupportSystems of these columns alone.
        """
        newer = SupportSystems(self.gram, support)
        self._newer = (columns, newer)
        return newer

    def solve(self, rhs: Array) -> Array:
        """Solve for right-hand sides of shape (k, n); the result is 0 off the support."""
        u = self._systems.solve(rhs)
        if self._newer is None:
            return u
        columns, newer = self._newer
        rest = newer.solve(namespace(rhs).take(rhs, columns, axis=1))
        return with_columns(u, columns, rest)


def _systems_of(gram: Array, support: Array) -> BatchedSystems | CompiledSystems | LaunchedSystems:
    if (kernels := kernels_for(gram)) is not None:
        return CompiledSystems(kernels, gram, support)
    if (cuda := cuda_kernels_for(gram, topics=gram.shape[0])) is not None:
        return LaunchedSystems(cuda, gram, support)
    return BatchedSystems(gram, support)


def with_columns(array: Array, columns: Array, replacement: Array) -> Array:
    """Return an array (k, n) with some columns, given by their numbers, replaced."""
    if isinstance(array, np.ndarray):  # assignment by numbers is not in the standard
        array = array.copy("K")
        array[:, columns] = replacement
        return array
    xp = namespace(array)
    n, count = array.shape[1], columns.shape[0]
    numbers = xp.arange(n, device=device_of(array))
    place = xp.searchsorted(columns, numbers)
    place = xp.where(place < count, place, xp.zeros_like(place))
    source = xp.where(xp.take(columns, place) == numbers, n + place, numbers)
    return xp.take(xp.concat([array, replacement], axis=1), source, axis=1)
