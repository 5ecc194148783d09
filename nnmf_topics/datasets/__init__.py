"""Data to try topic models on: real ones by their loaders, and planted ones with a known tree."""

from nnmf_topics.datasets._bundle import TopicCorpus
from nnmf_topics.datasets._catalogue import DatasetInfo, available
from nnmf_topics.datasets._posts import NEWSGROUPS
from nnmf_topics.datasets.lee import load_lee
from nnmf_topics.datasets.newsgroups import PAPER_GROUPS, fetch_20newsgroups
from nnmf_topics.datasets.planted import make_hierarchical_corpus
from nnmf_topics.datasets.survey import Survey, load_survey, make_survey
from nnmf_topics.datasets.texts import load_texts

__all__ = [
    "NEWSGROUPS",
    "PAPER_GROUPS",
    "DatasetInfo",
    "Survey",
    "TopicCorpus",
    "available",
    "fetch_20newsgroups",
    "load_lee",
    "load_survey",
    "load_texts",
    "make_hierarchical_corpus",
    "make_survey",
]
