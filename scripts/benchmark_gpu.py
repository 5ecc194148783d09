"""Measure a GPU against two cores of the CPU, and its products against its own memory.

PRODUCTS: the two products with sparse documents, A^T X and X V^T, against cuSPARSE. Their bytes
are those of `benchmark_scaling.py`: values and indices, a row of k numbers gathered for every
entry, and what is written. They are held against a copy of a large array, bytes read and written
together.

PASSES: the evaluation of all documents and a step, on data that are placed already, after the same
start; the loss after so many passes tells whether both do the same.

TRAINING: `NeuralNMFModel` on a sparse matrix of counts, with everything that comes before the
passes: reading and weighting on the host, the start, and the way to the GPU.

    pip install -e ".[cuda13]"    # or cuda12
    python scripts/benchmark_gpu.py
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _setting import environment
from benchmark_scaling import LARGE, WIDTHS, WORD, bandwidth, planted, table
from threadpoolctl import threadpool_limits

from nnmf_topics import NeuralNMFModel
from nnmf_topics._backend import Device, resolve_device
from nnmf_topics.grouping import DOCUMENTS, Group
from nnmf_topics.initializers import initialize
from nnmf_topics.products import accumulate, project
from nnmf_topics.rereading import Corpus
from nnmf_topics.training import State, train
from nnmf_topics.weighting import fit_weighting, survey

HOST = Device("cpu")
CORES = Path("/sys/devices/system/cpu")
CHUNK, SAMPLE = 2000, 20_000
PRODUCTS = ("product", "k", "ours, ms", "GB/s", "share of the copy", "cuSPARSE, ms", "times")
RUNS = (
    *("what", "documents", "widths", "passes", "CPU, s", "GPU, s", "CPU / GPU"),
    *("loss, CPU", "loss, GPU", "apart"),
)


class Run(NamedTuple):
    """Seconds of a training, and the loss at its end as a share of ||X||^2."""

    seconds: float
    loss: float


@contextmanager
def two_cores(device: Device) -> Iterator[None]:
    """Leave two cores and two threads to the CPU; a GPU has those of its host."""
    if device.is_gpu or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, two_of(cores))  # threads that begin from now on have the same
    try:
        with threadpool_limits(2):
            yield
    finally:
        os.sched_setaffinity(0, cores)


def two_of(cores: set[int]) -> list[int]:
    """Return two that are not threads of one core, where the system tells and has them."""

    def core(number: int) -> tuple[str, ...]:
        topology = CORES / f"cpu{number}" / "topology"
        try:
            names = ("physical_package_id", "core_id")
            return tuple((topology / name).read_text() for name in names)
        except OSError:
            return (str(number),)

    firsts = sorted({core(number): number for number in sorted(cores, reverse=True)}.values())
    return [*firsts, *sorted(cores.difference(firsts))][:2]


def milliseconds(work: Callable[[], Any], repeats: int = 20) -> float:
    """Return the median time of some work on the GPU, by its own clock."""
    from cupyx.profiler import benchmark

    return 1000 * float(np.median(benchmark(work, n_repeat=repeats, n_warmup=3).gpu_times))


def time_products(chunks: Sequence[sp.csc_array], k: int, device: Device, copy: float) -> list[Any]:
    """Return the rows of both products, by as many documents as a GPU works on at once."""
    random = np.random.default_rng(0)
    rows = []
    with device.active():
        X = device.put(Group(list(chunks)))
        (m, n), nonzeros = X.shape, X.nnz
        A, S = (device.put(random.random((size, k), np.float32)) for size in (m, n))
        # cuSPARSE has the entries in the order that suits it, too.
        rows_of_terms = X.tocsr()
        works = (
            ("A^T X", n, lambda: project(A, X), lambda: X.T @ A),
            ("X V^T", m, lambda: accumulate(X, S.T), lambda: rows_of_terms @ S),
        )
        for name, written, ours, theirs in works:
            taken, other = milliseconds(ours), milliseconds(theirs, 5)
            speed = (nonzeros * (2 * WORD + WORD * k) + WORD * k * written) / taken * 1000
            figures = (f"{taken:.3f}", f"{speed / 1e9:,.0f}", f"{speed / copy:.0%}")
            rows.append((name, str(k), *figures, f"{other:.3f}", f"{other / taken:.1f}"))
    return rows


def time_passes(
    chunks: Sequence[sp.csc_array], start: Sequence[np.ndarray], passes: int, device: Device
) -> Run:
    """Return the seconds of passes, from the end of the first evaluation to the end of the last."""
    clock: list[float] = []

    def read(_state: State) -> None:
        clock.append(perf_counter())  # every pass ends with a loss on the host

    with two_cores(device):
        found = train(
            chunks, start, passes=passes, tol=0, device=device, on_start=read, on_pass=read
        )
    return Run(clock[-1] - clock[0], found.history.loss[-1])


def time_training(X: sp.csc_array, widths: Sequence[int], passes: int, device: Device) -> Run:
    """Return the seconds of a whole training."""
    options: dict[str, Any] = {"passes": passes, "tol": 0, "random_state": 0}
    with two_cores(device):
        begin = perf_counter()
        model = NeuralNMFModel(X, widths, device=device.name, **options)
        return Run(perf_counter() - begin, model.history.loss[-1])


def compared(
    what: str, documents: int, widths: Sequence[int], passes: int, runs: Sequence[Sequence[Run]]
) -> tuple[str, ...]:
    """Return the row of what the CPU and the GPU took, medians of all runs."""
    host, gpu = (median(run.seconds for run in each) for each in runs)
    losses = [each[-1].loss for each in runs]
    apart = abs(losses[0] - losses[1]) / losses[0]
    figures = (f"{host:.2f}", f"{gpu:.3f}", f"{host / gpu:.1f}")
    sizes = (f"{documents:,}", ", ".join(map(str, widths)), str(passes))
    return (what, *sizes, *figures, *(f"{loss:.6f}" for loss in losses), f"{apart:.0e}")


def weighted(X: sp.csc_array) -> list[sp.csc_array]:
    """Return the chunks of a corpus as training has them."""
    corpus = Corpus(X, X.shape[0], CHUNK, np.float32)
    return list(corpus.weighted(fit_weighting("auto", survey(corpus, X.shape[0]))))


def passes_of(
    X: sp.csc_array, widths: Sequence[int], passes: int, device: Device
) -> tuple[str, ...]:
    """Return the row of passes on counts, from a start by NNDSVD."""
    chunks = weighted(X)
    sample = sp.hstack(chunks[: SAMPLE // CHUNK], format="csc")
    start = initialize("nndsvd", sample, widths, np.random.RandomState(0))
    for each in (HOST, device):  # what is compiled is compiled
        time_passes(chunks[:1], start, 1, each)
    host = [time_passes(chunks, start, passes, HOST)]
    gpu = [time_passes(chunks, start, passes, device) for _ in range(3)]
    return compared("passes", X.shape[1], widths, passes, (host, gpu))


def training_of(
    X: sp.csc_array, widths: Sequence[int], passes: int, device: Device
) -> tuple[str, ...]:
    """Return the row of whole trainings on counts."""
    for each in (HOST, device):
        time_training(X[:, :CHUNK], widths, 1, each)
    host = [time_training(X, widths, passes, HOST)]
    gpu = [time_training(X, widths, passes, device) for _ in range(3)]
    return compared("training", X.shape[1], widths, passes, (host, gpu))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=("products", "runs"), help="one of the tables")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--terms", type=int, default=20_000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--passes-of-training", type=int, default=17)
    parser.add_argument("--few", type=int, default=5000, help="documents, for more topics")
    parser.add_argument("--topics", type=int, nargs="*", default=[200, 512])
    options = parser.parse_args(arguments)

    try:
        device = resolve_device(options.device)
    except RuntimeError as error:
        parser.exit(message=f"nothing to measure: {error}\n")
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(int(device.name[5:]))["name"].decode()
    copy = bandwidth(device, 16 * LARGE)
    print(f"{environment()}, CuPy {cupy.__version__}")
    print(f"{name}: a copy moves {copy / 1e9:,.0f} GB/s\n")
    if options.only != "runs":
        chunks = weighted(planted(min(DOCUMENTS, options.documents), options.terms, 100))
        rows = []
        for k in (10, 50, *options.topics):
            rows += time_products(chunks, k, device, copy)
        print(f"{table(PRODUCTS, rows)}\n", flush=True)
    if options.only != "products":
        X = planted(options.documents, options.terms, 100)
        print(table(RUNS, [passes_of(X, WIDTHS, options.passes, device)]), flush=True)
        row = training_of(X, WIDTHS, options.passes_of_training, device)
        print(table(RUNS, [row]).splitlines()[-1], flush=True)
        for k in options.topics:
            row = passes_of(X[:, : options.few], (k, k // 8), options.passes, device)
            print(table(RUNS, [row]).splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
