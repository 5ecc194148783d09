"""Compare training and inference with hierarchical NMF, LDA and Pachinko allocation at full size.

All train documents of 20 Newsgroups, the 20,000 most frequent words that are no stop words, widths
50, 10, every method in a process of its own. This package and the methods of NMF are given tf-idf:
as a gensim corpus, which has to be read, or as a matrix; in the rows "-counts" raw counts, or the
matrix that this package makes of them, whose making is not timed. The others are given raw counts,
and so are all in the second table. Pachinko allocation (PA, HPA) and hierarchical LDA (HLDA, which
finds the number of topics) need tomotopy and take many minutes.

    pip install -e .
    pip install tomotopy
    python scripts/benchmark_large.py
    python scripts/benchmark_large.py --documents 600 --skip PA HPA HLDA   # a quick look

The errors are those of the tf-idf matrix, with the codes of hierarchical NMF as it returns them and
exact ones for the others. NPMI counts the documents trained on. Memory is the peak above what was
resident before training, without the workers of LdaMulticore. "Our seconds to its errors" is when
training came within 0.05 % of the error of a hierarchical NMF at the finest layer, and to no more
than its error at the coarsest.
"""

import argparse
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _setting import environment, hnmf, train_posts
from gensim.models import LdaModel, LdaMulticore, Nmf
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import fetch_20newsgroups
from nnmf_topics.evaluation import TOP_WORDS, diversity, npmi, relative_error
from nnmf_topics.network import forward
from nnmf_topics.topics import top_terms, topic_term
from nnmf_topics.weighting import fit_weighting, survey

WIDTHS = (50, 10)
TERMS = 20_000
QUERIES = 2000
SLOW = 60.0  # seconds from which a method is not timed again
SLACK = 1.0005
OURS, BASE = "nnmf_topics", "LdaModel"
TRAINING = (
    *("method", "topics", "seconds", "our time / its", "err1", "err2", "npmi1", "npmi2"),
    *("diversity", "peak memory, MiB", "our seconds to its errors"),
)
INFERENCE = (
    *("method", "call", "documents a second", f"/ {BASE}'s"),
    *("one document, ms", f"{BASE}'s / it"),
)

Bow = list[tuple[int, float]]
Trace = Sequence[tuple[float, tuple[float, ...]]]
"""After each pass: seconds since the start, and the error of each layer."""


class Data(NamedTuple):
    """Raw counts (documents, terms) of the documents to train on and to ask about; the words."""

    counts: sp.csr_array
    queries: sp.csr_array
    words: dict[int, str]

    @property
    def tfidf(self) -> sp.csr_array:
        """The counts to train on as scikit-learn's TfidfVectorizer weighs them."""
        return sp.csr_array(TfidfTransformer().fit_transform(self.counts))


class Meter:
    """Measures the time and the peak memory while one is inside."""

    seconds: float
    mebibytes: float | None

    def __enter__(self) -> "Meter":
        # The ru_maxrss of a process starts with that of its parent: it would hide a small peak.
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._before = peak_memory()
        self._start = perf_counter()
        return self

    def __exit__(self, *_error: object) -> None:
        self.seconds = self.elapsed()
        self.mebibytes = above(self._before, peak_memory())

    def elapsed(self) -> float:
        """Return the seconds since one went in."""
        return perf_counter() - self._start


def peak_memory() -> int | None:
    """Return the peak of the resident memory in KiB, or None where Linux does not tell it."""
    with suppress(OSError):
        return peak_of(Path("/proc/self/status").read_text())
    return None


def peak_of(status: str) -> int | None:
    """Return the peak in KiB from the text of /proc/self/status."""
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(sizes[0]) if sizes else None


def above(before: int | None, after: int | None) -> float | None:
    """Return by how many MiB a size in KiB has grown, None if one is not known."""
    return None if before is None or after is None else (after - before) / 1024


class Fit(NamedTuple):
    """What a method found.

    Attributes
    ----------
    topics : weights of the words, (k_l, terms), finest first
    factors, codes : as in `evaluation`; none where a method does not approximate the matrix
    trace : of the training, if it was followed
    """

    topics: list[np.ndarray]
    factors: Sequence[np.ndarray] = ()
    codes: Sequence[np.ndarray] = ()
    trace: Trace = ()


def fit_model(data: Data, seed: int, _iterations: int, meter: Meter) -> Fit:
    """Train this package with its default options, and follow its errors."""
    X = data.tfidf
    corpus = bags(X)
    trace: list[tuple[float, tuple[float, ...]]] = []

    def note(model: NeuralNMFModel, _number: int) -> None:
        trace.append((meter.elapsed(), model.history.errors[-1]))

    with meter:
        model = NeuralNMFModel(corpus, WIDTHS, data.words, callbacks=[note], random_state=seed)
    return Fit(layers(model.factors), model.factors, model.encode(X.T), trace)


def fit_counts(data: Data, seed: int, _iterations: int, meter: Meter) -> Fit:
    """Train this package on raw counts with its default options; errors are of another matrix."""
    corpus = bags(data.counts)
    with meter:
        model = NeuralNMFModel(corpus, WIDTHS, data.words, random_state=seed)
    return Fit(layers(model.factors))


def fit_hnmf_counts(data: Data, seed: int, _iterations: int, meter: Meter) -> Fit:
    """Factorise the matrix that the model makes of raw counts, then the codes."""
    counts = sp.csc_array(data.counts.T, dtype=np.float64)
    X = fit_weighting("auto", survey([counts], counts.shape[0]))(counts)
    with meter:
        factors, _ = hnmf(X, WIDTHS, "nndsvda", False, seed)
    return Fit(layers(factors))


def fit_hnmf(
    data: Data, seed: int, _iterations: int, meter: Meter, *, unit_columns: bool = False
) -> Fit:
    """Factorise the matrix, then the codes."""
    X = data.tfidf.T
    with meter:
        factors, codes = hnmf(X, WIDTHS, "nndsvda", unit_columns, seed)
    return Fit(layers(factors), factors, codes)


def layers(factors: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the topics of every layer."""
    return [topic_term(factors, layer) for layer in range(len(factors))]


def fit_nmf(data: Data, seed: int, _iterations: int, meter: Meter) -> Fit:
    """Train gensim's Nmf on tf-idf in one pass."""
    X = data.tfidf
    corpus = bags(X)
    with meter:
        model = Nmf(corpus, WIDTHS[0], data.words, passes=1, random_state=seed)
    with np.errstate(invalid="ignore"):  # an empty topic
        topics = np.nan_to_num(model.get_topics())
    return Fit([topics], [topics.T], forward([topics.T], sp.csc_array(X.T)).codes)


def lda(corpus: list[Bow], words: dict[int, str], seed: int) -> LdaModel:
    """Train gensim's LdaModel in one pass, its default."""
    return LdaModel(corpus, WIDTHS[0], words, passes=1, random_state=seed)


def multicore(corpus: list[Bow], words: dict[int, str], seed: int) -> LdaMulticore:
    """Train gensim's LdaMulticore in ten passes with two workers."""
    return LdaMulticore(corpus, WIDTHS[0], words, passes=10, workers=2, random_state=seed)


def fit_lda(
    data: Data, seed: int, _iterations: int, meter: Meter, *, train: Callable[..., LdaModel]
) -> Fit:
    """Train one of gensim's LDA on raw counts."""
    corpus = bags(data.counts)
    with meter:
        model = train(corpus, data.words, seed)
    return Fit([model.get_topics()])


def fit_tomotopy(data: Data, seed: int, iterations: int, meter: Meter, *, kind: str) -> Fit:
    """Train a hierarchical model of tomotopy on raw counts, with all cores."""
    import tomotopy  # type: ignore[import-untyped]

    warnings.simplefilter("ignore", RuntimeWarning)  # workers make it differ from run to run
    documents = texts(data)
    sizes = {"depth": 3} if kind == "HLDA" else {"k1": WIDTHS[1], "k2": WIDTHS[0]}
    with meter:
        model = getattr(tomotopy, f"{kind}Model")(seed=seed, **sizes)
        for document in documents:
            model.add_doc(document)
        model.train(iterations)
    found = HIERARCHIES[kind](model)
    ids = {word: number for number, word in data.words.items()}
    columns = [ids[word] for word in model.used_vocabs]
    topics = [np.zeros((len(layer), len(ids))) for layer in found]
    for whole, layer in zip(topics, found, strict=True):
        whole[:, columns] = layer
    return Fit(topics)


def pa_layers(model: Any) -> list[np.ndarray]:
    """Return the topics of Pachinko allocation, and their mixtures."""
    fine = np.array([model.get_topic_word_dist(topic) for topic in range(model.k2)])
    coarse = np.zeros((model.k1, model.k2))
    for topic, row in enumerate(coarse):
        for child, share in model.get_sub_topics(topic, top_n=model.k2):
            row[child] = share
    return [fine, coarse @ fine]


def hpa_layers(model: Any) -> list[np.ndarray]:
    """Return the topics of hierarchical Pachinko allocation, less its root."""
    last = 1 + model.k1
    ranges = range(last, last + model.k2), range(1, last)
    return [np.array([model.get_topic_word_dist(topic) for topic in each]) for each in ranges]


def hlda_layers(model: Any) -> list[np.ndarray]:
    """Return the topics of hierarchical LDA that documents use, less its root."""
    live = [topic for topic in range(model.k) if model.is_live_topic(topic)]
    return [
        np.array(
            [model.get_topic_word_dist(topic) for topic in live if model.level(topic) == level]
        )
        for level in range(model.depth - 1, 0, -1)
    ]


HIERARCHIES = {"PA": pa_layers, "HPA": hpa_layers, "HLDA": hlda_layers}
METHODS: dict[str, Callable[..., Fit]] = {
    OURS: fit_model,
    "HNMF": fit_hnmf,
    "HNMF-unit-columns": partial(fit_hnmf, unit_columns=True),
    f"{OURS}-counts": fit_counts,
    "HNMF-counts": fit_hnmf_counts,
    "Nmf": fit_nmf,
    BASE: partial(fit_lda, train=lda),
    "LdaMulticore": partial(fit_lda, train=multicore),
    **{kind: partial(fit_tomotopy, kind=kind) for kind in HIERARCHIES},
}
INFERRING: dict[str, Callable[[list[Bow], dict[int, str], int], Any]] = {
    OURS: lambda corpus, words, seed: NeuralNMFModel(corpus, WIDTHS, words, random_state=seed),
    BASE: lda,
    "LdaMulticore": multicore,
}


def prepared(documents: list[str], queries: list[str]) -> Data:
    """Count the words: those of the documents to train on, less stop words."""
    vectorizer = CountVectorizer(stop_words="english", max_features=TERMS)
    counts = sp.csr_array(vectorizer.fit_transform(documents))
    words = dict(enumerate(map(str, vectorizer.get_feature_names_out())))
    return Data(counts, sp.csr_array(vectorizer.transform(queries)), words)


def drawn(documents: list[str], number: int | None, seed: int) -> list[str]:
    """Return so many of the documents, in their order, or all of them."""
    if number is None or number >= len(documents):
        return documents
    rows = np.random.default_rng(seed).choice(len(documents), number, replace=False)
    return [documents[row] for row in np.sort(rows)]


def bags(matrix: sp.csr_array) -> list[Bow]:
    """Return a matrix (documents, terms) as a gensim corpus of Python's own numbers."""
    ends = matrix.indptr[1:-1]
    rows = zip(np.split(matrix.indices, ends), np.split(matrix.data, ends), strict=True)
    return [list(zip(ids.tolist(), weights.tolist(), strict=True)) for ids, weights in rows]


def texts(data: Data) -> list[list[str]]:
    """Return the documents to train on as lists of words."""
    return [
        [data.words[term] for term, count in bow for _ in range(int(count))]
        for bow in bags(data.counts)
    ]


class Result(NamedTuple):
    """Measures of a trained method; an entry of the lists is a layer, finest first."""

    seconds: float
    mebibytes: float | None
    topics: list[int]
    errors: list[float]
    npmi: list[float]
    diversity: float
    trace: Trace


def measure(name: str, data: Data, seed: int, iterations: int) -> Result:
    """Train a method once, and measure its topics."""
    meter = Meter()
    found = METHODS[name](data, seed, iterations, meter)
    X, occurrence = sp.csc_array(data.tfidf.T), sp.csc_array(data.counts > 0)
    tops = [[top_terms(topic, TOP_WORDS) for topic in layer] for layer in found.topics]
    return Result(
        meter.seconds,
        meter.mebibytes,
        [len(layer) for layer in tops],
        [relative_error(X, found.factors, found.codes, n) for n in range(len(found.codes))],
        [npmi(layer, occurrence) for layer in tops],
        diversity(tops[0]),
        found.trace,
    )


class Speed(NamedTuple):
    """How fast a call answers; milliseconds for one document, None for calls with many."""

    call: str
    per_second: float
    single: float | None


def infer(name: str, data: Data, seed: int, repeats: int) -> list[Speed]:
    """Train a method on raw counts, and time its answers: medians."""
    model = INFERRING[name](bags(data.counts), data.words, seed)
    queries, matrix = bags(data.queries), sp.csc_array(data.queries.T)
    single = median(timed(partial(model.__getitem__, bow)) for bow in queries)
    whole = median(timed(lambda: deque(model[queries], maxlen=0)) for _ in range(repeats))
    speeds = [Speed("model[corpus]", len(queries) / whole, 1000 * single)]
    if name == OURS:
        whole = median(timed(lambda: model.encode(matrix)) for _ in range(repeats))
        speeds.append(Speed("model.encode(matrix)", len(queries) / whole, None))
    return speeds


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    start = perf_counter()
    call()
    return perf_counter() - start


def in_fresh_process(function: Callable[..., Any], *given: Any) -> Any:
    """Return what a function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *given).result()


def repeated(run: Callable[[], Result], repeats: int) -> list[Result]:
    """Run a method so many times, but only once if it is slow."""
    results = [run()]
    while len(results) < repeats and results[0].seconds <= SLOW:
        results.append(run())
    return results


def time_to_errors(trace: Trace, errors: Sequence[float]) -> float | None:
    """Return the seconds until a training was as good as these errors, None if it never was."""
    fine, coarse = errors
    good = (seconds for seconds, (a, b) in trace if a <= SLACK * fine and b <= coarse)
    return next(good, None)


def training_row(name: str, results: Sequence[Result], ours: Sequence[Result]) -> list[str]:
    """Return the cells of a method; times are medians, all else is of the first run."""
    first, seconds = results[0], median(result.seconds for result in results)
    ratio = None if name == OURS else median(result.seconds for result in ours) / seconds
    reached = "-"
    if len(first.errors) == len(WIDTHS) and name != OURS:
        times = [time_to_errors(result.trace, first.errors) for result in ours]
        known = [time for time in times if time is not None]
        reached = number(median(known), 2) if len(known) == len(times) else "never"
    return [
        *(name, ", ".join(map(str, first.topics)), number(seconds, 2), number(ratio, 2)),
        *(number(value, 4) for value in padded(first.errors)),
        *(number(value, 3) for value in padded(first.npmi)),
        *(number(first.diversity, 3), number(first.mebibytes, 0), reached),
    ]


def padded(values: Sequence[float]) -> list[float | None]:
    """Return the values of two layers, None for a layer that is not there."""
    return [*values, None, None][: len(WIDTHS)]


def inference_rows(name: str, speeds: Sequence[Speed], base: Speed | None) -> list[list[str]]:
    """Return the cells of a method, a line for each way to ask; ratios above 1 are faster."""
    rows = []
    for call, per_second, single in speeds:
        ratio = single_ratio = None
        if base is not None:
            ratio = per_second / base.per_second
            if single is not None and base.single is not None:
                single_ratio = base.single / single
        cells = number(per_second, 0), number(ratio, 1), number(single, 3), number(single_ratio, 1)
        rows.append([name, call, *cells])
    return rows


def number(value: float | None, digits: int) -> str:
    """Return a number as text, a dash if there is none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def missing_row(name: str, package: str | None, columns: Sequence[str]) -> list[str]:
    """Return the cells of a method whose package is not installed."""
    return [name, f"{package} is not installed", *["-"] * (len(columns) - 2)]


def line(cells: Iterable[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def print_header(columns: Sequence[str]) -> None:
    """Print the first two lines of a table."""
    print(f"{line(columns)}\n|{'---|' * len(columns)}", flush=True)


def print_training(data: Data, names: Sequence[str], options: argparse.Namespace) -> None:
    """Print the table of training, a line as soon as it is known."""
    print_header(TRAINING)
    ours: list[Result] = []
    for name in names:
        run = partial(in_fresh_process, measure, name, data, options.seed, options.iterations)
        try:
            results = repeated(run, options.repeats)
        except ModuleNotFoundError as error:
            print(line(missing_row(name, error.name, TRAINING)), flush=True)
            continue
        ours = ours or results  # the first of all methods
        print(line(training_row(name, results, ours)), flush=True)


def print_inference(data: Data, names: Sequence[str], options: argparse.Namespace) -> None:
    """Print the table of inference."""
    given = data, options.seed, options.repeats
    found = {name: in_fresh_process(infer, name, *given) for name in names if name in INFERRING}
    base = found[BASE][0] if BASE in found else None
    print_header(INFERENCE)
    for name, speeds in found.items():
        print("\n".join(map(line, inference_rows(name, speeds, base))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    peers = [name for name in METHODS if name != OURS]
    parser.add_argument("--repeats", type=int, default=3, help=f"if it takes at most {SLOW:.0f} s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--skip", nargs="+", choices=peers, default=[], metavar="NAME")
    parser.add_argument("--documents", type=int, help="draw so many for a trial; default: all")
    parser.add_argument("--iterations", type=int, default=200, help="of PA, HPA and HLDA")
    options = parser.parse_args(arguments)
    names = [name for name in METHODS if name not in options.skip]

    documents = drawn(train_posts().documents, options.documents, options.seed)
    queries = fetch_20newsgroups("test", source="orange").documents or []
    queries = drawn(queries, min(QUERIES, len(documents)), options.seed)
    data = prepared(documents, queries)
    print(environment("gensim"))
    print(
        f"{len(documents):,} documents, {len(data.words):,} terms, {data.counts.nnz:,} non-zeros; "
        f"widths {', '.join(map(str, WIDTHS))}; seed {options.seed}\n\nTraining:\n"
    )
    print_training(data, names, options)
    print(f"\nInference, {len(queries):,} test documents, after training on raw counts:\n")
    print_inference(data, names, options)


if __name__ == "__main__":
    main()
