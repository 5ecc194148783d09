"""What the benchmarks run on: the paper's documents of 20 Newsgroups, and this machine."""

import datetime
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer

from nnmf_topics.datasets import NEWSGROUPS, PAPER_GROUPS, fetch_20newsgroups

WIDTHS = (10, 6)
PER_GROUP = 100
HNMF_ITERATIONS = 1000


class Posts(NamedTuple):
    """Documents and the group of each."""

    documents: list[str]
    groups: np.ndarray


def train_posts() -> Posts:
    """Return all train documents of 20 Newsgroups, in file order."""
    corpus = fetch_20newsgroups("train", source="orange")
    return Posts(corpus.documents or [], np.array(corpus.labels))


OTHER_GROUPS = tuple(group for group in NEWSGROUPS if group not in PAPER_GROUPS)
"""The ten groups that the paper leaves out, in five super-groups."""


def paper_subset(
    posts: Posts, seed: int | None = None, groups: Sequence[str] = PAPER_GROUPS
) -> Posts:
    """Return 100 documents of each of the paper's groups: the first, or drawn by a seed."""
    random = None if seed is None else np.random.default_rng(seed)
    rows = np.sort(np.concatenate([_draw(posts.groups == g, random) for g in groups]))
    return Posts([posts.documents[row] for row in rows], posts.groups[rows])


def _draw(members: np.ndarray, random: np.random.Generator | None) -> np.ndarray:
    rows = np.flatnonzero(members)
    return rows[:PER_GROUP] if random is None else random.choice(rows, PER_GROUP, replace=False)


def super_groups(groups: np.ndarray) -> np.ndarray:
    """Return the super-group of each group."""
    return np.array([NEWSGROUPS[group] for group in groups])


def tfidf(documents: list[str]) -> tuple[sp.csc_array, list[str]]:
    """Return scikit-learn's tf-idf, English stop words dropped, (terms, documents); the terms."""
    vectorizer = TfidfVectorizer(stop_words="english")
    X = sp.csc_array(vectorizer.fit_transform(documents).T)
    return X, list(vectorizer.get_feature_names_out())


def hnmf(
    X: sp.csc_array, widths: Sequence[int], init: str, unit_columns: bool, seed: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return factors and codes of hierarchical NMF: scikit-learn's NMF once a layer.

    With `unit_columns` the columns of A_0 are scaled to unit length, and the codes inversely,
    before the second layer.
    """
    factors, codes, signal = [], [], X
    for k in widths:
        nmf = NMF(k, init=init, max_iter=HNMF_ITERATIONS, random_state=seed)
        S, A = nmf.fit_transform(signal.T).T, nmf.components_.T
        if unit_columns:
            lengths = np.linalg.norm(A, axis=0)
            lengths[lengths == 0] = 1
            S, A = S * lengths[:, None], A / lengths
        factors.append(A)
        codes.append(S)
        signal = S
    return factors, codes


def environment(*packages: str) -> str:
    """Return the date, the cores and the versions, in one line."""
    names = ("nnmf-topics", "numpy", "scipy", "scikit-learn", *packages)
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return (
        f"{datetime.date.today()}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}, {versions}"
    )
