"""Time one epoch of this package and of the authors' package, and compare their gradients.

An epoch is the forward pass, the backward pass and the step, at widths 10, 6 on 1,000 documents of
20 Newsgroups (22,488 terms), from the same factors. This package is timed in double and in single
precision (its default), the authors' in double, the only one it has; with as many BLAS threads as
it finds, as it runs by default, and with one, to which this package limits itself. There is a ratio
to either.

    pip install -e ".[bench]"
    python scripts/benchmark_epoch.py
"""

import argparse
from collections.abc import Iterator, Sequence
from statistics import median
from time import perf_counter
from typing import get_args

import numpy as np
import scipy.sparse as sp
from _setting import WIDTHS, environment, paper_subset, tfidf, train_posts
from threadpoolctl import threadpool_limits

from nnmf_topics._backend import Device
from nnmf_topics._typing import InitName, LossName
from nnmf_topics.initializers import initialize
from nnmf_topics.losses import squared_norm
from nnmf_topics.network import evaluate
from nnmf_topics.nnls import grams_of
from nnmf_topics.optimizers import GramDescent

LOSSES: dict[LossName, str] = {"energy": "Energy Loss", "reconstruction": "Recon Loss"}
"""Losses that both packages have, by their name in each."""

COLUMNS = (
    *("loss", "our dtype", "NeuralNMF epoch, s", "with one thread, s"),
    *("our step, ms", "our gradient, ms", "epoch ratio", "to one thread"),
    "gradients differ by",
)

Factors = Sequence[np.ndarray]


def our_epochs(X: sp.csc_array, factors: Factors, loss: LossName, repeats: int) -> np.ndarray:
    """Time the epochs of trainings: seconds of step and of gradient, (repeats, 2).

    Where no step lowers the loss any more, the next training begins, from the same factors.
    """
    seconds: list[np.ndarray] = []
    with Device("cpu").active():
        while len(seconds) < repeats:
            seconds.extend(_one_training(X, factors, loss, repeats - len(seconds)))
    return np.array(seconds)


def _one_training(
    X: sp.csc_array, factors: Factors, loss: LossName, repeats: int
) -> Iterator[np.ndarray]:
    norm, optimizer = squared_norm(X), GramDescent()
    grams = [grams_of(A) for A in factors]
    best, codes = evaluate(factors, X, norm, loss, None, grams)
    gram, goes_on = grams[0].gram, True
    for _ in range(repeats):
        times = [perf_counter()]
        trial = optimizer.propose(factors, best, gram)
        times.append(perf_counter())
        grams = [grams_of(A) for A in trial]
        evaluation, codes = evaluate(trial, X, norm, loss, codes, grams)
        times.append(perf_counter())
        if evaluation.value <= best.value:
            factors, best, gram = trial, evaluation, grams[0].gram
            optimizer.accept()
        else:
            goes_on = optimizer.reject()
        yield np.diff(times)
        if not goes_on:
            return


def mean_loss_gradient(X: sp.csc_array, factors: Factors, loss: LossName) -> list[np.ndarray]:
    """Return the gradient of the authors' form of a loss: each term is a mean over its entries.

    The terms of the energy loss have different numbers of entries, k_{l-1} times documents, so no
    common factor turns sums into means. But q(c A, X) = q(A, X) / c: with every A_l scaled by
    sqrt(k_l / k_{l-1}), term l grows by terms / k_{l-1}, and all sums are means times
    terms times documents. Reconstruction, a function of the products A_l S_l, does not change.
    """
    scales = [np.sqrt(A.shape[1] / A.shape[0]) for A in factors]
    scaled = [A * scale for A, scale in zip(factors, scales, strict=True)]
    with Device("cpu").active():
        evaluation, _ = evaluate(scaled, X, squared_norm(X), loss)
        gradient = evaluation.gradient(scaled)
    entries = X.shape[0] * X.shape[1]
    return [G * scale / entries for G, scale in zip(gradient, scales, strict=True)]


def authors_epoch(
    dense: np.ndarray, factors: Factors, loss: LossName, repeats: int, threads: int | None
) -> tuple[float, list[np.ndarray]]:
    """Return the median seconds of the authors' epoch, and their gradient.

    The learning rate is 0, so that all epochs are at the same factors.
    """
    import torch
    from NeuralNMF import Neural_NMF
    from NeuralNMF import train as authors_train

    net = Neural_NMF([len(dense), *(A.shape[1] for A in factors)])
    for layer, A in zip(net.lsqnonneglst, factors, strict=True):
        layer.A.data = torch.from_numpy(A.copy())
    X = torch.from_numpy(dense)
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        with threadpool_limits(threads):
            authors_train(net, X, loss_func=LOSSES[loss], epoch=1, lr=0.0, verbose=False)
        seconds.append(perf_counter() - start)
    return median(seconds), [layer.A.grad.numpy() for layer in net.lsqnonneglst]


def relative_difference(ours: Factors, theirs: Factors) -> float:
    """Largest difference of an entry, as a share of the largest entry of its factor's gradient."""
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main() -> None:
    """Print a line of the table for each loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="our epochs")
    parser.add_argument("--authors-repeats", type=int, default=2, help="the authors' epochs")
    parser.add_argument("--init", choices=get_args(InitName), default="layerwise")
    options = parser.parse_args()

    X, _ = tfidf(paper_subset(train_posts()).documents)
    factors = initialize(options.init, X, WIDTHS, np.random.RandomState(0))
    dense = X.toarray()
    print(environment("torch", "NeuralNMF"))
    print(f"{X.shape[0]:,} terms x {X.shape[1]:,} documents, widths {WIDTHS}")
    print(f"factors: {options.init}; medians of {options.repeats} and {options.authors_repeats}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for loss in LOSSES:
        theirs, gradient = zip(
            *(authors_epoch(dense, factors, loss, options.authors_repeats, n) for n in (None, 1)),
            strict=True,
        )
        epochs = [f"{seconds:.2f}" for seconds in theirs]
        for dtype in (np.float64, np.float32):
            Y, start = X.astype(dtype), [A.astype(dtype) for A in factors]
            step, ours = np.median(our_epochs(Y, start, loss, options.repeats), axis=0)
            difference = relative_difference(mean_loss_gradient(Y, start, loss), gradient[0])
            milliseconds = [f"{1000 * part:.1f}" for part in (step, ours)]
            ratios = [f"{seconds / (step + ours):,.0f}" for seconds in theirs]
            row = (loss, Y.dtype.name, *epochs, *milliseconds, *ratios, f"{difference:.1e}")
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
