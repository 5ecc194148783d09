"""Measures of topic hierarchies: against the data, against labels, and of their words.

Factors are A_0 (terms, k_0), A_l (k_{l-1}, k_l); codes S_l (k_l, documents); X ~ A_0 ... A_l S_l,
such as `model.factors` and `model.encode(corpus)`. No measure depends on how scale is spread over
factors and codes. ``parents = strongest_parent(factors, 1)`` (of `nnmf_topics.topics`) are the
parents of layer 0, and ``occurrence = gensim.matutils.corpus2csc(corpus, len(dictionary)).T > 0``
says which document holds which word. NPMI of whole documents, as here, is not that of gensim's
`coherence`, which counts in windows of a few words.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import StratifiedShuffleSplit

from nnmf_topics._typing import Matrix
from nnmf_topics.options import is_unknown
from nnmf_topics.topics import resolve_layer, top_terms, topic_term

Factors = Sequence[np.ndarray]
Tops = Sequence[np.ndarray]
"""The ids of the top words of each topic of a layer."""

TOP_WORDS = 10


def relative_error(X: Matrix, factors: Factors, codes: Factors, layer: int) -> float:
    """||X - A_0 ... A_l S_l|| / ||X||, in double precision, without a dense matrix like X.

    X (terms, documents) is what the codes approximate: of a model that weighs words itself, the
    weighted corpus, whose errors are in `model.history.errors`.
    """
    A = factors[0].astype(np.float64)
    R = codes[layer].astype(np.float64)
    for upper in factors[layer:0:-1]:
        R = upper @ R
    norm = _squared_norm(X)
    squared = norm - 2 * float(((X.T @ A).T * R).sum()) + float((A.T @ A @ R * R).sum())
    return float(np.sqrt(max(squared, 0.0) / norm))


def svd_bound(X: Matrix, rank: int) -> float:
    """Return the least relative error of any matrix of a rank, below the smaller side of X."""
    _, singular, _ = svds(X.astype(np.float64), rank, v0=np.ones(min(X.shape)))
    return float(np.sqrt(max(1 - (singular**2).sum() / _squared_norm(X), 0.0)))


def _squared_norm(X: Matrix) -> float:
    values = X.data if sp.issparse(X) else np.asarray(X)
    return float((values.astype(np.float64) ** 2).sum())


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
    the model returns. Of a document without codes it is 0.
    """
    layer = resolve_layer(layer, len(factors))
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


def _majority(labels: np.ndarray) -> Any:
    names, counts = np.unique(labels, return_counts=True)
    return names[counts.argmax()] if len(names) else None


def top_words(factors: Factors, layer: int) -> list[np.ndarray]:
    """Return the ids of the ten top words of each topic."""
    return [top_terms(topic, TOP_WORDS) for topic in topic_term(factors, layer)]


def npmi(tops: Tops, occurrence: sp.csc_array) -> float:
    """Mean over topics of the mean NPMI of pairs of their words, -1 for a pair never seen together.

    (Bouma, "Normalized (pointwise) mutual information in collocation extraction", 2009; of whole
    documents, as Lau et al., "Machine reading tea leaves", 2014.)

    Parameters
    ----------
    tops : ids of the top words of each topic
    occurrence : (reference documents, terms)
        1 where a document holds a term.
    """
    return float(np.mean([_mean_npmi(combinations(top, 2), occurrence) for top in tops]))


def parent_child_npmi(
    parents: np.ndarray, above: Tops, below: Tops, occurrence: sp.csc_array
) -> float:
    """Mean NPMI of pairs of a word of a topic and a word of its parent, shared words left out.

    (Wu et al., "On the affinity, rationality, and diversity of hierarchical topic modeling", 2024,
    where it is called parent and child topic coherence.)

    Parameters
    ----------
    parents : the parent of each topic below; see `nnmf_topics.topics.strongest_parent`
    above, below : ids of the top words of each topic of the two layers
    occurrence : as in `npmi`
    """
    scores = []
    for child, parent in zip(below, parents.tolist(), strict=True):
        own, other = np.setdiff1d(child, above[parent]), np.setdiff1d(above[parent], child)
        if len(own) and len(other):
            scores.append(_mean_npmi(((a, b) for a in own for b in other), occurrence))
    return float(np.mean(scores)) if scores else float("nan")


def _mean_npmi(pairs: Iterable[tuple[Any, Any]], occurrence: sp.csc_array) -> float:
    both = np.array(list(pairs)).reshape(-1, 2)
    if not len(both):
        return float("nan")
    words, places = np.unique(both, return_inverse=True)
    held = occurrence[:, words].astype(np.float64)
    joint = np.asarray((held.T @ held).todense()) / occurrence.shape[0]
    first, second = places.reshape(-1, 2).T
    p, independent = joint[first, second], joint[first, first] * joint[second, second]
    score = np.where(p < 1, -1.0, 1.0)
    some = (p > 0) & (p < 1)
    score[some] = np.log(p[some] / independent[some]) / -np.log(p[some])
    return float(score.mean())


def diversity(tops: Tops) -> float:
    """Share of distinct words among the top words of the topics."""
    words = np.concatenate(tops)
    return len(np.unique(words)) / len(words)


def parent_child_diversity(parents: np.ndarray, above: Tops, below: Tops) -> float:
    """Share of distinct words among those of a topic and of its parent, on average.

    (Wu et al., 2024.) In an additive model a parent is a mixture of its children, so that about a
    half is structural.
    """
    pairs = zip(below, parents.tolist(), strict=True)
    return float(np.mean([diversity([child, above[parent]]) for child, parent in pairs]))


def sibling_diversity(parents: np.ndarray, below: Tops) -> float:
    """Share of distinct words among those of the children of a topic, on average over topics.

    (Wu et al., 2024.) Topics with fewer than two children are left out.
    """
    families = [np.flatnonzero(parents == parent).tolist() for parent in np.unique(parents)]
    shares = [diversity([below[i] for i in family]) for family in families if len(family) > 1]
    return float(np.mean(shares)) if shares else float("nan")


def label_nmi(labels: Sequence[Any], topics: np.ndarray) -> float:
    """Normalised mutual information of labels and the topics of documents, from 0 to 1.

    Documents whose label is None or NaN are left out. For a coarse layer give the labels that are
    coarse. (Arithmetic mean, as scikit-learn has it.)
    """
    known = [not is_unknown(label) for label in labels]
    names = [label for label, is_known in zip(labels, known, strict=True) if is_known]
    if not names:
        raise ValueError("no label is known: there is nothing to agree with")
    return float(normalized_mutual_info_score(names, np.asarray(topics)[known]))


def coherence(
    model: Any,
    *,
    layer: int = 0,
    measure: str = "c_npmi",
    topn: int = TOP_WORDS,
    **reference: Any,
) -> float:
    """Coherence of a layer of a `NeuralNMFModel` by gensim's `CoherenceModel`.

    Parameters
    ----------
    model : NeuralNMFModel
    layer : int
    measure : {"c_npmi", "c_v", "c_uci", "u_mass"}
    topn : int
        Words of a topic.
    **reference
        What `CoherenceModel` takes: texts=, corpus=, dictionary=, processes=, ...
    """
    from gensim.models import CoherenceModel

    found = CoherenceModel(model=model.level(layer), coherence=measure, topn=topn, **reference)
    return float(found.get_coherence())
