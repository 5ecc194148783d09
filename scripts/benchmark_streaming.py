"""Measure memory and speed of training on a corpus that is streamed: from a file, or as it is made.

Documents of 100 words from planted topics, vocabulary 50,000, widths 50, 10. Each way of training
has a fresh process, whose resident memory is read every 50 ms: on gensim's MmCorpus ("file"), on a
class that makes its documents anew for each reading, on the file with a spool, on a matrix in files
that are mapped into memory, whose pages are counted, and by `update` in mini-batches from the file,
as lists of bags of words ("update") or as sparse matrices. The start is after all imports and with
the corpus open. The slope is that of a line through what is resident after the first tenth of the
time, in MiB for 100,000 documents read.

    pip install -e .
    python scripts/benchmark_streaming.py
    python scripts/benchmark_streaming.py --documents 1000000
"""

import argparse
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from _setting import environment
from gensim.corpora import MmCorpus
from gensim.matutils import corpus2csc
from scipy.sparse import csc_array

from nnmf_topics import NeuralNMFModel
from nnmf_topics._compiled import kernels_for
from nnmf_topics.corpus import batches, read_chunks

WIDTHS = (50, 10)
WAYS = ("file", "generator", "spool", "mapped", "update", "matrices")
ARRAYS = ("data", "indices", "indptr")
COLUMNS = (
    *("way", "imported, MiB", "start, MiB", "peak above start, MiB", "in the first tenth"),
    *("growth after it", "its slope", "seconds", "documents a second and pass", "readings"),
    *("one reading alone, s", "reading's share"),
)
BACKGROUND, SIBLINGS = 0.4, 0.2  # shares of a document's words; the others are of its own topic
_AT_ONCE = 1000
_PERIOD = 0.05
_MIB = 2**20

Bow = list[tuple[int, float]]
Sample = tuple[float, int]  # seconds since the start, bytes of resident memory


class Setting(NamedTuple):
    """The sizes of a run: `tokens` of a document, `terms` in all, `batch` documents an update."""

    documents: int = 100_000
    tokens: int = 100
    terms: int = 50_000
    passes: int = 3
    batch: int = 5000


class Result(NamedTuple):
    """What a process measured: bytes after the imports and at the start, and what followed."""

    imported: int
    opened: int
    samples: list[Sample]
    readings: int
    reading_seconds: float


class PlantedStream:
    """Documents that are made as they are read, the same ones in every reading."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.readings = setting, 0
        self._all = _zipf(setting.terms)
        self._own = _zipf(setting.terms // WIDTHS[0])

    def __iter__(self) -> Iterator[Bow]:
        self.readings += 1
        for first in range(0, self.setting.documents, _AT_ONCE):
            random = np.random.default_rng(first)
            yield from self._made(min(_AT_ONCE, self.setting.documents - first), random)

    def _made(self, documents: int, random: np.random.Generator) -> Iterator[Bow]:
        """Word s of topic t is s * topics + t: the most frequent words of the corpus are shared."""
        topics, shape = WIDTHS[0], (documents, self.setting.tokens)
        siblings = topics // WIDTHS[1]
        topic = random.integers(topics, size=(documents, 1))
        sibling = topic // siblings * siblings + random.integers(siblings, size=shape)
        kind = random.random(shape)
        topic = np.where(kind < BACKGROUND + SIBLINGS, sibling, topic)
        own = np.searchsorted(self._own, random.random(shape)) * topics + topic
        words = np.where(kind < BACKGROUND, np.searchsorted(self._all, random.random(shape)), own)
        rows = np.arange(documents)[:, None] * self.setting.terms
        found, counts = np.unique(words + rows, return_counts=True)
        ends = np.searchsorted(found, rows[1:, 0])
        for ids, weights in zip(np.split(found, ends), np.split(counts, ends), strict=True):
            yield list(zip((ids % self.setting.terms).tolist(), weights.tolist(), strict=True))


def _zipf(terms: int) -> np.ndarray:
    """Return cumulated probabilities in proportion to 1 / (rank + 2.7), as Mandelbrot has it."""
    weights: np.ndarray = np.cumsum(1 / (np.arange(terms) + 2.7))
    return weights / weights[-1]


class CountedFile(MmCorpus):  # type: ignore[misc]
    """A file of documents that counts how often it is read."""

    readings = 0

    def __iter__(self) -> Iterator[Bow]:
        self.readings += 1
        return iter(super().__iter__())


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    try:
        import psutil
    except ImportError:
        pages = Path("/proc/self/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    return int(psutil.Process().memory_info().rss)


@contextmanager
def sampled() -> Iterator[list[Sample]]:
    """Read the resident memory every 50 ms, and once at the end."""
    samples: list[Sample] = []
    left, began = Event(), perf_counter()

    def run() -> None:
        while not left.wait(_PERIOD):
            samples.append((perf_counter() - began, resident()))

    thread = Thread(target=run)
    thread.start()
    try:
        yield samples
    finally:
        left.set()
        thread.join()
    samples.append((perf_counter() - began, resident()))


def measure(way: str, setting: Setting, path: str) -> Result:
    """Train in one of the ways, and read the corpus once more without training."""
    kernels_for(np.ones(1))  # imports Numba, if it is installed
    imported = resident()
    corpus = opened_corpus(way, setting, path)
    id2word = {term: str(term) for term in range(setting.terms)}
    opened = resident()
    with sampled() as samples:
        model = train(corpus, id2word, setting, way)
    readings, start = getattr(corpus, "readings", model.history.passes + 2), perf_counter()
    chunks = read_chunks(corpus, setting.terms, model.chunksize, model.dtype)
    deque(chunks if way == "mapped" else corpus, maxlen=0)
    return Result(imported, opened, samples, readings, perf_counter() - start)


def opened_corpus(way: str, setting: Setting, path: str) -> Any:
    """Return the documents, none of which was read yet."""
    if way == "generator":
        return PlantedStream(setting)
    if way == "mapped":
        arrays = tuple(np.load(f"{path}.{name}.npy", mmap_mode="r") for name in ARRAYS)
        return csc_array(arrays, shape=(setting.terms, setting.documents))
    return CountedFile(path)


def save_arrays(path: str, terms: int) -> None:
    """Write the arrays of the matrix of the documents in a file beside it."""
    corpus = MmCorpus(path)
    sizes = {"num_docs": corpus.num_docs, "num_nnz": corpus.num_nnz}
    X = corpus2csc(corpus, num_terms=terms, dtype=np.float32, **sizes)
    for name in ARRAYS:
        np.save(f"{path}.{name}.npy", getattr(X, name))


def train(corpus: Any, id2word: dict[int, str], setting: Setting, way: str) -> NeuralNMFModel:
    """Return a model trained on the corpus as it is, or in batches of so many documents."""
    all_passes: dict[str, Any] = {"passes": setting.passes, "tol": 0, "device": "cpu"}
    start = None if way in ("update", "matrices") else corpus
    spool = way == "spool"
    model = NeuralNMFModel(start, WIDTHS, id2word, random_state=0, spool=spool, **all_passes)
    if way == "update":
        for _, documents in batches(corpus, setting.batch):
            model.update(documents)
    if way == "matrices":
        stream = iter(corpus)
        for _ in range(0, setting.documents, setting.batch):
            model.update(corpus2csc(islice(stream, setting.batch), num_terms=setting.terms))
    return model


def running_peaks(samples: Sequence[Sample], start: int) -> list[float]:
    """Return the peak above the start, in MiB, up to the end of each tenth of the time."""
    seconds, sizes = np.array(samples).T
    seen = np.searchsorted(seconds, seconds[-1] * np.arange(1, 11) / 10, side="right")
    peaks = np.maximum.accumulate(np.append(start, sizes))
    return [float(peak) for peak in (peaks[seen] - start) / _MIB]


def slope(samples: Sequence[Sample], documents: int) -> float:
    """Return how memory goes after the first tenth of the time, in MiB for 100,000 documents read.

    By least squares; so many documents were read in all.
    """
    seconds, sizes = np.array(samples).T
    later = seconds >= seconds[-1] / 10
    line = np.polyfit(seconds[later] / seconds[-1] * documents / 100_000, sizes[later] / _MIB, 1)
    return float(line[0])


def row(way: str, setting: Setting, result: Result) -> str:
    """Return a line of the table."""
    peaks, seconds = running_peaks(result.samples, result.opened), result.samples[-1][0]
    memory = (result.imported / _MIB, result.opened / _MIB, peaks[-1], peaks[0])
    speed = setting.documents * setting.passes / seconds
    share = result.readings * result.reading_seconds / seconds
    trend = slope(result.samples, result.readings * setting.documents)
    cells = (
        *(way, *(f"{size:.0f}" for size in (*memory, peaks[-1] - peaks[0]))),
        *(f"{round(trend, 2) + 0.0:.2f}", f"{seconds:.1f}", f"{speed:,.0f}", str(result.readings)),
        *(f"{result.reading_seconds:.2f}", f"{100 * share:.0f} %"),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a line of the table for each way of training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in Setting()._asdict().items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default: {default}")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    options = vars(parser.parse_args())
    ways, setting = options.pop("ways"), Setting(**options)

    print(environment("gensim"))
    print(", ".join(f"{size:,} {name}" for name, size in setting._asdict().items()))
    curves = "\nPeak above the start up to each tenth of the time, MiB:"
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "corpus.mm")
        MmCorpus.serialize(path, PlantedStream(setting))
        if "mapped" in ways:
            save_arrays(path, setting.terms)
        print(f"a file of {Path(path).stat().st_size / _MIB:,.0f} MiB\n")
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        for way in ways:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                result = fresh.submit(measure, way, setting, path).result()
            print(row(way, setting, result), flush=True)
            peaks = running_peaks(result.samples, result.opened)
            curves += f"\n{way}: {', '.join(f'{peak:.0f}' for peak in peaks)}"
    print(curves)


if __name__ == "__main__":
    main()
