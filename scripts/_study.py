"""Studies of a default: models of the same subsets of documents, measured and compared with it."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _measures import COLUMNS, measure
from _setting import OTHER_GROUPS, WIDTHS, Posts, paper_subset, super_groups
from sklearn.feature_extraction.text import CountVectorizer

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import PAPER_GROUPS

GROUPS = {"paper": PAPER_GROUPS, "others": OTHER_GROUPS}

Fit = tuple[Sequence[np.ndarray], Sequence[np.ndarray]]
"""Factors and codes."""


class Subset(NamedTuple):
    """Documents, their raw counts (terms, documents), and which train document has which term."""

    posts: Posts
    counts: sp.csc_array
    occurrence: sp.csc_array


class Study(NamedTuple):
    """Measures of models, the default first.

    Attributes
    ----------
    names : of the models
    columns : of the measures
    scores : (models, subsets, seeds, columns)
    """

    names: Sequence[str]
    columns: Sequence[str]
    scores: np.ndarray


def parsed(description: str, subset_seeds: int) -> argparse.Namespace:
    """Return the options of a study."""
    parser = argparse.ArgumentParser(description=description)
    more = "subsets drawn, besides the first documents"
    parser.add_argument("--subset-seeds", type=int, default=subset_seeds, help=more)
    parser.add_argument("--seeds", type=int, default=2, help="fits on each subset")
    parser.add_argument("--groups", choices=GROUPS, default="paper", help="of 20 Newsgroups")
    options = parser.parse_args()
    if options.subset_seeds < 1:
        parser.error("--subset-seeds must be 1 or more: one subset has no standard error")
    return options


def subsets(train: Posts, drawn: int, groups: str = "paper") -> Iterator[Subset]:
    """Count words, stop words dropped, of the first documents and of so many sets by seeds."""
    vectorizer = CountVectorizer(stop_words="english")
    reference = sp.csc_array(vectorizer.fit_transform(train.documents) > 0)
    for seed in (None, *range(drawn)):
        posts = paper_subset(train, seed, GROUPS[groups])
        counts = sp.csr_array(vectorizer.transform(posts.documents).T)
        used = np.flatnonzero(np.diff(counts.indptr))
        yield Subset(posts, sp.csc_array(counts[used]), reference[:, used])


def fit(
    X: sp.csc_array,
    seed: int,
    *,
    widths: tuple[int, ...] = WIDTHS,
    restarts: int = 1,
    **options: Any,
) -> Fit:
    """Train the model on a weighted matrix; of some restarts, return the one of least loss."""
    models = (  # no two seeds share a restart
        NeuralNMFModel(X, widths, weighting="none", random_state=restarts * seed + n, **options)
        for n in range(restarts)
    )
    best = min(models, key=lambda model: model.history.loss[-1])
    return best.factors, best.encode(X)


def measured(
    X: sp.csc_array, training: Callable[[sp.csc_array, int], Fit], subset: Subset, seeds: int
) -> list[list[float]]:
    """Return `COLUMNS` of the fits of a matrix of a subset, a row for each seed."""
    groups, rows = subset.posts.groups, []
    for seed in range(seeds):
        factors, codes = training(X, seed)
        row = measure(X, factors, codes, groups, super_groups(groups), subset.occurrence)
        rows.append([row[column] for column in COLUMNS])
    return rows


def spread_over_seeds(scores: np.ndarray) -> np.ndarray:
    """Return the sd over the seeds of a subset for each column, pooled over all else."""
    deviations = scores.std(axis=2, ddof=scores.shape[2] > 1)
    return np.asarray(np.sqrt((deviations**2).mean(axis=(0, 1))))


class Difference(NamedTuple):
    """Mean over subsets of a paired difference, its standard error, subsets where it is better."""

    mean: float
    error: float
    wins: int

    def __format__(self, digits: str) -> str:
        """Mean ± error (wins), bold beyond two standard errors."""
        text = f"{self.mean:+z{digits}} ± {self.error:{digits}}"
        return f"{f'**{text}**' if abs(self.mean) > 2 * self.error else text} ({self.wins})"


def is_error(column: str) -> bool:
    """Whether less is better."""
    return column.startswith("err")


def digits(column: str) -> str:
    """Return how the numbers of a column are written."""
    return ".4f" if is_error(column) else ".3f"


def difference(scores: np.ndarray, default: np.ndarray, column: str) -> Difference:
    """Compare a model with the default by a column on the same subsets, two or more."""
    differences = np.round(scores - default, 12)  # equal shares may differ by rounding
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    better = differences < 0 if is_error(column) else differences > 0
    return Difference(float(differences.mean()), float(error), int(better.sum()))


def table(title: str, columns: Sequence[str], rows: Mapping[str, Iterable[Any]]) -> list[str]:
    """Return the lines of a table: numbers, summaries or differences by name."""
    lines = [f"| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}"]
    for name, values in rows.items():
        cells = (f"{value:{digits(c)}}" for value, c in zip(values, columns, strict=True))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


class Summary(NamedTuple):
    """Mean and standard deviation."""

    mean: float
    deviation: float

    def __format__(self, digits: str) -> str:
        return f"{self.mean:{digits}} ± {self.deviation:{digits}}"


def summaries(samples: np.ndarray) -> list[Summary]:
    """Return mean and standard deviation of each column of (samples, columns)."""
    deviations = samples.std(axis=0, ddof=1)
    return [Summary(*pair) for pair in zip(samples.mean(axis=0), deviations, strict=True)]


def report(found: Study, title: str) -> str:
    """Return the table of the measures, and that of the differences from the default."""
    means = found.scores.mean(axis=2)
    rows: dict[str, Iterable[Any]] = dict(zip(found.names, map(summaries, means), strict=True))
    rows["sd over seeds, pooled"] = spread_over_seeds(found.scores)
    compared = {
        name: list(map(difference, mean.T, means[0].T, found.columns))
        for name, mean in zip(found.names[1:], means[1:], strict=True)
    }
    subsets = means.shape[1]
    lines = [f"Mean ± sd of {subsets} subsets:\n", *table(title, found.columns, rows)]
    lines.append(
        f"\nDifference from the default ± standard error (subsets of {subsets} where it is "
        "better), bold beyond two:\n"
    )
    return "\n".join(lines + table(title, found.columns, compared))
