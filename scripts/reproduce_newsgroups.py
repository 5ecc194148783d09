"""Repeat the paper's experiment on 20 Newsgroups: ten groups in six super-groups, widths 10, 6.

100 train documents of each group, tf-idf. Unsupervised, against both ways of hierarchical NMF on
the same matrix; and with the super-groups of some documents as labels, their accuracy measured on
documents whose label was hidden: by layer and weight of the labels, against a linear SVM on the
same labels and a least-squares head on the codes of an unsupervised model. Keywords of both layers
and heat maps of the factors go into a folder.

    pip install -e . matplotlib
    python scripts/reproduce_newsgroups.py --output newsgroups

The documents are the first of the train part, or drawn at random by --subset-seed; the paper does
not say which it took.
"""

import argparse
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from _measures import COLUMNS, measure
from _setting import WIDTHS, environment, hnmf, paper_subset, super_groups, tfidf, train_posts
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.svm import LinearSVC

from nnmf_topics import NeuralNMF
from nnmf_topics.evaluation import npmi, top_words

WEIGHTS = (0.01, 0.03, 0.1, 0.3, 1.0)
SHARES = (0.75, 0.1)
LAYERS = {"coarsest": -1, "finest": 0}
SUPERVISED = ("labels", "known", "weight", "accuracy", "npmi1", "npmi2", "err1", "err2", "seconds")
HIDDEN = -1


class Data(NamedTuple):
    """The matrix (terms, documents), its words, the classes, and which document has which word."""

    X: sp.csc_array
    terms: list[str]
    groups: np.ndarray
    supers: np.ndarray
    occurrence: sp.csc_array


Fit = tuple[Sequence[np.ndarray], Sequence[np.ndarray]]


def prepared(subset_seed: int | None) -> Data:
    """Return the documents of the experiment; words are looked up in all train documents."""
    posts = train_posts()
    subset = paper_subset(posts, subset_seed)
    X, terms = tfidf(subset.documents)
    counter = CountVectorizer(vocabulary=terms, binary=True)
    occurrence = sp.csc_array(counter.fit_transform(posts.documents))
    return Data(X, terms, subset.groups, super_groups(subset.groups), occurrence)


def fit_ours(X: sp.csc_array, seed: int) -> Fit:
    """Train without labels, in single precision, the default of the topic model."""
    samples = X.T.astype(np.float32)
    model = NeuralNMF(WIDTHS, random_state=seed, device="cpu").fit(samples)
    return model.factors_, model.encode(samples)


def fit_hnmf(X: sp.csc_array, seed: int, *, init: str, unit_columns: bool) -> Fit:
    """Train a hierarchical NMF, layer by layer."""
    return hnmf(X, WIDTHS, init, unit_columns, seed)


METHODS: dict[str, Callable[[sp.csc_array, int], Fit]] = {
    "nnmf_topics": fit_ours,
    "HNMF, nndsvda": partial(fit_hnmf, init="nndsvda", unit_columns=False),
    "HNMF, unit columns, random start": partial(fit_hnmf, init="random", unit_columns=True),
}


def line(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def print_header(columns: Sequence[str]) -> None:
    """Print the first two lines of a table."""
    print(f"\n{line(columns)}\n|{'---|' * len(columns)}", flush=True)


def unsupervised(data: Data, seeds: int) -> dict[str, np.ndarray]:
    """Print the measures of every method; return them, (seeds, measures) of each."""
    print_header(("method", *COLUMNS, "seconds"))
    found = {}
    for name, fit in METHODS.items():
        rows = []
        for seed in range(seeds):
            start = perf_counter()
            factors, codes = fit(data.X, seed)
            seconds = perf_counter() - start
            values = measure(data.X, factors, codes, data.groups, data.supers, data.occurrence)
            rows.append([*values.values(), seconds])
        found[name] = np.array(rows)
        mean, deviation = found[name].mean(axis=0), found[name].std(axis=0, ddof=1)
        cells = (f"{m:.4f} ± {d:.4f}" for m, d in zip(mean, deviation, strict=True))
        print(line((name, *cells)), flush=True)
    return found


def differences(found: dict[str, np.ndarray]) -> None:
    """Print ours minus each of the others, paired by seed, with two standard errors."""
    mine, *others = found
    print("\nOurs minus each, paired by seed, ± two standard errors:")
    print_header(("method", *COLUMNS))
    for name in others:
        d = (found[mine] - found[name])[:, :-1]
        error = 2 * d.std(axis=0, ddof=1) / np.sqrt(len(d))
        cells = (f"{m:+.4f} ± {e:.4f}" for m, e in zip(d.mean(axis=0), error, strict=True))
        print(line((name, *cells)))


def splits(data: Data, share: float, number: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield a seed, the documents whose label is known, and those where it is hidden."""
    shuffles = StratifiedShuffleSplit(number, train_size=share, random_state=0)
    for seed, (known, held) in enumerate(shuffles.split(data.supers, data.supers)):
        yield seed, known, held


def with_labels(
    data: Data, layer: int, weight: float, seed: int, known: np.ndarray, held: np.ndarray
) -> list[float]:
    """Train with the labels of some documents; return accuracy on the others, and the rest."""
    y = np.full(len(data.supers), None, dtype=object)
    y[known] = data.supers[known]
    X = data.X.T.astype(np.float32)
    start = perf_counter()
    model = NeuralNMF(
        WIDTHS, label_layer=layer, label_weight=weight, random_state=seed, device="cpu"
    ).fit(X, y)
    seconds = perf_counter() - start
    tops = [top_words(model.factors_, layer) for layer in (0, 1)]
    return [
        model.score(X[held], data.supers[held]),
        *(npmi(top, data.occurrence) for top in tops),
        *model.history_.errors[-1],
        seconds,
    ]


def peers(
    data: Data, fitted: Sequence[Fit], seed: int, known: np.ndarray, held: np.ndarray
) -> dict[str, float]:
    """Return the accuracies of a linear SVM on the words and of heads on unsupervised codes."""
    names, numbers = np.unique(data.supers, return_inverse=True)
    svm = LinearSVC(random_state=seed).fit(data.X.T[known], data.supers[known])
    found = {"LinearSVC on tf-idf": float(svm.score(data.X.T[held], data.supers[held]))}
    _, codes = fitted[seed % len(fitted)]
    for name, layer in LAYERS.items():
        S = codes[layer].astype(np.float64)
        B = np.eye(len(names))[:, numbers[known]] @ np.linalg.pinv(S[:, known])
        right = (B @ S[:, held]).argmax(axis=0) == numbers[held]
        found[f"unsupervised codes, {name}, least squares"] = float(np.mean(right))
    return found


def supervised(data: Data, number: int) -> None:
    """Print held-out accuracy by layer and weight of the labels, and that of the peers."""
    fitted = [fit_ours(data.X, seed) for seed in range(number)]
    print_header(SUPERVISED)
    for share in SHARES:
        known = f"{100 * share:.0f} %"
        every = list(splits(data, share, number))
        rows = [peers(data, fitted, *split) for split in every]
        for name in rows[0]:
            accuracy = [row[name] for row in rows]
            cells = (name, known, "", f"{np.mean(accuracy):.3f} ± {np.std(accuracy, ddof=1):.3f}")
            print(line((*cells, *[""] * 5)), flush=True)
        for name, layer in LAYERS.items():
            for weight in WEIGHTS:
                values = np.array([with_labels(data, layer, weight, *split) for split in every])
                accuracy, *rest = values.mean(axis=0)
                spread = values[:, 0].std(ddof=1)
                cells = (name, known, f"{weight:g}", f"{accuracy:.3f} ± {spread:.3f}")
                print(line((*cells, *(f"{value:.3f}" for value in rest))), flush=True)


def keywords(model: NeuralNMF, terms: Sequence[str]) -> str:
    """Return the top words of the topics of both layers, the fine ones below their parent."""
    words = [
        [", ".join(terms[i] for i in top) for top in top_words(model.factors_, layer)]
        for layer in (0, 1)
    ]
    A = model.factors_[1]
    lines = []
    for parent, text in enumerate(words[1]):
        lines.append(f"{parent}: {text}")
        children = np.flatnonzero(A.argmax(axis=1) == parent)
        lines += [f"    {child}: {words[0][child]}" for child in children]
    return "\n".join(lines)


def draw(model: NeuralNMF, terms: Sequence[str], path: Path) -> str:
    """Draw A_0, at the top words of each topic, and A_1; return what was done."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no heat maps: matplotlib is not installed"
    A_0, A_1 = model.factors_
    rows = np.concatenate([top[:3] for top in top_words(model.factors_, 0)])
    figure = Figure(figsize=(9, 7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for panel, matrix, title in ((left, A_0[rows], "A_0"), (right, A_1, "A_1")):
        figure.colorbar(panel.imshow(matrix, aspect="auto", cmap="viridis"), ax=panel)
        panel.set(title=title, xlabel="topic")
    left.set_yticks(range(len(rows)), [terms[i] for i in rows], fontsize=6)
    right.set_ylabel("fine topic")
    figure.savefig(path)
    return f"heat maps: {path}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables and write keywords and heat maps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="of the unsupervised table")
    parser.add_argument("--splits", type=int, default=5, help="of known and hidden labels")
    parser.add_argument("--subset-seed", type=int, help="draw the documents; default: the first")
    parser.add_argument("--output", type=Path, default=Path("newsgroups"), help="a folder")
    options = parser.parse_args(arguments)

    data = prepared(options.subset_seed)
    print(environment())
    print(f"{data.X.shape[1]:,} documents, {len(data.terms):,} terms, widths {WIDTHS}")
    warnings.simplefilter("once", ConvergenceWarning)
    differences(unsupervised(data, options.seeds))
    supervised(data, options.splits)
    options.output.mkdir(parents=True, exist_ok=True)
    model = NeuralNMF(WIDTHS, random_state=0, device="cpu").fit(data.X.T.astype(np.float32))
    (options.output / "keywords.txt").write_text(keywords(model, data.terms), encoding="utf-8")
    print(f"\nkeywords: {options.output / 'keywords.txt'}")
    print(draw(model, data.terms, options.output / "factors.png"))


if __name__ == "__main__":
    main()
