"""Compare the topics of this package with hierarchical NMF on 1,000 documents of 20 Newsgroups.

Ten groups in six super-groups, widths 10, 6, mean and standard deviation over seeds. Part (a) gives
one and the same tf-idf matrix to all methods. Part (b) gives raw counts to the model with its
default options, and the matrix it makes of them to hierarchical NMF.

    pip install -e .
    python scripts/benchmark_quality.py
    python scripts/benchmark_quality.py --subset-seed 0
"""

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _measures import COLUMNS, measure
from _setting import (
    WIDTHS,
    Posts,
    environment,
    hnmf,
    paper_subset,
    super_groups,
    tfidf,
    train_posts,
)
from gensim.corpora import Dictionary
from gensim.parsing.preprocessing import STOPWORDS
from gensim.utils import simple_preprocess
from sklearn.feature_extraction.text import CountVectorizer

from nnmf_topics import NeuralNMFModel
from nnmf_topics.evaluation import svd_bound
from nnmf_topics.rereading import Corpus
from nnmf_topics.weighting import fit_weighting, survey

DIGITS = {"err1": 5, "err2": 5, "seconds": 2}


class Fit(NamedTuple):
    """Factors and codes of a trained hierarchy, and the seconds that training took."""

    factors: list[np.ndarray]
    codes: list[np.ndarray]
    seconds: float


def fit_model(corpus: Any, id2word: Any, seed: int) -> Fit:
    """Train this package with its default options."""
    start = perf_counter()
    model = NeuralNMFModel(corpus, WIDTHS, id2word, random_state=seed)
    seconds = perf_counter() - start
    return Fit(list(model.factors), model.encode(corpus), seconds)


def fit_hnmf(X: sp.csc_array, init: str, unit_columns: bool, seed: int) -> Fit:
    """Train hierarchical NMF."""
    start = perf_counter()
    factors, codes = hnmf(X, WIDTHS, init, unit_columns, seed)
    return Fit(factors, codes, perf_counter() - start)


def hnmf_methods(X: sp.csc_array) -> dict[str, Callable[[int], Fit]]:
    """Return the two variants of hierarchical NMF on a matrix, by name."""
    return {
        "HNMF, nndsvda": lambda seed: fit_hnmf(X, "nndsvda", False, seed),
        "HNMF, unit columns, random start": lambda seed: fit_hnmf(X, "random", True, seed),
    }


def bags_of_words(documents: list[str]) -> tuple[Dictionary, list[Any]]:
    """Return a gensim dictionary of the words in two documents or more, and raw counts."""
    texts = [[w for w in simple_preprocess(text) if w not in STOPWORDS] for text in documents]
    dictionary = Dictionary(texts)
    dictionary.filter_extremes(no_below=2, no_above=1.0, keep_n=None)
    return dictionary, [dictionary.doc2bow(text) for text in texts]


def default_matrix(corpus: list[Any], terms: int) -> sp.csc_array:
    """Return raw counts as the model weighs them by default."""
    chunks = Corpus(corpus, terms, max(len(corpus), 1), np.float64)
    return next(iter(chunks.weighted(fit_weighting("auto", survey(chunks, terms)))))


def compare(
    X: sp.csc_array,
    terms: list[str],
    methods: dict[str, Callable[[int], Fit]],
    posts: Posts,
    reference: list[str],
    seeds: int,
) -> None:
    """Print the table of some methods on a matrix, one row a method."""
    occurrence = CountVectorizer(vocabulary=terms, binary=True).transform(reference).tocsc()
    supers = super_groups(posts.groups)
    bounds = ", ".join(f"{svd_bound(X, k):.5f}" for k in WIDTHS)
    print(f"{X.shape[0]:,} terms, {X.nnz:,} non-zeros; SVD bounds of the errors {bounds}\n")
    columns = (*COLUMNS, "seconds")
    print(f"| method | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, fit in methods.items():
        rows = []
        for seed in range(seeds):
            factors, codes, seconds = fit(seed)
            row = measure(X, factors, codes, posts.groups, supers, occurrence)
            rows.append({**row, "seconds": seconds})
        cells = [
            summary([row[column] for row in rows], DIGITS.get(column, 3)) for column in columns
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def summary(values: list[float], digits: int) -> str:
    """Return mean and standard deviation as text."""
    return f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=len(values) > 1):.{digits}f}"


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subset-seed", type=int, help="draw the documents; default: the first")
    parser.add_argument("--seeds", type=int, default=5, help="fits of each method")
    options = parser.parse_args()

    train = train_posts()
    posts = paper_subset(train, options.subset_seed)
    chosen = "the first" if options.subset_seed is None else f"drawn by seed {options.subset_seed}"
    print(environment("gensim"))
    print(f"100 documents of each group, {chosen}; mean ± sd of {options.seeds} seeds")

    X, terms = tfidf(posts.documents)
    id2word = dict(enumerate(terms))
    print("\n(a) the same tf-idf matrix for all:", end=" ")
    methods = {"nnmf_topics": lambda seed: fit_model(X, id2word, seed), **hnmf_methods(X)}
    compare(X, terms, methods, posts, train.documents, options.seeds)

    dictionary, corpus = bags_of_words(posts.documents)
    weighted = default_matrix(corpus, len(dictionary))
    terms = [dictionary[number] for number in range(len(dictionary))]
    print("\n(b) raw counts, default weighting:", end=" ")
    methods = {
        "nnmf_topics": lambda seed: fit_model(corpus, dictionary, seed),
        **hnmf_methods(weighted),
    }
    compare(weighted, terms, methods, posts, train.documents, options.seeds)


if __name__ == "__main__":
    main()
