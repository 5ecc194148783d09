"""Hierarchies of images: handwritten digits of scikit-learn, 1,797 of 8 x 8 pixels in ten classes.

Errors of every layer against hierarchical NMF from the same seeds; accuracy on hidden labels with
some of the labels, against linear classifiers on the pixels with the same ones; and pictures of the
topics of all layers.

    pip install -e .
    pip install matplotlib    # for the pictures
    python scripts/reproduce_digits.py --output pictures
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from math import ceil, sqrt
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp
from _setting import HNMF_ITERATIONS, environment, hnmf
from benchmark_quality import summary
from reproduce_synthetic import Fit, draw, share, stratified, table_head
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from nnmf_topics import NeuralNMF
from nnmf_topics.evaluation import relative_error, svd_bound

WIDTHS = (40, 20, 10)
SHARES = (0.1, 0.5, 0.75)
SIDE = 8
BRIGHTEST = 16

Trainer = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]


def images(samples: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels between 0 and 1 (samples, pixels), and the digit of each."""
    X, y = load_digits(return_X_y=True)
    return X[:samples] / BRIGHTEST, y[:samples]


def fit_neural(X: np.ndarray, widths: Sequence[int], passes: int, seed: int) -> Fit:
    """Train this package without labels."""
    model = NeuralNMF(widths, max_iter=passes, device="cpu", random_state=seed)
    start = perf_counter()
    model.fit(X)
    seconds = perf_counter() - start
    return Fit(list(model.factors_), model.encode(X), np.empty(0), seconds)


def fit_hnmf(X: np.ndarray, widths: Sequence[int], seed: int) -> Fit:
    """Train hierarchical NMF, its columns of unit length."""
    start = perf_counter()
    factors, codes = hnmf(sp.csc_array(X.T), widths, "random", True, seed)
    return Fit(factors, codes, np.empty(0), perf_counter() - start)


def error_table(
    X: np.ndarray, fits: dict[str, list[Fit]], widths: Sequence[int], digits: int = 4
) -> list[str]:
    """Return the lines of the table of errors, a line for each method below the bounds."""
    data, layers = sp.csc_array(X.T), range(len(widths))
    lines = table_head("method", *(f"error, layer {layer}" for layer in layers), "seconds")
    least = [f"{svd_bound(data, k):.{digits}f}" for k in widths]
    lines.append(f"| SVD bound | {' | '.join(least)} | |")
    for name, each in fits.items():
        errors = [[relative_error(data, fit.factors, fit.codes, n) for fit in each] for n in layers]
        cells = [*(summary(row, digits) for row in errors), summary([f.seconds for f in each], 1)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def classifiers(widths: Sequence[int], passes: int, seed: int) -> dict[str, Trainer]:
    """Return by name what is fitted to pixels, labels and whose label is known."""

    def neural(layer: int) -> Trainer:
        options: dict[str, Any] = {"max_iter": passes, "device": "cpu", "random_state": seed}
        return lambda X, y, known: NeuralNMF(widths, label_layer=layer, **options).fit(
            X, np.where(known, y, -1)
        )

    def linear(kind: Any) -> Trainer:
        return lambda X, y, known: kind(max_iter=10_000, random_state=seed).fit(X[known], y[known])

    return {
        "NeuralNMF, labels on the finest layer": neural(0),
        "NeuralNMF, labels on the coarsest layer": neural(-1),
        "LogisticRegression on pixels": linear(LogisticRegression),
        "LinearSVC on pixels": linear(LinearSVC),
    }


def label_table(
    X: np.ndarray, y: np.ndarray, widths: Sequence[int], passes: int, seeds: int
) -> list[str]:
    """Return the lines of the table of accuracies, a line for each method and share of labels."""
    lines = table_head("known labels", "method", "hidden labels", "errors of the layers", "seconds")
    for known_share in SHARES:
        for name in classifiers(widths, passes, 0):
            scores, seconds, errors = [], [], []
            for seed in range(seeds):
                known = stratified(y, known_share, seed)
                start = perf_counter()
                model = classifiers(widths, passes, seed)[name](X, y, known)
                seconds.append(perf_counter() - start)
                scores.append(share(model.predict(X[~known]) == y[~known]))
                if isinstance(model, NeuralNMF):
                    errors.append(model.history_.errors[-1])
            means = ", ".join(f"{error:.4f}" for error in np.mean(errors, axis=0)) if errors else ""
            lines.append(
                f"| {known_share:.0%} | {name} | {summary(scores, 3)} | {means} "
                f"| {summary(seconds, 1)} |"
            )
    return lines


def mosaic(topics: np.ndarray) -> np.ndarray:
    """Return pictures (topics, pixels) side by side, each to its own brightest, edges between."""
    across = ceil(sqrt(len(topics)))
    down = ceil(len(topics) / across)
    brightest = topics.max(axis=1, keepdims=True)
    tiles = np.zeros((down * across, SIDE + 1, SIDE + 1))
    tiles[:, -1, :] = tiles[:, :, -1] = 1
    tiles[: len(topics), :SIDE, :SIDE] = (topics / np.where(brightest > 0, brightest, 1)).reshape(
        -1, SIDE, SIDE
    )
    rows = tiles.reshape(down, across, SIDE + 1, SIDE + 1)
    return rows.swapaxes(1, 2).reshape(down * (SIDE + 1), across * (SIDE + 1))


def pictures(name: str, fit: Fit) -> list[tuple[str, np.ndarray]]:
    """Return a name and the topics' pictures for each layer."""
    product, row = np.eye(len(fit.factors[0])), []
    for layer, A in enumerate(fit.factors):
        product = product @ A
        row.append((f"{name}, layer {layer}", mosaic(product.T)))
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables, and draw the topics."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", metavar="FOLDER", type=Path, help="for the topics as PNG")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument(
        "--passes", type=int, default=HNMF_ITERATIONS, help="without labels, at most"
    )
    parser.add_argument("--label-passes", type=int, default=200, help="with labels, at most")
    parser.add_argument("--samples", type=int, help="the first so many; default: all")
    parser.add_argument("--seeds", type=int, default=3, help="fits of each method")
    options = parser.parse_args(arguments)
    widths, seeds = tuple(options.widths), range(options.seeds)

    X, y = images(options.samples)
    print(environment())
    print(
        f"{len(X):,} images, widths {widths}; {options.passes:,} passes at most without labels, "
        f"{options.label_passes:,} with; HNMF {HNMF_ITERATIONS:,} iterations a layer at most; "
        f"mean ± sd of {options.seeds} seeds\n"
    )
    with warnings.catch_warnings():
        # Said above: trainings may end before they have converged.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit_neural(X, widths, 2, 0)  # loops are compiled before anything is timed
        fits = {
            "NeuralNMF": [fit_neural(X, widths, options.passes, seed) for seed in seeds],
            "HNMF": [fit_hnmf(X, widths, seed) for seed in seeds],
        }
        print("\n".join([*error_table(X, fits, widths), ""]), flush=True)
        print("\n".join(label_table(X, y, widths, options.label_passes, options.seeds)))
    if options.output:
        rows = [pictures(name, each[0]) for name, each in fits.items()]
        print(f"\n{draw(options.output / 'digits.png', rows, 'gray')}")


if __name__ == "__main__":
    main()
