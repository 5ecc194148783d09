"""Hierarchical topic models for gensim by Neural NMF, on NumPy and CuPy."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnmf_topics import datasets, evaluation
    from nnmf_topics.estimator import NeuralNMF
    from nnmf_topics.hierarchy import TopicHierarchy
    from nnmf_topics.model import NeuralNMFModel
    from nnmf_topics.topic import Topic

__version__ = version("nnmf-topics")

__all__ = [
    "NeuralNMF",
    "NeuralNMFModel",
    "Topic",
    "TopicHierarchy",
    "__version__",
    "datasets",
    "evaluation",
]

_HOMES = {
    "NeuralNMF": "nnmf_topics.estimator",
    "NeuralNMFModel": "nnmf_topics.model",
    "Topic": "nnmf_topics.topic",
    "TopicHierarchy": "nnmf_topics.hierarchy",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is asked for: the engine runs where gensim is absent."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in ("datasets", "evaluation"):
        return import_module(f"nnmf_topics.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
