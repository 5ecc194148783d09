"""Compare the coherence of the topics with those of gensim's LdaModel and Nmf, from raw counts.

The model has all options at their default; LdaModel and Nmf make 10 passes, else as gensim has
them. All get the same bags of words, the same seeds and the same number of finest topics. The
corpora are the 300 news articles of Lee and all train documents of 20 Newsgroups, which are the
reference of the coherence too. 20 Newsgroups takes some minutes for each seed.

    pip install -e .
    python scripts/compare_with_lda.py
    python scripts/compare_with_lda.py --corpus lee --topics 10 --seeds 3   # a quick look
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _setting import environment
from gensim.matutils import corpus2csc
from gensim.models import CoherenceModel, LdaModel, Nmf

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import TopicCorpus, fetch_20newsgroups, load_lee
from nnmf_topics.evaluation import TOP_WORDS, diversity, npmi
from nnmf_topics.topics import top_terms

PASSES = 10
MARGIN = 0.05
GENSIM_WORDS = 20  # gensim's default number of top words
BASE = "LdaModel"
COHERENCES = ("npmi", "c_npmi", f"c_npmi {GENSIM_WORDS}")
COLUMNS = (*COHERENCES, "diversity", "documents")


class Setting(NamedTuple):
    """A corpus, the numbers of finest topics to train on it, and how many seeds."""

    load: Callable[[], TopicCorpus]
    topics: tuple[int, ...]
    seeds: int


CORPORA = {
    "lee": Setting(load_lee, (10, 20), 5),
    "20newsgroups": Setting(lambda: fetch_20newsgroups("train", source="orange"), (20, 50), 2),
}


class Fit(NamedTuple):
    """The top words of each layer, finest first, and the seconds that training took."""

    layers: list[list[np.ndarray]]
    seconds: float


Rows = dict[str, list[dict[str, float]]]
"""The measures of a method, one of each seed."""


def neural_layers(data: TopicCorpus, topics: int, seed: int) -> list[Any]:
    """Train this package with its default options, and return its layers."""
    model = NeuralNMFModel(data.corpus, topics, data.dictionary, random_state=seed)
    return [model.level(layer) for layer in range(len(model.widths))]


def gensim_model(model: type, data: TopicCorpus, topics: int, seed: int) -> list[Any]:
    """Train a model of gensim with 10 passes, its other options at their default."""
    return [model(data.corpus, topics, data.dictionary, passes=PASSES, random_state=seed)]


METHODS: dict[str, Callable[[TopicCorpus, int, int], list[Any]]] = {
    "nnmf_topics": neural_layers,
    BASE: lambda *given: gensim_model(LdaModel, *given),
    "Nmf": lambda *given: gensim_model(Nmf, *given),
}


def fit(method: str, data: TopicCorpus, topics: int, seed: int) -> Fit:
    """Train a method, and rank the words of its topics."""
    start = perf_counter()
    layers = METHODS[method](data, topics, seed)
    seconds = perf_counter() - start
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid value", RuntimeWarning)  # an empty topic of Nmf
        return Fit([ranked_words(layer.get_topics()) for layer in layers], seconds)


def ranked_words(topics: np.ndarray) -> list[np.ndarray]:
    """Return the ids of the top words of each topic; a topic without words has the first ids."""
    return [top_terms(topic, GENSIM_WORDS) for topic in np.nan_to_num(topics)]


def occurrence_of(data: TopicCorpus) -> sp.csc_array:
    """Return 1 where a document holds a term, (documents, terms)."""
    counts = sp.csc_array(corpus2csc(data.corpus, num_terms=len(data.dictionary)).T)
    return sp.csc_array(counts > 0).astype(np.float64)


def window_npmi(data: TopicCorpus, layers: Sequence[list[np.ndarray]], words: int) -> list[float]:
    """Return gensim's c_npmi of each layer, all from one count of the windows of the texts."""
    tops = [[data.dictionary[n] for n in top[:words]] for layer in layers for top in layer]
    model = CoherenceModel(
        topics=tops,
        texts=data.texts,
        dictionary=data.dictionary,
        coherence="c_npmi",
        topn=words,
        processes=1,
    )
    ends = np.cumsum([len(layer) for layer in layers])[:-1]
    return [float(np.mean(part)) for part in np.split(model.get_coherence_per_topic(), ends)]


def measure(data: TopicCorpus, layers: Sequence[list[np.ndarray]]) -> list[dict[str, float]]:
    """Return the `COLUMNS` of each layer, given by its top words."""
    occurrence = occurrence_of(data)
    frequency = occurrence.sum(axis=0)
    windows = [window_npmi(data, layers, words) for words in (TOP_WORDS, GENSIM_WORDS)]
    rows = []
    for layer, *coherence in zip(layers, *windows, strict=True):
        tops = [top[:TOP_WORDS] for top in layer]
        common = float(np.median(frequency[np.concatenate(tops)]))
        values = (npmi(tops, occurrence), *coherence, diversity(tops), common)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def study(data: TopicCorpus, topics: int, seeds: int) -> Rows:
    """Train every method with every seed, and measure every layer."""
    fits = [(name, fit(name, data, topics, seed)) for name in METHODS for seed in range(seeds)]
    measured = iter(measure(data, [layer for _, one in fits for layer in one.layers]))
    rows: Rows = {}
    for name, one in fits:
        for number, layer in enumerate(one.layers):
            label = name if len(one.layers) == 1 else f"{name}, layer {number}"
            row = {**next(measured), "topics": len(layer), "seconds": one.seconds}
            rows.setdefault(label, []).append(row)
    return rows


def differences(rows: Rows, label: str, column: str) -> np.ndarray:
    """Return by how much a method is above LdaModel, seed by seed."""
    pairs = zip(rows[label], rows[BASE], strict=True)
    return np.array([mine[column] - base[column] for mine, base in pairs])


def report(corpus: str, topics: int, rows: Rows) -> str:
    """Return the lines of the table, one for each layer of each method."""
    lines = []
    for label, found in rows.items():
        cells = [corpus, str(topics), label, f"{found[0]['topics']:.0f}"]
        for column in COHERENCES:
            mean = np.mean([row[column] for row in found])
            cells += [f"{mean:.3f}", above(differences(rows, label, column), label)]
        for column, digits in (("diversity", 3), ("documents", 0), ("seconds", 1)):
            cells.append(f"{np.mean([row[column] for row in found]):.{digits}f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def above(difference: np.ndarray, label: str) -> str:
    """Return the mean difference to LdaModel, and that of the worst seed in brackets."""
    return "" if label == BASE else f"{difference.mean():+.3f} ({difference.min():+.3f})"


def shortfalls(rows: Rows) -> list[str]:
    """Name the layers and measures of this package that miss the margin for some seed."""
    return [
        f"{label}: {column} {differences(rows, label, column).min():+.3f}"
        for label in rows
        if label.startswith("nnmf_topics")
        for column in COHERENCES
        if differences(rows, label, column).min() < MARGIN
    ]


def header() -> str:
    """Return the first two lines of the table."""
    pairs = [cell for column in COHERENCES for cell in (column, "above LDA")]
    names = ["corpus", "finest", "method", "topics", *pairs, "diversity", "documents", "seconds"]
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def main() -> None:
    """Print the table, and where the margin is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", choices=[*CORPORA, "both"], default="both")
    parser.add_argument("--topics", type=int, nargs="+", help="numbers of finest topics")
    parser.add_argument("--seeds", type=int, help="fits of each method; default: 5 on Lee, else 2")
    options = parser.parse_args()

    print(environment("gensim"))
    print(f"means over seeds; difference to {BASE} of the same seed: mean (worst seed)\n")
    print(header(), flush=True)
    missed = []
    for corpus in CORPORA if options.corpus == "both" else [options.corpus]:
        setting = CORPORA[corpus]
        data = setting.load()
        for topics in options.topics or setting.topics:
            rows = study(data, topics, options.seeds or setting.seeds)
            print(report(corpus, topics, rows), flush=True)
            missed += [f"{corpus}, {topics} topics, {miss}" for miss in shortfalls(rows)]
    print(f"\nless than {MARGIN} above {BASE} for some seed: {'; '.join(missed) or 'nowhere'}")


if __name__ == "__main__":
    main()
