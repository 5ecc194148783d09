"""The commands that train: ``demo`` and ``train``."""

import argparse
import contextlib
import sys

from nnmf_topics import NeuralNMFModel, datasets
from nnmf_topics.cli import files, tables


def demo(options: argparse.Namespace) -> None:
    """Train on the bundled news stories."""
    data = datasets.load_lee()
    _print_result(_fit(data, options), data, options.words)


def train(options: argparse.Namespace) -> None:
    """Train on a text file and save the model."""
    files.check_output(options.output, options.file)
    with files.text_file(options.file) as path:
        data = files.load_texts(path)
    model = _fit(data, options)
    model.save(options.output)  # before anything is printed, as the reader may have gone
    _print_result(model, data, options.words)
    print(f"\nsaved to {options.output}; look at it again with: nnmf-topics show {options.output}")


def _fit(data: datasets.TopicCorpus, options: argparse.Namespace) -> NeuralNMFModel:
    with contextlib.suppress(BrokenPipeError):  # a model is wanted even if nobody reads
        print(f"{data.name}: {len(data)} documents, {len(data.dictionary)} words", flush=True)
    return NeuralNMFModel(
        data.corpus,
        options.topics,
        data.dictionary,
        passes=options.passes,
        random_state=options.seed,
        # A bar into a pipe would stop the training with its reader.
        progress=bool(sys.stderr and sys.stderr.isatty()),
    )


def _print_result(model: NeuralNMFModel, data: datasets.TopicCorpus, words: int) -> None:
    print()
    tables.print_hierarchy(model.hierarchy, words)
    tables.print_fit(model, data)
