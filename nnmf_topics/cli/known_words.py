"""The words of new texts that a model knows."""

from collections import Counter
from typing import Any

from nnmf_topics._typing import Bow
from nnmf_topics.datasets._bundle import tokenize
from nnmf_topics.vocabulary import ids_of_words


class KnownWords:
    """Finds the words of a vocabulary in texts.

    Attributes
    ----------
    number : int
        How many were found so far.
    """

    def __init__(self, id2word: Any) -> None:
        self._ids, self.number = ids_of_words(id2word), 0

    def bow(self, text: str) -> Bow:
        """Return a text as a bag of words."""
        [words] = tokenize([text], ())
        counts = Counter(self._ids[word] for word in words if word in self._ids)
        self.number += counts.total()
        return sorted(counts.items())
