"""From trained factors to a hierarchy in words."""

import reprlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from nnmf_topics.hierarchy import TopicHierarchy
from nnmf_topics.topic import Topic
from nnmf_topics.topics import (
    Array,
    Factors,
    child_shares,
    strongest_parent,
    top_terms,
    topic_term,
)

_MIN_TERMS = 8


def build_hierarchy(
    factors: Factors,
    words: Callable[[int], str] | Mapping[int, str] | Sequence[str],
    masses: ArrayLike,
    topn: int | None = 30,
) -> TopicHierarchy:
    """Put the topics of all layers into trees: each one under its strongest parent.

    Parameters
    ----------
    factors : sequence of ndarray
        A_0 (terms, k_0), A_1 (k_0, k_1), ...; floating, nonnegative.
    words : callable, mapping or sequence
        From the id of a term to the word.
    masses : array_like (k_{L-1},)
        How much of the corpus each coarsest topic holds, in any unit.
    topn : int or None
        How many words of a topic to keep, of those with a weight above 0; never less than 8.

    Raises
    ------
    ValueError
        If `masses` are not one finite number >= 0 for each coarsest topic.
    """
    word = words if callable(words) else words.__getitem__
    layers = [
        [
            Topic(layer, index, 0.0, _terms(row, word, topn))
            for index, row in enumerate(topic_term(factors, layer))
        ]
        for layer in range(len(factors))
    ]
    for layer in range(1, len(factors)):
        shares, parents = child_shares(factors, layer), strongest_parent(factors, layer)
        for child in layers[layer - 1]:
            parent = parents[child.index]
            child.weight = float(shares[child.index, parent])
            layers[layer][parent].children.append(child)
    for root, weight in zip(layers[-1], _root_weights(masses, len(layers[-1])), strict=True):
        root.weight = weight
    for siblings in [layers[-1], *(topic.children for layer in layers for topic in layer)]:
        siblings.sort(key=lambda topic: (-topic.weight, topic.index))
    return TopicHierarchy(layers[-1])


def _terms(
    row: Array, word: Callable[[int], str], topn: int | None
) -> tuple[tuple[str, float], ...]:
    chosen = top_terms(row, None if topn is None else max(topn, _MIN_TERMS)).tolist()
    kept = [term for rank, term in enumerate(chosen) if rank < _MIN_TERMS or row[term] > 0]
    return tuple((str(word(term)), float(row[term])) for term in kept)


def _root_weights(masses: ArrayLike, count: int) -> list[float]:
    weights = np.asarray(masses, dtype=np.float64)
    if weights.shape != (count,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"masses must be {count} finite numbers >= 0, one for each coarsest topic, "
            f"not {reprlib.repr(weights.tolist())}"
        )
    total = weights.sum()
    shares = weights / total if total > 0 else np.full(count, 1 / count)
    return [float(share) for share in shares]
