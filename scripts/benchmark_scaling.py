"""Measure how the time of training grows with its sizes, and how far a pass is from the machine.

SCALING: documents, words of the vocabulary, non-zeros of a document, topics of the finest layer and
layers, each varied alone. Training is `NeuralNMFModel` on a sparse matrix of counts, with its start
and five passes. Documents draw their words from a few planted topics each.

ROOFLINE: a pass (the evaluation of all chunks, and a step) against the time that its bytes and its
arithmetic need at the speeds measured just before: of arrays too large for the cache, of arrays as
large as A_0, whose rows the sparse products gather, and of a matrix product by all threads.

    pip install -e .
    pip install matplotlib    # for the plot
    python scripts/benchmark_scaling.py --plot scaling.png
    python scripts/benchmark_scaling.py --most-documents 200000 --device cuda:0
"""

import argparse
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, pairwise
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _setting import environment
from threadpoolctl import threadpool_limits

from nnmf_topics import NeuralNMFModel
from nnmf_topics._backend import Device, resolve_device, to_host
from nnmf_topics.initializers import initialize
from nnmf_topics.network import forward
from nnmf_topics.nnls import grams_of
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import GramDescent
from nnmf_topics.products import accumulate, project
from nnmf_topics.rereading import Corpus
from nnmf_topics.training import train
from nnmf_topics.weighting import fit_weighting, survey

WIDTHS, DEPTHS = (50, 10), (50, 20, 10, 5)
PASSES, CHUNK = 5, 2000
ROOFLINE = {"documents": 11_293, "terms": 20_000, "tokens": 100}
PLANTED, OF_A_DOCUMENT, BACKGROUND = 100, 3, 0.3
SPREAD, ZIPF = 4, 1.2  # an SVD of rank 50 explains as much as of 20 Newsgroups, a tenth
DIMENSIONS = ("documents", "terms", "non-zeros of a document", "k", "layers")
AIMS = {"documents": 2.1, "k": 3.0}
WORD = 4  # bytes of a number in single precision, and of an index
LARGE, GEMM, GPU_GEMM = 2**24, 2000, 8000
HOST = Device("cpu")
COLUMNS = ("non-zeros", "support", "seconds", "ratio", "per doubling")
GPU_COLUMNS = ("GPU, s", "CPU / GPU", "of the GPU's bandwidth")
PHASES = ("A^T X", "X V^T", "solve", "rest", "step")
ROOF_COLUMNS = (
    *("phase", "streamed, MB", "gathered, MB", "Gflop", "at the limits, ms", "taken, ms"),
    *("share of the limits", "share of the pass"),
)


class Case(NamedTuple):
    """A training: its size in the dimension that varies, its documents, its widths."""

    size: float
    X: sp.csc_array
    widths: tuple[int, ...]


class Work(NamedTuple):
    """Bytes from memory, bytes of gathered rows of A_0, operations; or how many a second."""

    streamed: float
    gathered: float
    flops: float

    def seconds(self, speed: "Work") -> float:
        """Return the least time: the arithmetic may overlap with the way of the bytes."""
        moved = self.streamed / speed.streamed + self.gathered / speed.gathered
        return max(moved, self.flops / speed.flops)


def planted(documents: int, terms: int, tokens: int) -> sp.csc_array:
    """Return counts (terms, documents) of words from planted topics, whose words follow Zipf's law.

    A topic ranks the words as the language does, times a random factor. A document has a few
    topics, the first of them most, and words of topic 0, which all have.
    """
    random = np.random.default_rng(0)
    shifts = SPREAD * random.standard_normal((PLANTED, terms), np.float32)
    words = np.argsort(np.log(np.arange(1, terms + 1, dtype=np.float32)) + shifts, axis=1)
    frequency = np.cumsum((np.arange(terms) + 2.7) ** -ZIPF)
    blocks = []
    for first in range(0, documents, CHUNK):
        shape = (min(CHUNK, documents - first), tokens)
        mine = random.integers(PLANTED, size=(shape[0], OF_A_DOCUMENT))
        which = (OF_A_DOCUMENT * random.random(shape) ** 2).astype(np.int64)
        topic = np.take_along_axis(mine, which, axis=1)
        topic[random.random(shape) < BACKGROUND] = 0
        rank = np.searchsorted(frequency, random.random(shape) * frequency[-1])
        places = words[topic, rank].ravel(), np.repeat(np.arange(shape[0]), tokens)
        ones = np.ones(places[1].size, np.float32)
        blocks.append(sp.coo_array((ones, places), (terms, shape[0])).tocsc())
    return sp.hstack(blocks, format="csc")


def one_two_five(first: int, most: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, ... times `first`, up to `most`."""
    sizes = (digit * first * 10**power for power in range(8) for digit in (1, 2, 5))
    return [size for size in sizes if size <= most]


def cases(dimension: str, options: argparse.Namespace) -> Iterator[Case]:
    """Yield the trainings of a dimension, made as they are needed."""
    documents, terms, tokens = options.documents, options.terms, options.tokens
    match dimension:
        case "documents":
            X = planted(options.most_documents, terms, tokens)
            for n in one_two_five(1000, options.most_documents):
                yield Case(n, X[:, :n], WIDTHS)
        case "terms":
            for number in (terms // 4, terms // 2, terms, 2 * terms, 4 * terms):
                yield Case(number, planted(documents, number, tokens), WIDTHS)
        case "non-zeros of a document":
            for number in (tokens // 4, tokens // 2, tokens, 2 * tokens, 4 * tokens):
                X = planted(documents, terms, number)
                yield Case(X.nnz / documents, X, WIDTHS)
        case "k":
            X = planted(documents, terms, tokens)
            for k in one_two_five(10, options.most_topics):
                yield Case(k, X, (k, k // 5))
        case "layers":
            X = planted(documents, terms, tokens)
            for depth in range(1, len(DEPTHS) + 1):
                yield Case(depth, X, DEPTHS[:depth])


def timed(work: Callable[[], Any], device: Device, repeats: int) -> tuple[float, Any]:
    """Return the median seconds of some work, the device idle before and after; its last result."""
    seconds = []
    for _ in range(repeats):
        synchronise(device)
        start = perf_counter()
        result = work()
        synchronise(device)
        seconds.append(perf_counter() - start)
    return median(seconds), result


def synchronise(device: Device) -> None:
    """Wait until a GPU has done what it was asked for."""
    if device.is_gpu:
        import cupy

        with device.active():
            cupy.cuda.Device().synchronize()


def time_training(case: Case, device: Device, repeats: int) -> tuple[float, float]:
    """Return the median seconds of a training, and the mean support at the finest layer."""
    options: dict[str, Any] = {"passes": PASSES, "tol": 0, "random_state": 0, "device": device.name}
    seconds, model = timed(lambda: NeuralNMFModel(case.X, case.widths, **options), device, repeats)
    return seconds, float((model.encode(case.X[:, :CHUNK])[0] > 0).sum(axis=0).mean())


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the power of the size that the time grows with, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def per_doubling(sizes: Sequence[float], seconds: Sequence[float]) -> list[float]:
    """Return the factor of the time for a doubling, from each size to the next."""
    return list(2 ** (np.diff(np.log(seconds)) / np.diff(np.log(sizes))))


def work_of_pass(
    terms: int, documents: int, nonzeros: int, widths: Sequence[int], supports: np.ndarray
) -> dict[str, Work]:
    """Return what a pass with the layerwise loss has to do at least, by `PHASES`.

    A sparse product reads values and indices, gathers a row of k_0 numbers for each, and reads or
    writes as many for every term and document. To solve on a support of s topics, forward and
    backward, takes s^3 / 6 + 2 s^2 multiplications with additions; codes are read and written. The
    rest are products of codes and of small matrices, which a chunk has at hand. The step reads A_0
    and its gradient and writes A_0: a Gram matrix, a slope, a right-hand side and two sweeps.
    """
    k, n, factor = widths[0], documents, WORD * terms * widths[0]
    streamed = 2 * WORD * nonzeros + factor + WORD * n * k
    product = Work(streamed, WORD * nonzeros * k, 2 * nonzeros * k)
    s = np.asarray(supports, dtype=np.float64)
    solve = Work(2 * WORD * n * sum(widths), 0, 2 * float((s**3 / 6 + 2 * s**2).sum()))
    # The check of optimality, S U^T and S S^T of every layer; slope and curvature of its error.
    squares = 3 * sum(width**2 for width in widths) + 2 * (len(widths) - 1) * k**2
    # Into every layer and back; and in the error of each layer down to the first, and up again.
    between = [below * above for below, above in pairwise(widths)]
    squares += sum(3 * (1 + len(between) - number) * size for number, size in enumerate(between))
    rest, step = Work(0, 0, 2 * n * squares), Work(3 * factor, 0, 2 * 5 * terms * k**2)
    return dict(zip(PHASES, (product, product, solve, rest, step), strict=True))


def bandwidth(device: Device, words: int, rounds: int = 1) -> float:
    """Return the bytes a second of all threads together, each with arrays of so many words.

    On the host a triad a = b + 3 c, for which NumPy moves five words; on a GPU a copy, of two.
    """
    threads, moved = (1, 2) if device.is_gpu else (os.cpu_count() or 1, 5)

    def work(_number: int, a: Any, b: Any, c: Any) -> None:
        for _ in range(rounds):
            if device.is_gpu:
                a[:] = b
            else:
                np.multiply(c, 3, out=a)
                np.add(a, b, out=a)

    with device.active():
        arrays = [[device.put(np.ones(words, np.float32)) for _ in range(threads)] for _ in "abc"]
        seconds, _ = timed(lambda: in_turn(device, work, range(threads), *arrays), device, 5)
    return moved * WORD * words * rounds * threads / seconds


def in_turn(device: Device, function: Callable[..., Any], *items: Sequence[Any]) -> None:
    """Call a function on chunks as a pass does, by its threads."""
    deque(device.map(lambda item: function(*item), zip(*items, strict=True)), maxlen=0)


def gemm_flops(device: Device, threads: int | None) -> float:
    """Return the operations a second of a product of matrices, by so many threads of BLAS."""
    size = GPU_GEMM if device.is_gpu else GEMM
    with device.active() if device.is_gpu else threadpool_limits(threads):
        a = device.put(np.ones((size, size), np.float32))
        return 2 * size**3 / timed(lambda: a @ a, device, 5)[0]


def speed_of(device: Device, factor: int) -> Work:
    """Measure what a machine does in a second, and print it; `factor` is the size of A_0."""
    large = bandwidth(device, LARGE)
    # Three arrays, together as large as the factor. On a GPU that would time launches.
    small = large if device.is_gpu else bandwidth(device, max(factor // 3, 1), rounds=20)
    flops = [gemm_flops(device, threads) for threads in (1, None)]
    print(
        f"{device.name}: {large / 1e9:.1f} GB/s of memory, {small / 1e9:.1f} GB/s of arrays of the "
        f"size of A_0, {flops[0] / 1e9:,.0f} Gflop/s of a GEMM with one host thread, "
        f"{flops[1] / 1e9:,.0f} with all\n"
    )
    return Work(large, small, flops[-1])


def time_pass(
    chunks: Sequence[sp.csc_array], start: Sequence[np.ndarray], device: Device, repeats: int
) -> tuple[dict[str, float], np.ndarray]:
    """Return the seconds of every phase of a pass after the first, and the supports of all codes.

    Every evaluation starts, as in training, from codes of the factors before.
    """
    here = train(chunks, start, passes=1, tol=0, device=device).factors
    with device.active():
        objective = Objective(chunks, "layerwise", device, None, in_memory=True)
        evaluation = objective(here)
        there = GramDescent().propose(here, evaluation)
        placed, grams = [device.put(chunk) for chunk in chunks], [grams_of(A) for A in there]
        turns = cycle((there, here))
        near = [forward(here, X).codes for X in placed]
        found = [forward(there, X, codes) for X, codes in zip(placed, near, strict=True)]
        rhs, codes = [chunk.rhs for chunk in found], [chunk.codes for chunk in found]
        eye = device.put(np.eye(here[0].shape[1], dtype=np.float32))

        def solve(right: Any, start: Any, gradients: Any) -> None:
            # With 1 in place of A_0 its right-hand side is what is given: no sparse product.
            forward((eye, *there[1:]), right, start, grams).pullback(gradients)

        works = (
            lambda: in_turn(device, lambda X: project(there[0], X), placed),
            lambda: in_turn(device, lambda X, S: accumulate(X, S[0]), placed, codes),
            lambda: in_turn(device, solve, rhs, near, codes),
            lambda: objective(next(turns)),
            lambda: GramDescent().propose(here, evaluation),
        )
        # In turn, so that a slow moment of the machine does not hit one phase alone.
        rounds = [[timed(work, device, 1)[0] for work in works] for _ in range(repeats)]
        supports = [to_host((S > 0).sum(axis=0)) for chunk in codes for S in chunk]
    taken = dict(zip(PHASES, map(float, np.median(rounds, axis=0)), strict=True))
    taken["rest"] -= sum(taken[phase] for phase in PHASES[:3])
    return taken, np.concatenate(supports)


def roofline(device: Device, repeats: int) -> None:
    """Print the phases of a pass against what the machine can do."""
    X = planted(**ROOFLINE)
    (terms, n), corpus = X.shape, Corpus(X, X.shape[0], CHUNK, np.float32)
    chunks = list(corpus.weighted(fit_weighting("auto", survey(corpus, terms))))
    nonzeros = sum(chunk.nnz for chunk in chunks)
    start = initialize("layerwise", sp.hstack(chunks), WIDTHS, np.random.RandomState(0))
    taken, supports = time_pass(chunks, start, device, repeats)
    works = work_of_pass(terms, n, nonzeros, WIDTHS, supports)
    print(
        f"\nA pass at {terms:,} terms x {n:,} documents of {nonzeros / n:.0f} non-zeros, widths "
        f"{WIDTHS}, float32, supports of {supports.sum() / n:.1f} topics of all layers a document"
    )
    speed = speed_of(device, start[0].size)
    rows = [(phase, work, work.seconds(speed), taken[phase]) for phase, work in works.items()]
    total = Work(*map(sum, zip(*works.values(), strict=True)))
    rows.append(("pass", total, sum(row[2] for row in rows), sum(taken.values())))
    lines = []
    for phase, work, least, real in rows:
        sizes = (work.streamed / 1e6, work.gathered / 1e6, work.flops / 1e9)
        figures = [f"{figure:.2f}" for figure in (*sizes, 1000 * least, 1000 * real)]
        lines.append((phase, *figures, f"{least / real:.1%}", f"{real / rows[-1][3]:.1%}"))
    print(table(ROOF_COLUMNS, lines))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in markdown."""
    lines = (columns, ["---"] * len(columns), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def scaling(
    dimension: str, options: argparse.Namespace, devices: Sequence[Device], speed: float
) -> tuple[list[float], np.ndarray]:
    """Print the table of a dimension; return its sizes and the seconds (devices, sizes)."""
    sizes: list[float] = []
    times: list[list[float]] = [[] for _ in devices]
    rows = []
    for case in cases(dimension, options):
        found = [time_training(case, device, options.repeats) for device in devices]
        sizes.append(case.size)
        for mine, (seconds, _) in zip(times, found, strict=True):
            mine.append(seconds)
        rows.append(row(case, found[0][1], sizes, times, speed))
    columns = (dimension, *COLUMNS, *GPU_COLUMNS * (len(devices) - 1))
    print(f"\n{table(columns, rows)}\n")
    for device, mine in zip(devices, times, strict=True):
        print(f"{device.name}: {fit(dimension, sizes, mine)}", flush=True)
    return sizes, np.array(times)


def row(
    case: Case, support: float, sizes: Sequence[float], times: Sequence[list[float]], speed: float
) -> list[str]:
    """Return the cells of the last size: the host's time, and a GPU's beside it."""
    (terms, n), host = case.X.shape, times[0]
    cells = [f"{case.size:,.0f}", f"{case.X.nnz / n:.0f}", f"{support:.1f}", f"{host[-1]:.3f}"]
    growth = (host[-1] / host[-2], per_doubling(sizes, host)[-1]) if len(sizes) > 1 else ()
    cells += [f"{factor:.2f}" for factor in growth] or ["", ""]
    for gpu in times[1:]:
        work = work_of_pass(terms, n, case.X.nnz, case.widths, np.zeros(0)).values()
        moved = (PASSES + 1) * sum(part.streamed + part.gathered for part in work)
        share = moved / gpu[-1] / speed
        cells += [f"{gpu[-1]:.3f}", f"{host[-1] / gpu[-1]:.1f}", f"{share:.1%}"]
    return cells


def fit(dimension: str, sizes: Sequence[float], seconds: Sequence[float]) -> str:
    """Return the exponent of a dimension in words, and what a doubling costs."""
    if len(sizes) < 2:
        return "one size has no exponent"
    power, worst = exponent(sizes, seconds), max(per_doubling(sizes, seconds))
    text = f"seconds ~ ({dimension})^{power:.2f}"
    if dimension in AIMS:
        what = "k" if dimension == "k" else f"the {dimension}"
        text += f"\ntwice {what}: {2**power:.2f} times the time (aim <= {AIMS[dimension]:g})"
        text += f", {worst:.2f} from one size to the next at most"
    return text


def plot(path: str, curves: dict[str, tuple[list[float], np.ndarray]], names: Sequence[str]) -> str:
    """Draw a panel for each dimension; return what was done, or that it could not be."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no plot: matplotlib is not installed"
    figure = Figure(figsize=(4 * len(curves), 4), layout="constrained")
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    for panel, (dimension, (sizes, times)) in zip(panels, curves.items(), strict=True):
        for name, seconds in zip(names, times, strict=True):
            panel.loglog(sizes, seconds, "o-", label=name)
        straight = times[0][0] * np.array(sizes) / sizes[0]
        panel.loglog(sizes, straight, ":", color="gray", label="in proportion")
        panel.set(xlabel=dimension, ylabel="seconds of training")
        panel.legend()
    figure.savefig(path)
    return f"plot: {path}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most-documents", type=int, default=50_000)
    parser.add_argument("--most-topics", type=int, default=200, help="of the finest layer")
    parser.add_argument("--documents", type=int, default=10_000, help="where they do not vary")
    parser.add_argument("--terms", type=int, default=20_000, help="where they do not vary")
    parser.add_argument("--tokens", type=int, default=100, help="words of a document")
    parser.add_argument("--repeats", type=int, default=3, help="of a pass three times as many")
    parser.add_argument("--device", default="cpu", help="cuda:0 for a GPU beside the CPU")
    parser.add_argument("--plot", metavar="PATH", help="a PNG to draw the curves in")
    options = parser.parse_args(arguments)

    print(environment())
    devices, speed = [HOST], 0.0
    try:
        if (other := resolve_device(options.device)).is_gpu:
            devices.append(other)
            speed = bandwidth(other, LARGE)
            print(f"{other.name}: {speed / 1e9:,.0f} GB/s")
    except RuntimeError as error:
        print(f"the CPU alone: {error}")
    print(f"widths {WIDTHS}, {PASSES} passes; medians of {options.repeats}")
    curves = {name: scaling(name, options, devices, speed) for name in DIMENSIONS}
    for device in devices:
        roofline(device, 3 * options.repeats)
    if options.plot:
        print(f"\n{plot(options.plot, curves, [device.name for device in devices])}")


if __name__ == "__main__":
    main()
