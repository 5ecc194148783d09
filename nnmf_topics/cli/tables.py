"""What is printed: topics, how good they are, and the data sets."""

from collections.abc import Iterable, Sequence
from math import isnan

import numpy as np

from nnmf_topics import NeuralNMFModel, TopicHierarchy, datasets, evaluation
from nnmf_topics._typing import Bow
from nnmf_topics.documents import to_matrix

_COHERENCE = "coherence: higher is better"
_FIT = f"{_COHERENCE}; relative error: 1 explains nothing, .85-.95 is usual for text"
_QUALITY = """\
NPMI of words in whole documents, best of some hundreds: higher is better, but not to be compared
with the c_npmi of train; diversity: 1 is best; perplexity: lower is better at equal widths"""


def print_hierarchy(hierarchy: TopicHierarchy, words: int) -> None:
    """Print all topics as a tree."""
    print("topic, its share of the corpus or of the topic above, its strongest words\n")
    hierarchy.print(topn=words)


def print_fit(model: NeuralNMFModel, data: datasets.TopicCorpus) -> None:
    """Print the coherence of the topics of every layer, and its error at the end of training."""
    # More processes would take longer to start than they save.
    reference = {"texts": data.texts, "dictionary": data.dictionary, "processes": 1}
    rows = (
        (evaluation.coherence(model, layer=layer, **reference), error)
        for layer, error in enumerate(model.history.errors[-1])
    )
    _print_layers(model, ("coherence (c_npmi)", "relative error"), rows)
    print(_FIT)


def print_quality(model: NeuralNMFModel, corpus: list[Bow]) -> None:
    """Print NPMI and diversity of the topics of every layer, and the perplexity of documents."""
    occurrence = to_matrix(corpus, 0, model.num_terms, np.float64).T.tocsc() > 0

    def row(layer: int) -> tuple[float, float, float]:
        tops = evaluation.top_words(model.factors, layer)
        perplexity = 2 ** -model.level(layer).log_perplexity(corpus)
        return evaluation.npmi(tops, occurrence), evaluation.diversity(tops), perplexity

    rows = map(row, range(model.num_layers))
    _print_layers(model, ("NPMI", "diversity", "perplexity"), rows)
    print(_QUALITY)


def print_datasets() -> None:
    """Print what can be loaded, and how."""
    for data in datasets.available():
        print(f"{data.name}: {data.description}")
        print(f"    size     {data.size}")
        print(f"    source   {data.source}")
        print(f"    licence  {data.licence}")
        print(f"    load     nnmf_topics.datasets.{data.loader}\n")


def _print_layers(
    model: NeuralNMFModel, columns: Sequence[str], rows: Iterable[Sequence[float]]
) -> None:
    print("\n" + "  ".join(("layer", "topics", *columns)))
    for layer, row in enumerate(rows):
        shown = ("-" if isnan(x) else f"{x:.{1 if x > 10 else 3}f}" for x in row)
        values = (text.rjust(len(name)) for name, text in zip(columns, shown, strict=True))
        print(f"{layer:5}  {model.widths[layer]:6}  " + "  ".join(values))
