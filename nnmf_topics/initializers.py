"""Starts: factors in normal form from which training sets out."""

import logging
from collections.abc import Callable, Sequence

import numpy as np

from nnmf_topics._backend import HOST, Device
from nnmf_topics._typing import InitName, Matrix
from nnmf_topics.clustering import cluster_sums
from nnmf_topics.nndsvd import filled
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.single_layer import alternated, from_nndsvd, from_rare_rows
from nnmf_topics.upper_layers import upper_layers

logger = logging.getLogger(__name__)

_ALTERNATIONS_OF_CLUSTERS = 6
_EVENNESS, _EVENNESS_OF_CLUSTERS = 0.1, 0.2
_RESTARTS = 40  # of an upper layer

Start = Callable[[Matrix, Sequence[int], np.random.RandomState, Device], list[np.ndarray]]


def initialize(
    name: InitName,
    X: Matrix,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    device: Device = HOST,
) -> list[np.ndarray]:
    """Return A_0 (terms, k_0), A_1 (k_0, k_1), ... with unit columns, in the dtype of X.

    Parameters
    ----------
    name : {"layerwise", "clusters", "nndsvd", "random"}
        "layerwise": each layer from NNDSVD and a few alternating steps on the codes of the layer
        below, as hierarchical NMF goes. But the first begins where words of few documents count
        more; above it documents weigh a little more evenly than by their length, and the best of
        random restarts is taken where that fits them better. "clusters": the first layer
        from clusters of documents instead, and the layers above, without restarts, from codes that
        weigh documents more evenly still: topics that tell documents apart, at a slightly larger
        error. "nndsvd": each layer from NNDSVD alone. "random": uniform in [0, 1).
    X : Matrix (terms, documents) on the host
        The corpus, or a sample of it.
    widths : k_0, k_1, ...
    random_state : numpy.random.RandomState
    device : Device
        Where the first layer is found, or the host if that has too little memory; the layers above
        are small.

    Raises
    ------
    ValueError, TypeError
        For any other name; for X of whole numbers, or without documents or terms.
    """
    starts: dict[str, Start] = {
        "layerwise": layerwise,
        "clusters": _clusters,
        "nndsvd": _nndsvd,
        "random": _random,
    }
    if name not in starts:
        raise ValueError(f"init must be one of {tuple(starts)}, not {name!r}")
    if 0 in X.shape:
        raise ValueError(f"a start needs documents and terms, but X is {X.shape}")
    if X.dtype.kind != "f":
        raise TypeError(f"X must hold floating numbers, not {X.dtype}; convert it with astype")
    with HOST.active():
        found = _where_there_is_room(starts[name], X, widths, random_state, device)
    return [A.astype(X.dtype, copy=False) for A in found]


def _where_there_is_room(
    start: Start,
    X: Matrix,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    device: Device,
) -> list[np.ndarray]:
    if not device.is_gpu:
        return start(X, widths, random_state, device)
    before = random_state.get_state(legacy=False)
    try:
        return start(X, widths, random_state, device)
    except MemoryError:
        logger.warning("too little memory for the start on %s: made on the host", device.name)
    # Not before the exception, and all that it holds, is gone.
    device.release()
    random_state.set_state(before)
    return start(X, widths, random_state, HOST)


def _random(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState, _device: Device
) -> list[np.ndarray]:
    shapes = zip((X.shape[0], *widths), widths, strict=False)
    return [unit_columns(random_state.random_sample(shape)) for shape in shapes]


def _nndsvd(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState, device: Device
) -> list[np.ndarray]:
    factors: list[np.ndarray] = []
    signal = X
    for k in widths:
        where = HOST if factors else device
        A, signal = from_nndsvd(signal, k, random_state, alternations=0, device=where)
        factors.append(A)
    return factors


def layerwise(
    X: Matrix,
    widths: Sequence[int],
    random_state: np.random.RandomState,
    device: Device = HOST,
    *,
    rare_first: bool = True,
    evenness: float = _EVENNESS,
    restarts: int = _RESTARTS,
) -> list[np.ndarray]:
    """Return the start "layerwise" of `initialize`.

    With `rare_first` the finest layer begins where words of few documents count more. Documents
    weigh length^(1 - evenness) in the upper layers: with 0 by all that they have. So many random
    restarts are tried there.
    """
    start = from_rare_rows if rare_first else from_nndsvd
    first = start(X, widths[0], random_state, device=device)
    return [first[0], *upper_layers(first, widths[1:], random_state, evenness, restarts)]


def _clusters(
    X: Matrix, widths: Sequence[int], random_state: np.random.RandomState, device: Device
) -> list[np.ndarray]:
    A = cluster_sums(X, widths[0], random_state, device)
    A = unit_columns(filled(A, np.max(A, axis=0) > 0, random_state))
    first = alternated(X, A, _ALTERNATIONS_OF_CLUSTERS, device)
    above = upper_layers(first, widths[1:], random_state, _EVENNESS_OF_CLUSTERS, restarts=0)
    return [first[0], *above]
