"""The commands that a saved model answers: ``show``, ``report``, ``infer`` and ``evaluate``."""

import argparse
import logging
from pathlib import Path

from nnmf_topics import NeuralNMFModel, TopicHierarchy
from nnmf_topics.cli import files, tables
from nnmf_topics.cli.known_words import KnownWords

logger = logging.getLogger(__name__)

_LEAST_SHARE = 0.01


def show(options: argparse.Namespace) -> None:
    """Print the topics of a saved model or hierarchy."""
    tables.print_hierarchy(_hierarchy(options.model), options.words)


def report(options: argparse.Namespace) -> None:
    """Write the topics of a saved model or hierarchy as a page of HTML."""
    files.check_output(options.output, options.model)
    _hierarchy(options.model).to_html(options.output, topn=options.words)
    if options.output.is_file():
        print(f"written to {options.output}; open it with a browser")


def infer(options: argparse.Namespace) -> None:
    """Print the topics of every line of a text, as many lines as it has."""
    model = _model(options.model)
    known, level = KnownWords(model), model.level(options.layer)
    documents = map(known.bow, files.lines(options.file))
    for topics in level.get_document_topics(documents, minimum_probability=_LEAST_SHARE):
        topics.sort(key=lambda topic: -topic[1])
        print(" ".join(f"{number}:{share:.3f}" for number, share in topics))
    _check_found(known, options.file)


def evaluate(options: argparse.Namespace) -> None:
    """Print how good the topics of a saved model are for the documents of a text."""
    model = _model(options.model)
    known = KnownWords(model)
    corpus = [known.bow(line) for line in files.lines(options.file) if line.strip()]
    _check_found(known, options.file)
    print(f"{files.name(options.file)}: {len(corpus)} documents, {known.number} known words")
    tables.print_quality(model, corpus)


def _model(path: Path) -> NeuralNMFModel:
    if files.is_json(path):
        raise ValueError(f"{path}: is no model; a hierarchy alone knows no documents")
    model = NeuralNMFModel.load(path)
    if not model.statistics.counts:
        logger.warning("%s was trained on weights such as tf-idf, and is asked about counts", path)
    return model


def _hierarchy(path: Path) -> TopicHierarchy:
    if files.is_json(path):
        return TopicHierarchy.load(path)
    return NeuralNMFModel.load(path).hierarchy


def _check_found(known: KnownWords, file: Path) -> None:
    if not known.number:
        raise ValueError(f"{files.name(file)}: the model knows none of its words")
