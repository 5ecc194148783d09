"""From factors to topics in words: distributions, shares of the children, parents, order."""

import operator
from collections.abc import Sequence
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.floating[Any]]
Factors: TypeAlias = Sequence[Array]


def resolve_layer(layer: int, num_layers: int) -> int:
    """Turn a layer as users give it (0 finest, -1 coarsest) into one from 0 to num_layers - 1.

    Raises
    ------
    IndexError
        If there is no such layer.
    TypeError
        If `layer` is not an integer.
    """
    try:
        number = operator.index(layer)
    except TypeError:
        raise TypeError(f"layer must be an integer, not {layer!r}") from None
    if not -num_layers <= number < num_layers:
        there = f"0 (finest) to {num_layers - 1}, or -1 for the coarsest"
        raise IndexError(
            f"layer {number} does not exist: the number of layers is {num_layers}; "
            f"give {there if num_layers > 1 else '0 or -1'}"
        )
    return number % num_layers


def topic_term(factors: Factors, layer: int = 0) -> Array:
    """Return the topics of a layer as distributions over the terms.

    Parameters
    ----------
    factors : sequence of ndarray
        A_0 (terms, k_0), A_1 (k_0, k_1), ...; floating, nonnegative.
    layer : int
        0 is the finest, -1 the coarsest.

    Returns
    -------
    ndarray (k_layer, terms)
        In the dtype of the factors. Rows sum to 1; a topic without words is uniform.
    """
    layer = resolve_layer(layer, len(factors))
    rows = factors[0].T
    if layer:
        mix = reduce(np.matmul, factors[2 : layer + 1], factors[1].astype(np.float64))
        rows = _unit_sums(mix, 0).astype(rows.dtype).T @ rows
    topics = _unit_sums(rows, 1)
    topics[~topics.any(axis=1)] = 1 / topics.shape[1]
    return topics


def topic_lengths(factors: Factors, layer: int = 0) -> Array:
    """Return the words that a code of 1 stands for: the column sums of A_0 ... A_l, (k_l,)."""
    layer = resolve_layer(layer, len(factors))
    return reduce(np.matmul, factors[1 : layer + 1], factors[0].sum(axis=0))


def topic_masses(factors: Factors, usage: Array, layer: int = 0) -> Array:
    """Return the share of each topic in the words of a corpus, (k_l,), from its summed codes.

    Shares sum to 1, or are all 0 where no topic is used.
    """
    masses: Array = usage * topic_lengths(factors, layer)
    total = masses.sum()
    return masses / total if total > 0 else masses


def child_shares(factors: Factors, layer: int) -> Array:
    """Return which share of a topic's words comes through each topic of the layer below.

    With the distributions T_l of `topic_term` as columns, ``T_l = T_{l-1} @ child_shares``. Unlike
    A_l itself the shares do not depend on how scale is spread over the factors.

    Returns
    -------
    ndarray (k_{layer-1}, k_layer)
        In the dtype of the factors. Columns sum to 1; the column of a topic without words is zero.

    Raises
    ------
    ValueError
        For the finest layer, which has nothing below it.
    """
    layer = resolve_layer(layer, len(factors))
    if layer == 0:
        raise ValueError("layer 0 is the finest: its topics have no children; give a layer above 0")
    masses = reduce(np.matmul, factors[1:layer], factors[0].sum(axis=0, dtype=np.float64))
    return _unit_sums(masses[:, None] * factors[layer], 0).astype(factors[layer].dtype)


def strongest_parent(factors: Factors, layer: int) -> NDArray[np.intp]:
    """Return, for each topic of the layer below, the topic of `layer` it has the largest share in.

    Returns
    -------
    ndarray of int (k_{layer-1},)
        Of equal parents the first.
    """
    parents: NDArray[np.intp] = np.argmax(child_shares(factors, layer), axis=1)
    return parents


def top_terms(weights: Array, topn: int | None) -> NDArray[np.intp]:
    """Return the indexes of the largest weights: descending, equal weights in order of index.

    This is the order of words everywhere in the package. Linear in the number of weights.

    Parameters
    ----------
    weights : ndarray (terms,)
        Floating, no NaN.
    topn : int or None
        How many; None gives all, 0 and less none, as gensim does.
    """
    size = weights.shape[0]
    count = size if topn is None else min(max(topn, 0), size)
    chosen = np.arange(size)
    if 0 < count < size:
        # argpartition alone would take arbitrary ones of the weights equal to the last.
        last = np.partition(weights, size - count)[size - count]
        above = np.flatnonzero(weights > last)
        equal = np.flatnonzero(weights == last)[: count - above.size]
        chosen = np.sort(np.concatenate([above, equal]))
    return chosen[np.argsort(-weights[chosen], kind="stable")][:count]


def _unit_sums(matrix: Array, axis: int) -> Array:
    """Scale to sum 1 along an axis, in C order; what sums to 0 stays 0."""
    sums = matrix.sum(axis=axis, dtype=np.float64, keepdims=True)
    sums[sums == 0] = 1
    unit: Array = np.divide(matrix, sums, dtype=matrix.dtype, order="C", casting="same_kind")
    return unit
