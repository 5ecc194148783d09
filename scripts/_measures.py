"""Measures of a two-layer topic hierarchy against documents of known groups and super-groups.

Factors are A_0 (terms, k_0), A_1 (k_0, k_1); codes S_l (k_l, documents); X ~ A_0 ... A_l S_l. No
measure depends on how scale is spread over factors and codes.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import StratifiedShuffleSplit

from nnmf_topics.topics import strongest_parent, top_terms, topic_term

Factors = Sequence[np.ndarray]

TOP_WORDS = 10
COLUMNS = (
    *("err1", "err2", "acc1", "acc2", "nmi1", "nmi2", "edge", "npmi1", "npmi2", "diversity"),
)


def measure(
    X: sp.csc_array,
    factors: Factors,
    codes: Factors,
    groups: np.ndarray,
    supers: np.ndarray,
    occurrence: sp.csc_array,
) -> dict[str, float]:
    """Return all `COLUMNS`; `occurrence` as in `npmi`, with the terms of X."""
    fine, coarse = (dominant_topics(factors, codes, layer) for layer in (0, 1))
    tops = [top_words(factors, layer) for layer in (0, 1)]
    values = (
        *(relative_error(X, factors, codes, layer) for layer in (0, 1)),
        *(held_out_accuracy(S, supers) for S in codes),
        float(normalized_mutual_info_score(groups, fine)),
        float(normalized_mutual_info_score(supers, coarse)),
        edge_agreement(strongest_parent(factors, 1), fine, coarse, groups, supers),
        *(npmi(top, occurrence) for top in tops),
        diversity(tops[0]),
    )
    return dict(zip(COLUMNS, values, strict=True))


def relative_error(X: sp.csc_array, factors: Factors, codes: Factors, layer: int) -> float:
    """||X - A_0 ... A_l S_l|| / ||X||, in double precision, without a dense matrix like X."""
    A = factors[0].astype(np.float64)
    R = codes[layer].astype(np.float64)
    for upper in factors[layer:0:-1]:
        R = upper @ R
    norm = float((X.data**2).sum())
    squared = norm - 2 * float(((X.T @ A).T * R).sum()) + float((A.T @ A @ R * R).sum())
    return float(np.sqrt(max(squared, 0.0) / norm))


def svd_bound(X: sp.csc_array, rank: int) -> float:
    """Return the least relative error of any matrix of a rank."""
    _, singular, _ = svds(X.astype(np.float64), rank, v0=np.ones(min(X.shape)))
    return float(np.sqrt(max(1 - (singular**2).sum() / (X.data**2).sum(), 0.0)))


def held_out_accuracy(codes: np.ndarray, labels: np.ndarray, splits: int = 10) -> float:
    """Accuracy of B = Y pinv(S) by argmax on the quarter of the documents it was not made from."""
    names, numbers = np.unique(labels, return_inverse=True)
    Y = np.eye(len(names))[:, numbers]
    shuffles = StratifiedShuffleSplit(splits, test_size=0.25, random_state=0)
    scores = []
    for known, held in shuffles.split(numbers, numbers):
        B = Y[:, known] @ np.linalg.pinv(codes[:, known].astype(np.float64))
        scores.append(np.mean((B @ codes[:, held]).argmax(axis=0) == numbers[held]))
    return float(np.mean(scores))


def dominant_topics(factors: Factors, codes: Factors, layer: int) -> np.ndarray:
    """Return the topic that gives each document the most words: argmax of the codes in words.

    A code counts as many words as its topic's column of A_0 ... A_l sums to, as in the shares that
    the model returns.
    """
    lengths = reduce(np.matmul, factors[1 : layer + 1], factors[0].sum(axis=0))
    return np.asarray((codes[layer] * lengths[:, None]).argmax(axis=0))


def edge_agreement(
    parents: np.ndarray,
    fine: np.ndarray,
    coarse: np.ndarray,
    groups: np.ndarray,
    supers: np.ndarray,
) -> float:
    """Share of fine topics whose majority group lies in the super-group of their parent.

    Parameters
    ----------
    parents : the strongest parent of each fine topic
    fine, coarse : the dominant topic of each document at both layers
    groups, supers : the classes of each document
        The super-group of a topic is the majority of the documents it dominates. A topic that
        dominates none has no class, and counts as wrong.
    """
    super_of = dict(zip(groups, supers, strict=True))
    right = 0
    for topic, parent in enumerate(parents):
        mine, above = _majority(groups[fine == topic]), _majority(supers[coarse == parent])
        right += mine is not None and super_of[mine] == above
    return right / len(parents)


def _majority(labels: np.ndarray) -> str | None:
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()]) if len(names) else None


def top_words(factors: Factors, layer: int) -> list[np.ndarray]:
    """Return the ids of the ten top words of each topic."""
    return [top_terms(topic, TOP_WORDS) for topic in topic_term(factors, layer)]


def npmi(tops: Sequence[np.ndarray], occurrence: sp.csc_array) -> float:
    """Mean over topics of the mean NPMI of pairs of their words, -1 for a pair never seen together.

    Parameters
    ----------
    tops : ids of the top words of each topic
    occurrence : (reference documents, terms)
        1 where a document holds a term.
    """
    documents = occurrence.shape[0]
    scores = []
    for top in tops:
        held = occurrence[:, top].astype(np.float64)
        joint = np.asarray((held.T @ held).todense()) / documents
        single = np.diag(joint)
        first, second = np.triu_indices(len(top), 1)
        p, independent = joint[first, second], single[first] * single[second]
        score = np.where(p < 1, -1.0, 1.0)
        some = (p > 0) & (p < 1)
        score[some] = np.log(p[some] / independent[some]) / -np.log(p[some])
        scores.append(score.mean())
    return float(np.mean(scores))


def diversity(tops: Sequence[np.ndarray]) -> float:
    """Share of distinct words among the top words of the topics."""
    words = np.concatenate(tops)
    return len(np.unique(words)) / len(words)
