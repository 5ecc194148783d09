"""Compare starts, losses and restarts by the topics that training makes: the study of its defaults.

1,000 documents of 20 Newsgroups (the paper's ten groups, or the ten others), widths 10, 6, the
first and other subsets, of each (a) the tf-idf matrix and (b) raw counts as the model weighs them
by default. The default start is the one which init="auto" takes: "layerwise" for a matrix that is
weighted already, "clusters" where the model weighs the words. All other options are at their
default but for what a row tells. Less is better for the errors, more for all else. Last the starts
on the 300 news articles of Lee, weighted as in (b), which have no labels.

    pip install -e .
    python scripts/study_training.py                                # 4 minutes
    python scripts/study_training.py --groups others                # a second corpus
    python scripts/study_training.py --subset-seeds 2 --seeds 1     # a quick look
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import scipy.sparse as sp
from _measures import COLUMNS
from _setting import WIDTHS, environment, hnmf, tfidf, train_posts
from _study import Fit, Study, Subset, fit, measured, parsed, report, subsets, summaries, table
from gensim.matutils import corpus2csc
from study_weighting import weigh_by_default

from nnmf_topics._typing import InitName
from nnmf_topics.datasets import load_lee
from nnmf_topics.evaluation import diversity, npmi, relative_error, top_words

Training = Callable[[sp.csc_array, int], Fit]

STARTS: tuple[InitName, ...] = ("layerwise", "clusters", "nndsvd", "random")
RESTARTS = 5
TOL = 1e-5  # the default
LEE_WIDTHS, LEE_SEEDS = (10, 3), 5
LEE_COLUMNS = ("err1", "err2", "npmi1", "npmi2", "diversity")


def trainings(default: InitName) -> dict[str, Training]:
    """Return the ways to train by name, that with the default start first."""
    others = [name for name in STARTS if name != default]
    return {
        f"start {default}, the default": partial(fit, init=default),
        **{f"start {name}": partial(fit, init=name) for name in others},
        f"start random, best of {RESTARTS} by loss": partial(fit, init="random", restarts=RESTARTS),
        "loss energy": partial(fit, init=default, loss="energy"),
        "loss reconstruction": partial(fit, init=default, loss="reconstruction"),
        "tol / 100": partial(fit, init=default, tol=TOL / 100),
        "HNMF, nndsvda": lambda X, seed: hnmf(X, WIDTHS, "nndsvda", False, seed),
        "HNMF, unit columns, random start": lambda X, seed: hnmf(X, WIDTHS, "random", True, seed),
    }


def study(
    prepared: Iterable[tuple[sp.csc_array, Subset]], ways: Mapping[str, Training], seeds: int
) -> Study:
    """Train and measure in all ways on each matrix of a subset."""
    scores = [
        [measured(X, training, subset, seeds) for training in ways.values()]
        for X, subset in prepared
    ]
    return Study(list(ways), COLUMNS, np.swapaxes(scores, 0, 1))


def without_labels(X: sp.csc_array, found: Fit, occurrence: sp.csc_array) -> list[float]:
    """Return the `LEE_COLUMNS` of a fit."""
    tops = [top_words(found[0], layer) for layer in (0, 1)]
    errors = (relative_error(X, *found, layer) for layer in (0, 1))
    return [*errors, *(npmi(top, occurrence) for top in tops), diversity(tops[0])]


def lee_table(seeds: int) -> str:
    """Return the table of the starts on the articles of Lee."""
    data = load_lee()
    counts = sp.csc_array(corpus2csc(data.corpus, num_terms=len(data.dictionary)))
    X, occurrence = weigh_by_default(counts), sp.csc_array(counts.T > 0)
    rows = {}
    for init in STARTS:
        fits = (fit(X, seed, widths=LEE_WIDTHS, init=init) for seed in range(seeds))
        rows[f"start {init}"] = summaries(
            np.array([without_labels(X, found, occurrence) for found in fits])
        )
    return "\n".join(table("training", LEE_COLUMNS, rows))


def main() -> None:
    """Print all tables."""
    options = parsed(__doc__.splitlines()[0], subset_seeds=9)
    print(environment("gensim"))
    print(
        f"100 documents of each group: the first, and drawn by {options.subset_seeds} seeds; "
        f"{options.seeds} seeds of the model on each"
    )
    chosen = list(subsets(train_posts(), options.subset_seeds, options.groups))
    kinds: dict[str, tuple[InitName, Callable[[Subset], sp.csc_array]]] = {
        "(a) tf-idf": ("layerwise", lambda subset: tfidf(subset.posts.documents)[0]),
        "(b) raw counts, default weighting": (
            "clusters",
            lambda subset: weigh_by_default(subset.counts),
        ),
    }
    for kind, (default, prepare) in kinds.items():
        prepared = ((prepare(subset), subset) for subset in chosen)
        found = study(prepared, trainings(default), options.seeds)
        print(f"\n{kind}. {report(found, 'training')}", flush=True)
    print(f"\nLee, widths {LEE_WIDTHS}, mean ± sd of {LEE_SEEDS} seeds:\n\n{lee_table(LEE_SEEDS)}")


if __name__ == "__main__":
    main()
