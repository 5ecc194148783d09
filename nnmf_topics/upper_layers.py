"""The start of the layers above the finest, from its codes."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nnmf_topics._backend import HOST
from nnmf_topics.alternation import alternate
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.parts import DOCUMENTS_OF_A_PART
from nnmf_topics.single_layer import ALTERNATIONS, Fit, from_nndsvd

_LEAST_GAIN = 1e-4  # of all squares; less would let rounding decide between equals
_TRIED_ON = 2000
_ENTRIES_AT_ONCE = 2**17  # of a stack of starts: those of six topics fill two, for two threads
_FINALISTS, _ALTERNATIONS_OF_FINALISTS = 3, 10


class Signal(NamedTuple):
    """Codes (k, documents) to be factorised, and the Gram matrix (k, k) of the topics they are of.

    By it a fit of codes is measured in words: topics alike may stand for each other.
    """

    S: np.ndarray
    gram: np.ndarray

    @classmethod
    def of(cls, A: np.ndarray, S: np.ndarray, evenness: float) -> "Signal":
        """Return the codes of the finest layer, divided by length^evenness.

        Documents that the topics explain well would decide alone which of them have a parent.
        """
        gram = A.T @ A
        lengths = np.sqrt(np.sum(S * (gram @ S), axis=0))
        return cls(S / np.where(lengths > 0, lengths, 1) ** S.dtype.type(evenness), gram)

    def of_documents(self, chosen: np.ndarray) -> "Signal":
        """Return those of some documents."""
        return Signal(self.S[:, chosen], self.gram)

    def error(self, fit: Fit) -> float:
        """Mean square of what a fit leaves of a document."""
        A, codes = fit
        return self._mean_square(lambda place: self.S[:, place] - A @ codes[:, place])

    def size(self) -> float:
        """Mean square of a document."""
        return self._mean_square(lambda place: self.S[:, place])

    def _mean_square(self, left: Callable[[slice], np.ndarray]) -> float:
        """Mean square of what is left of documents, in double precision but some at a time."""
        n, total = int(self.S.shape[1]), 0.0
        for first in range(0, n, DOCUMENTS_OF_A_PART):
            S = left(slice(first, first + DOCUMENTS_OF_A_PART)).astype(np.float64)
            total += float(np.sum(S * (self.gram @ S)))
        return total / n


def upper_layers(
    first: Fit,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    evenness: float,
    restarts: int,
) -> list[np.ndarray]:
    """Return A_1 (k_0, k_1), ... for the finest layer, its codes divided by length^evenness.

    With restarts, the best of so many random starts is taken in place of NNDSVD if it fits the
    documents better. To be called while the host is active.
    """
    if not widths:
        return []
    signal = Signal.of(*first, evenness)
    factors = []
    for k in widths:
        fit = from_nndsvd(signal.S, k, random_state)
        if restarts and k > 1:
            fit = restarted(signal, fit, random_state, restarts)
        A, S = fit
        factors.append(A)
        signal = Signal(S, A.T @ signal.gram @ A)
    return factors


def restarted(
    signal: Signal, found: Fit, random_state: np.random.RandomState, restarts: int
) -> Fit:
    """Return the best of some random starts if it fits the documents better than what was found.

    Of many documents they are tried on a part. What is best there, or after few steps, is not
    always best in the end: the best few of different errors go on with all documents.
    """
    least = _LEAST_GAIN * signal.size()
    if least == 0:
        return found
    documents, tried_on = signal.S.shape[1], signal
    if documents > _TRIED_ON:
        tried_on = signal.of_documents(random_state.choice(documents, _TRIED_ON, replace=False))
    # Starts of about the same error have come to the same end.
    ends: dict[float, np.ndarray] = {}
    for A, error in _tried(tried_on, found[0].shape, random_state, restarts):
        ends.setdefault(error // least, A)
    finalists = [ends[end] for end in sorted(ends)[:_FINALISTS]]

    def finished(A: np.ndarray) -> tuple[Fit, float]:
        fit = alternate(signal.S, A, _ALTERNATIONS_OF_FINALISTS)
        return fit, signal.error(fit)

    best, lowest = found, signal.error(found)
    for fit, error in HOST.map(finished, finalists):
        if error < lowest - least:
            best, lowest = fit, error
    return best


def _tried(
    signal: Signal, shape: tuple[int, ...], random_state: np.random.RandomState, restarts: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield factors fitted from random starts, and errors; many small ones are made together."""
    k_below, k = shape
    entries = (k_below + k + signal.S.shape[1]) * k  # of a factor, a Gram matrix and codes
    at_once = max(_ENTRIES_AT_ONCE // entries, 1)
    # Drawn as they are read, by one thread and in their order, whatever the number of threads.
    starts = (
        random_state.random_sample((min(at_once, restarts - first), *shape))
        for first in range(0, restarts, at_once)
    )

    def tried(A: np.ndarray) -> list[tuple[np.ndarray, float]]:
        fits = alternate(signal.S, unit_columns(A.astype(signal.S.dtype)), ALTERNATIONS)
        return [(fit[0], signal.error(fit)) for fit in zip(*fits, strict=True)]

    for some in HOST.map(tried, starts):
        yield from some
