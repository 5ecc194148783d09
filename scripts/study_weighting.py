"""Compare weightings of words by the topics that the model makes of them: the study of its default.

Raw counts of 1,000 documents of 20 Newsgroups (the paper's ten groups, or the ten others), widths
10, 6, all other options at their default. The fits are repeated on several subsets of the
documents, for a weighting that is best on one subset need not be so on the next. idf =
log(1 + N / df) unless the name of a weighting tells otherwise.

    pip install -e .
    python scripts/study_weighting.py
    python scripts/study_weighting.py --subset-seeds 4 --seeds 1   # a quick look
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import _measures
import numpy as np
import scipy.sparse as sp
from _setting import environment, train_posts
from _study import Study, Subset, fit, is_error, measured, parsed, report, subsets

from nnmf_topics.weighting import fit_weighting, survey

# The errors are left out: those of different matrices cannot be compared. More is better in all.
COLUMNS = tuple(column for column in _measures.COLUMNS if not is_error(column))
# init="auto" is this start where the model weighs the words, as by default; for a matrix that is
# weighted already, as all are here, it would be "layerwise".
TRAINING = partial(fit, init="clusters")
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


def study(subsets: Iterable[Subset], seeds: int) -> Study:
    """Fit and measure the models."""
    names, scores = [], []
    for subset in subsets:
        matrices = weightings(subset.counts)
        names = list(matrices)
        scores.append([measured(X, TRAINING, subset, seeds) for X in matrices.values()])
    shown = [_measures.COLUMNS.index(column) for column in COLUMNS]
    return Study(names, COLUMNS, np.swapaxes(scores, 0, 1)[..., shown])


def main() -> None:
    """Print both tables."""
    options = parsed(__doc__.splitlines()[0], subset_seeds=14)
    print(environment())
    print(
        f"100 documents of each group: the first, and drawn by {options.subset_seeds} seeds; "
        f"{options.seeds} seeds of the model on each\n"
    )
    chosen = subsets(train_posts(), options.subset_seeds, options.groups)
    print(report(study(chosen, options.seeds), "weighting"))


if __name__ == "__main__":
    main()
