"""Documents generated from a known tree of topics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral
from operator import index
from typing import TYPE_CHECKING

import numpy as np

from nnmf_topics.datasets._bundle import TopicCorpus, bag_of_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]


def make_hierarchical_corpus(
    num_documents: int = 200,
    widths: Sequence[int] = (9, 4, 2),
    *,
    words_per_topic: int = 20,
    words_per_document: int = 60,
    background_words: int = 100,
    noise: float = 0.1,
    mixing: float = 0.2,
    random_state: int | np.random.RandomState | None = None,
) -> TopicCorpus:
    """Generate a corpus with a planted hierarchy of topics.

    Every finest topic has words of its own (``t3_w07``). A document belongs to one finest topic.
    Each of its words is background (``background_w07``) with probability `noise`; otherwise it
    starts at the document's topic, climbs to the parent with probability `mixing`, again from
    there, at most to the coarsest layer, and is a word of any finest topic below, all equally
    likely. So siblings share words, cousins fewer, and different roots none but background.

    Parameters
    ----------
    num_documents : int
        Documents; the finest topics get equally many, give or take one.
    widths : sequence of int
        Topics per layer, finest first, strictly decreasing; one layer is allowed. Topic j of a
        layer of k has the parent ``j * k_above // k``, so siblings are neighbours.
    words_per_topic, words_per_document, background_words : int
        Sizes of the vocabularies and of the documents.
    noise : float in [0, 1)
        Share of background words.
    mixing : float in [0, 1)
        Probability of climbing one layer; without effect in a single layer.
    random_state : int, numpy.random.RandomState or None
        Seed; the same seed gives the same corpus.

    Returns
    -------
    TopicCorpus
        `layer_labels` has one list per layer: ``t3`` in the finest, ``layer1_t0`` and so on above;
        `hierarchy` is the planted tree, child to parent.

    Raises
    ------
    ValueError
        If an option is out of its range.
    """
    from sklearn.utils import check_random_state

    widths = _checked_widths(widths)
    _check_sizes(
        num_documents=num_documents,
        words_per_topic=words_per_topic,
        words_per_document=words_per_document,
        background_words=background_words,
    )
    _check_shares(noise=noise, mixing=mixing)

    rng = check_random_state(random_state)
    ancestors = _ancestors(widths)
    topics = rng.permutation(np.arange(num_documents) % widths[0])
    shape = (num_documents, words_per_document)
    climbs = np.minimum(rng.geometric(1 - mixing, shape) - 1, len(widths) - 1)
    origins = _descend(ancestors, climbs, topics, rng.random_sample(shape))
    words = origins * words_per_topic + rng.randint(words_per_topic, size=shape)
    background = widths[0] * words_per_topic + rng.randint(background_words, size=shape)
    ids = np.where(rng.random_sample(shape) < noise, background, words)

    vocabulary = [f"t{t}_w{w:02d}" for t in range(widths[0]) for w in range(words_per_topic)]
    vocabulary += [f"background_w{w:02d}" for w in range(background_words)]
    texts, dictionary, corpus = bag_of_words([[vocabulary[i] for i in row] for row in ids.tolist()])
    return TopicCorpus(
        name="planted",
        source="generated",
        texts=texts,
        dictionary=dictionary,
        corpus=corpus,
        documents=[" ".join(text) for text in texts],
        layer_labels=tuple(
            [_name(layer, j) for j in row[topics].tolist()] for layer, row in enumerate(ancestors)
        ),
        hierarchy=_tree(widths),
    )


def _check_sizes(**options: int) -> None:
    for option, size in options.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{option}={size!r} must be an integer of at least 1")


def _check_shares(**options: float) -> None:
    for option, share in options.items():
        if not 0 <= share < 1:
            raise ValueError(f"{option}={share!r} must be at least 0 and less than 1")


def _checked_widths(widths: Sequence[int]) -> tuple[int, ...]:
    message = f"widths={widths!r} must be strictly decreasing positive integers, as in (9, 4, 2)"
    try:
        checked = tuple(index(width) for width in widths)
    except TypeError as error:
        raise ValueError(message) from error
    if not checked or checked[-1] < 1 or any(k <= k_above for k, k_above in pairwise(checked)):
        raise ValueError(message)
    return checked


def _name(layer: int, topic: int) -> str:
    return f"layer{layer}_t{topic}" if layer else f"t{topic}"


def _parent(topic: int, k: int, k_above: int) -> int:
    return topic * k_above // k


def _tree(widths: tuple[int, ...]) -> dict[str, str]:
    return {
        _name(layer, j): _name(layer + 1, _parent(j, k, k_above))
        for layer, (k, k_above) in enumerate(pairwise(widths))
        for j in range(k)
    }


def _ancestors(widths: tuple[int, ...]) -> Integers:
    """Ancestor in each layer (rows) of each finest topic (columns)."""
    rows = [list(range(widths[0]))]
    for k, k_above in pairwise(widths):
        rows.append([_parent(topic, k, k_above) for topic in rows[-1]])
    return np.asarray(rows, dtype=np.int64)


def _descend(
    ancestors: Integers, climbs: Integers, topics: Integers, uniform: NDArray[np.float64]
) -> Integers:
    """Turn each climb into a finest topic below the ancestor it reached, by `uniform` in [0, 1)."""
    # Parents never decrease along the finest topics, so what lies below one is a range.
    first = np.stack([np.searchsorted(row, row, side="left") for row in ancestors])
    count = np.stack([np.searchsorted(row, row, side="right") for row in ancestors]) - first
    column = topics[:, None]
    below: Integers = (uniform * count[climbs, column]).astype(np.int64)
    below += first[climbs, column]
    return below
