"""The words of new texts that a model knows."""

from collections import Counter

import numpy as np
from gensim.utils import FakeDict

from nnmf_topics import NeuralNMFModel
from nnmf_topics._typing import Bow
from nnmf_topics.datasets._bundle import tokenize
from nnmf_topics.vocabulary import ids_of_words


class KnownWords:
    """Finds the words of a model in texts.

    Parameters
    ----------
    model : NeuralNMFModel
        A word that it has not learnt, or that its weighting leaves out, is unknown.

    Attributes
    ----------
    number : int
        How many were found so far.
    """

    def __init__(self, model: NeuralNMFModel) -> None:
        if isinstance(model.id2word, FakeDict):
            raise ValueError("the model was trained without id2word: it has no words to look for")
        weights = model.term_weights
        weights = np.ones(model.num_terms) if weights is None else weights
        ids = ids_of_words(model.id2word)
        self._ids = {word: i for word, i in ids.items() if i < model.num_terms and weights[i] > 0}
        self.number = 0

    def bow(self, text: str) -> Bow:
        """Return a text as a bag of words."""
        [words] = tokenize([text], ())
        counts = Counter(self._ids[word] for word in words if word in self._ids)
        self.number += counts.total()
        return sorted(counts.items())
