"""How much the topics of two models differ."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from gensim import matutils

_DISTANCES: dict[str, Callable[[Any, Any], float]] = {
    "kullback_leibler": matutils.kullback_leibler,
    "hellinger": matutils.hellinger,
    "jaccard": matutils.jaccard_distance,
    "jensen_shannon": matutils.jensen_shannon,
}


class HasTopics(Protocol):
    """What is compared: any topic model of gensim."""

    id2word: Any

    def get_topics(self) -> np.ndarray: ...  # noqa: D102
    def show_topic(self, topicid: int, topn: int) -> list[tuple[str, Any]]: ...  # noqa: D102


def diff(
    model: HasTopics,
    other: HasTopics,
    distance: str = "kullback_leibler",
    num_words: int = 100,
    n_ann_terms: int = 10,
    diagonal: bool = False,
    annotation: bool = True,
    normed: bool = True,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the distances between the topics of two models, and words that they share or not.

    Parameters
    ----------
    model, other : topic models of one vocabulary
    distance : {"kullback_leibler", "hellinger", "jaccard", "jensen_shannon"}
        Exact zeros of a topic count as the smallest number of its dtype, so that all are finite.
    num_words : int
        Words of a topic that "jaccard" and the annotation look at.
    n_ann_terms : int
        Words in the annotation at most.
    diagonal : bool
        Only compare topics of the same number.
    annotation : bool
    normed : bool
        Divide by the largest distance.

    Returns
    -------
    distances : ndarray (topics, topics of other), or (topics,) with diagonal
    annotation : object ndarray of that shape, or None
        [words of both topics, words of one of them].

    Raises
    ------
    ValueError
        If the distance is unknown, the vocabularies differ, or with diagonal the numbers of topics
        do.
    TypeError
        If `other` is no topic model.
    """
    if distance not in _DISTANCES:
        raise ValueError(f"distance must be one of {', '.join(_DISTANCES)}, not {distance!r}")
    if not hasattr(other, "get_topics") or not hasattr(other, "show_topic"):
        raise TypeError(f"other must be a topic model, not {type(other).__name__}")
    topics = _over_one_vocabulary(model, other)
    rows, columns = (len(t) for t in topics)
    if diagonal and rows != columns:
        raise ValueError(f"with diagonal=True both need as many topics, not {rows} and {columns}")
    words = [
        [{word for word, _ in m.show_topic(topic, num_words)} for topic in range(len(t))]
        for m, t in zip((model, other), topics, strict=True)
    ]
    mine, theirs = words if distance == "jaccard" else topics
    shape = (rows,) if diagonal else (rows, columns)
    distances = np.zeros(shape)
    notes = np.empty(shape, dtype=object) if annotation else None
    for index in np.ndindex(shape):
        i, j = index[0], index[-1]
        distances[index] = _DISTANCES[distance](mine[i], theirs[j])
        if notes is not None:
            both, one = words[0][i] & words[1][j], words[0][i] ^ words[1][j]
            notes[index] = [sorted(both)[:n_ann_terms], sorted(one)[:n_ann_terms]]
    largest = distances.max(initial=0.0)
    return (distances / largest if normed and largest > 1e-8 else distances), notes


def _over_one_vocabulary(model: HasTopics, other: HasTopics) -> list[np.ndarray]:
    """Return the topics of both; a vocabulary may have grown out of the other."""
    topics = [_positive(m.get_topics()) for m in (model, other)]
    sizes = [t.shape[1] for t in topics]
    if sizes[0] != sizes[1]:
        both = range(min(sizes))
        if any(model.id2word.get(i) != other.id2word.get(i) for i in both):
            raise ValueError(
                f"the models have {sizes[0]} and {sizes[1]} terms: only topics of one vocabulary, "
                "or of one that has grown out of the other, can be compared"
            )
        floor = float(min(t.min() for t in topics))
        topics = [
            np.pad(t, ((0, 0), (0, max(sizes) - t.shape[1])), constant_values=floor) for t in topics
        ]
    return topics


def _positive(topics: np.ndarray) -> np.ndarray:
    positive: np.ndarray = np.maximum(topics, np.finfo(topics.dtype).tiny)
    return positive.astype(np.float64)
