"""What the modules that run gensim's own test suites share.

They take gensim's test classes as they are and put `NeuralNMFModel` where gensim's class stands; a
method that is overridden says why in its first line.
"""

from typing import Any

import numpy as np
import scipy.optimize
from gensim.corpora import Dictionary
from gensim.test.utils import common_texts

from nnmf_topics import NeuralNMFModel

DICTIONARY = Dictionary(common_texts)
CORPUS = [DICTIONARY.doc2bow(text) for text in common_texts]


class Flat(NeuralNMFModel):
    """The model itself, with the one name of LdaModel's that its suite reads the topics off."""

    @property
    def expElogbeta(self) -> np.ndarray:  # noqa: N802
        return self.get_topics()


class Hierarchical(Flat):
    """As many topics again in a layer above the few that the suites ask for."""

    def __init__(
        self, corpus: Any = None, num_topics: Any = 100, id2word: Any = None, **options: Any
    ) -> None:
        widths = (num_topics, num_topics) if num_topics in (2, 5) else num_topics
        super().__init__(corpus, widths, id2word, **options)


def shares_by_scipy(model: NeuralNMFModel, document: list[tuple[int, Any]]) -> np.ndarray:
    """Shares of the finest topics in a document, for a model with weighting="none"."""
    counts = np.zeros(model.num_terms)
    for term, count in document:
        counts[term] = count
    factor = model.factors[0].astype(np.float64)
    codes, _ = scipy.optimize.nnls(factor, counts)
    words = codes * factor.sum(axis=0)
    return words / words.sum()
