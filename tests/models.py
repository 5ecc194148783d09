"""Corpora and trained models that test modules share; what is cached must not be changed."""

import copy
import functools
import io
import json

from gensim.corpora import Dictionary
from safetensors import numpy as safetensors_numpy

from nnmf_topics import NeuralNMFModel
from nnmf_topics.datasets import load_lee, make_hierarchical_corpus

WIDTHS = (6, 3, 2)


@functools.cache
def planted():
    return make_hierarchical_corpus(120, WIDTHS, background_words=30, random_state=0)


@functools.cache
def trained():
    """Three layers; do not change it, take `copied()` for that."""
    data = planted()
    return NeuralNMFModel(data.corpus, WIDTHS, data.dictionary, random_state=0)


@functools.cache
def flat():
    data = planted()
    return NeuralNMFModel(data.corpus, (4,), data.dictionary, random_state=0)


def copied():
    return copy.deepcopy(trained())


@functools.cache
def lee():
    return load_lee()


@functools.cache
def lee_model(num_topics=10, random_state=0):
    data = lee()
    return NeuralNMFModel(data.corpus, num_topics, data.dictionary, random_state=random_state)


def animals():
    """Five short documents with their dictionary."""
    texts = [
        ["cat", "dog", "cat"],
        ["dog", "bird"],
        ["cat", "fish", "fish"],
        ["bird", "sky", "wind"],
        ["sky", "wind", "sky"],
    ]
    dictionary = Dictionary(texts)
    return [dictionary.doc2bow(text) for text in texts], dictionary


def saved_bytes(model):
    buffer = io.BytesIO()
    model.save(buffer)
    return buffer.getvalue()


def loaded(model):
    """The model after a save and a load."""
    return NeuralNMFModel.load(io.BytesIO(saved_bytes(model)))


def fingerprint(model):
    """All that a file would hold, but for the log of events: equal for equal models only."""
    tensors = safetensors_numpy.load(saved_bytes(copy.copy(model)))
    document = json.loads(tensors.pop("json").tobytes())
    del document["lifecycle_events"]
    arrays = {name: (array.dtype.str, array.tobytes()) for name, array in tensors.items()}
    return arrays, document
