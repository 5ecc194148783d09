"""Hierarchical topic models for gensim by Neural NMF, on NumPy and CuPy."""

from importlib.metadata import version

from nnmf_topics import datasets
from nnmf_topics.hierarchy import Topic, TopicHierarchy
from nnmf_topics.model import NeuralNMFModel

__version__ = version("nnmf-topics")

__all__ = ["NeuralNMFModel", "Topic", "TopicHierarchy", "__version__", "datasets"]
