"""The systems under every layer: gram[P, P] u[P] = rhs[P], P being each column's own support."""

from types import ModuleType

import numpy as np

from nnmf_topics._backend import device_of, namespace
from nnmf_topics._compiled import kernels_for
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


class SupportSystems:
    """The systems of all columns of a support, factorised; columns may move to another support.

    Parameters
    ----------
    gram : Array of shape (k, k), positive definite
    support : boolean Array of shape (k, n)
    """

    def __init__(self, gram: Array, support: Array) -> None:
        self.gram, self.support = gram, support
        self._newer: tuple[Array, SupportSystems] | None = None
        kernels = kernels_for(gram)
        self._systems: BatchedSystems | CompiledSystems = (
            BatchedSystems(gram, support)
            if kernels is None
            else CompiledSystems(kernels, gram, support)
        )

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
