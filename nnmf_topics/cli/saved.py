"""The commands that a saved model answers: ``show``, ``report``, ``infer`` and ``evaluate``."""

import argparse
from pathlib import Path

from nnmf_topics import NeuralNMFModel, TopicHierarchy
from nnmf_topics.cli import files, tables
from nnmf_topics.cli.known_words import KnownWords


def show(options: argparse.Namespace) -> None:
    """Print the topics of a saved model or hierarchy."""
    tables.print_hierarchy(_hierarchy(options.model), options.words)


def report(options: argparse.Namespace) -> None:
    """Write the topics of a saved model or hierarchy as a page of HTML."""
    files.check_output(options.output, options.model)
    _hierarchy(options.model).to_html(options.output, topn=options.words)
    print(f"written to {options.output}; open it with a browser")


def infer(options: argparse.Namespace) -> None:
    """Print the topics of every line of a text, as many lines as it has."""
    level = _model(options.model).level(options.layer)
    known = KnownWords(level.id2word)
    for topics in level[map(known.bow, files.lines(options.file))]:
        topics.sort(key=lambda topic: -topic[1])
        print(" ".join(f"{number}:{share:.3f}" for number, share in topics))
    _check_found(known, options.file)


def evaluate(options: argparse.Namespace) -> None:
    """Print how good the topics of a saved model are for the documents of a text."""
    model = _model(options.model)
    known = KnownWords(model.id2word)
    corpus = [known.bow(line) for line in files.lines(options.file) if line.strip()]
    _check_found(known, options.file)
    print(f"{files.name(options.file)}: {len(corpus)} documents, {known.number} known words")
    tables.print_quality(model, corpus)


def _model(path: Path) -> NeuralNMFModel:
    if files.is_json(path):
        raise ValueError(f"{path}: is no model; a hierarchy alone knows no documents")
    return NeuralNMFModel.load(path)


def _hierarchy(path: Path) -> TopicHierarchy:
    if files.is_json(path):
        return TopicHierarchy.load(path)
    return NeuralNMFModel.load(path).hierarchy


def _check_found(known: KnownWords, file: Path) -> None:
    if not known.number:
        raise ValueError(f"{files.name(file)}: the model knows none of its words")
