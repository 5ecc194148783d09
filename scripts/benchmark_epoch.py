"""Time one epoch of this package and of the authors' package, and compare their gradients.

An epoch is the forward pass, the backward pass and the step, at widths 10, 6 on 1,000 documents of
20 Newsgroups (22,488 terms), in double precision and from the same factors.

    pip install -e ".[bench]"
    python scripts/benchmark_epoch.py
"""

import argparse
from collections.abc import Sequence
from statistics import median
from time import perf_counter
from typing import get_args

import numpy as np
import scipy.sparse as sp
from _setting import WIDTHS, environment, paper_subset, tfidf, train_posts

from nnmf_topics._backend import Device
from nnmf_topics._typing import InitName, LossName
from nnmf_topics.initializers import initialize, squared_norm
from nnmf_topics.network import evaluate
from nnmf_topics.optimizers import GramDescent
from nnmf_topics.training import train

LOSSES: dict[LossName, str] = {"energy": "Energy Loss", "reconstruction": "Recon Loss"}
"""Losses that both packages have, by their name in each."""

Factors = Sequence[np.ndarray]


def cold_epochs(X: sp.csc_array, factors: Factors, loss: LossName, repeats: int) -> list[float]:
    """Return the seconds of first passes, which know nothing of the supports."""
    seconds = []
    for _ in range(repeats):
        start = perf_counter()
        with Device("cpu").active():
            evaluation, _ = evaluate(factors, X, squared_norm(X), loss)
            GramDescent().propose(factors, evaluation)
        seconds.append(perf_counter() - start)
    return seconds


def warm_epochs(X: sp.csc_array, factors: Factors, loss: LossName, repeats: int) -> list[float]:
    """Return the seconds of passes in a training: each starts from the supports of the last."""
    times: list[float] = []
    train([X], factors, loss=loss, passes=repeats + 1, tol=0, on_pass=lambda _: _stamp(times))
    return np.diff(times).tolist()


def _stamp(times: list[float]) -> None:
    times.append(perf_counter())


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


def authors_epochs(
    dense: np.ndarray, factors: Factors, loss: LossName, repeats: int
) -> tuple[list[float], list[np.ndarray]]:
    """Return the seconds of the authors' epochs, and their gradient; the learning rate is 0."""
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
        authors_train(net, X, loss_func=LOSSES[loss], epoch=1, lr=0.0, verbose=False)
        seconds.append(perf_counter() - start)
    return seconds, [layer.A.grad.numpy() for layer in net.lsqnonneglst]


def relative_difference(ours: Factors, theirs: Factors) -> float:
    """Largest difference of an entry, as a share of the largest entry of its factor's gradient."""
    pairs = zip(ours, theirs, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def main() -> None:
    """Print a line of the table for each loss."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20, help="our epochs, cold and warm")
    parser.add_argument("--authors-repeats", type=int, default=2, help="the authors' epochs")
    parser.add_argument("--init", choices=get_args(InitName), default="layerwise")
    options = parser.parse_args()

    X, _ = tfidf(paper_subset(train_posts()).documents)
    factors = initialize(options.init, X, WIDTHS, np.random.RandomState(0))
    dense = X.toarray()
    print(environment("torch", "NeuralNMF"))
    print(f"{X.shape[0]:,} terms x {X.shape[1]:,} documents, widths {WIDTHS}, {X.dtype}")
    print(f"factors: {options.init}; medians of {options.repeats} and {options.authors_repeats}\n")
    print("| loss | NeuralNMF, s | ours cold, s | ours warm, s | ratio cold | ratio warm "
          "| gradients differ by |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for loss in LOSSES:
        seconds, gradient = authors_epochs(dense, factors, loss, options.authors_repeats)
        theirs = median(seconds)
        cold = median(cold_epochs(X, factors, loss, options.repeats))
        warm = median(warm_epochs(X, factors, loss, options.repeats))
        difference = relative_difference(mean_loss_gradient(X, factors, loss), gradient)
        print(f"| {loss} | {theirs:.2f} | {cold:.4f} | {warm:.4f} | {theirs / cold:,.0f} "
              f"| {theirs / warm:,.0f} | {difference:.1e} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
