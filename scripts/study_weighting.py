"""Compare weightings of words by the topics that the model makes of them: the study of its default.

Raw counts of 1,000 documents of 20 Newsgroups (ten groups in six super-groups), widths 10, 6, all
other options at their default. The fits are repeated on several subsets of the documents, for a
weighting that is best on one subset need not be so on the next. idf = log(1 + N / df) unless the
name of a weighting tells otherwise.

    pip install -e .
    python scripts/study_weighting.py
    python scripts/study_weighting.py --subset-seeds 4 --seeds 1   # a quick look
"""

import argparse
from collections.abc import Callable
from typing import NamedTuple

import _measures
import numpy as np
import scipy.sparse as sp
from _setting import WIDTHS, Posts, environment, paper_subset, super_groups, train_posts
from sklearn.feature_extraction.text import CountVectorizer

from nnmf_topics import NeuralNMFModel
from nnmf_topics.weighting import fit_weighting, survey

# The errors are left out: those of different matrices cannot be compared. More is better in all.
COLUMNS = tuple(column for column in _measures.COLUMNS if not column.startswith("err"))
LOCAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tf": np.asarray,
    "sqrt(tf)": np.sqrt,
    "log(1+tf)": np.log1p,
}


class Scheme(NamedTuple):
    """A weighting local(tf) idf^power of the words in `least` documents or more."""

    local: str = "log(1+tf)"
    power: float = 1.5
    least: int = 5
    plain: bool = False

    def __str__(self) -> str:
        idf = "idf" if self.power == 1 else f"idf^{self.power:g}"
        words = f"words in >= {self.least} documents" if self.least > 1 else "all words"
        return f"{self.local} {idf}, {words}" + (", idf = log(N / df)" if self.plain else "")


SCHEMES = (
    Scheme("tf", 1, 1),
    Scheme("tf", 1),
    Scheme("tf"),
    Scheme("sqrt(tf)", 1),
    Scheme("sqrt(tf)"),
    Scheme(power=1, least=1),
    Scheme(power=1),
    Scheme(power=1, plain=True),
    Scheme(least=1),
    Scheme(plain=True),
    Scheme(power=2),
    Scheme(power=2.5),
)


def weigh(counts: sp.csc_array, scheme: Scheme) -> sp.csc_array:
    """Return counts (terms, documents) weighted, with columns of unit length."""
    frequency = np.maximum(np.bincount(counts.indices, minlength=counts.shape[0]), 1)
    ratio = counts.shape[1] / frequency
    idf = np.log(ratio) if scheme.plain else np.log1p(ratio)
    terms = np.where(frequency >= scheme.least, idf**scheme.power, 0.0)
    X = counts.astype(np.float64)
    X.data = LOCAL[scheme.local](X.data) * terms[X.indices]
    lengths = np.sqrt(X.multiply(X).sum(axis=0))
    X = sp.csc_array(X @ sp.diags_array(1 / np.where(lengths > 0, lengths, 1.0)))
    X.eliminate_zeros()
    return X


def weigh_by_default(counts: sp.csc_array) -> sp.csc_array:
    """Return counts as the model weighs them with its default options."""
    weighting = fit_weighting("auto", survey([counts], counts.shape[0]))
    return weighting(counts.astype(np.float64))


def weightings(counts: sp.csc_array) -> dict[str, sp.csc_array]:
    """Return the weighted matrices by name, the default first."""
    others = {str(scheme): weigh(counts, scheme) for scheme in SCHEMES}
    return {f"{Scheme()}, the default": weigh_by_default(counts), **others}


class Study(NamedTuple):
    """Measures of the models of all weightings, the default first.

    Attributes
    ----------
    names : of the weightings
    scores : (weightings, subsets, seeds, columns)
    """

    names: list[str]
    scores: np.ndarray


def study(train: Posts, subsets: list[Posts], seeds: int) -> Study:
    """Fit and measure the models; the words are those of the subset, less stop words."""
    vectorizer = CountVectorizer(stop_words="english")
    reference = sp.csc_array(vectorizer.fit_transform(train.documents) > 0)
    names, scores = [], []
    for posts in subsets:
        counts = sp.csr_array(vectorizer.transform(posts.documents).T)
        used = np.flatnonzero(np.diff(counts.indptr))
        matrices = weightings(sp.csc_array(counts[used]))
        names, occurrence = list(matrices), reference[:, used]
        scores.append([_scores(X, posts, occurrence, seeds) for X in matrices.values()])
    return Study(names, np.swapaxes(scores, 0, 1))


def _scores(
    X: sp.csc_array, posts: Posts, occurrence: sp.csc_array, seeds: int
) -> list[list[float]]:
    supers = super_groups(posts.groups)
    rows = []
    for seed in range(seeds):
        model = NeuralNMFModel(X, WIDTHS, weighting="none", random_state=seed)
        codes = model.encode(X)
        row = _measures.measure(X, model.factors, codes, posts.groups, supers, occurrence)
        rows.append([row[column] for column in COLUMNS])
    return rows


def spread_over_seeds(scores: np.ndarray) -> np.ndarray:
    """Return the sd over the seeds of a subset for each column, pooled over all else."""
    deviations = scores.std(axis=2, ddof=scores.shape[2] > 1)
    return np.asarray(np.sqrt((deviations**2).mean(axis=(0, 1))))


class Difference(NamedTuple):
    """Mean over subsets of a paired difference, its standard error, subsets where it is > 0."""

    mean: float
    error: float
    wins: int

    def __str__(self) -> str:
        """Mean ± error (wins), bold beyond two standard errors."""
        text = f"{self.mean:+z.3f} ± {self.error:.3f}"
        return f"{f'**{text}**' if abs(self.mean) > 2 * self.error else text} ({self.wins})"


def difference(scores: np.ndarray, default: np.ndarray) -> Difference:
    """Compare two weightings by their scores on the same subsets, two or more."""
    differences = np.round(scores - default, 12)  # equal shares may differ by rounding
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    return Difference(float(differences.mean()), float(error), int((differences > 0).sum()))


def report(found: Study) -> str:
    """Return the table of the measures, and that of the differences from the default."""
    means = found.scores.mean(axis=2)
    subsets = means.shape[1]
    header = f"| weighting | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}"
    lines = [f"Mean ± sd of {subsets} subsets:\n", header]
    for name, rows in zip(found.names, means, strict=True):
        cells = (f"{column.mean():.3f} ± {column.std(ddof=1):.3f}" for column in rows.T)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    spread = (f"{value:.3f}" for value in spread_over_seeds(found.scores))
    lines.append(f"| sd over seeds, pooled | {' | '.join(spread)} |")
    title = "\nDifference from the default ± standard error (subsets of {} where it is better):\n"
    lines += [title.format(subsets), header]
    for name, rows in zip(found.names[1:], means[1:], strict=True):
        pairs = zip(rows.T, means[0].T, strict=True)
        cells = (str(difference(column, default)) for column, default in pairs)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--subset-seeds", type=int, default=14, help="subsets drawn, besides the first documents"
    )
    parser.add_argument("--seeds", type=int, default=2, help="fits on each subset")
    options = parser.parse_args()
    if options.subset_seeds < 1:
        parser.error("--subset-seeds must be 1 or more: one subset has no standard error")

    print(environment())
    train = train_posts()
    drawn = range(options.subset_seeds)
    subsets = [paper_subset(train, seed) for seed in (None, *drawn)]
    print(
        f"100 documents of each group: the first, and drawn by {len(drawn)} seeds; "
        f"{options.seeds} seeds of the model on each\n"
    )
    print(report(study(train, subsets, options.seeds)))


if __name__ == "__main__":
    main()
