"""What every loader returns, and the way from raw text to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    from gensim.corpora import Dictionary

BagOfWords = list[tuple[int, int]]


@dataclass(frozen=True, repr=False)
class TopicCorpus:
    """A corpus ready for gensim, with the classes of its documents where they are known.

    Attributes
    ----------
    name : str
        Name of the data set, as in `available`.
    source : str
        Where the text came from.
    texts : list of list of str
        The words of each document, only those of the dictionary.
    dictionary : gensim.corpora.Dictionary
        The words and their ids (a model's `id2word`).
    corpus : list of list of (int, int)
        Each document as (word id, count) pairs.
    documents : list of str, optional
        The text of each document as the source gives it.
    layer_labels : tuple of list of str
        One class per document for each layer, finest first; empty where no classes are known.
    hierarchy : dict of str to str, optional
        The parent of each class, for all layers but the coarsest.
    """

    name: str
    source: str
    texts: list[list[str]]
    dictionary: Dictionary
    corpus: list[BagOfWords]
    documents: list[str] | None = None
    layer_labels: tuple[list[str], ...] = ()
    hierarchy: dict[str, str] | None = None

    @property
    def labels(self) -> list[str] | None:
        """Finest class of each document, or None."""
        return self.layer_labels[0] if self.layer_labels else None

    @property
    def superlabels(self) -> list[str] | None:
        """Class of each document one layer above the finest, or None."""
        return self.layer_labels[1] if len(self.layer_labels) > 1 else None

    def __len__(self) -> int:
        return len(self.corpus)

    def __repr__(self) -> str:
        return (
            f"<TopicCorpus {self.name!r}: {len(self)} documents, {len(self.dictionary)} words, "
            f"{len(self.layer_labels)} layers of labels, source {self.source!r}>"
        )


def tokenize(documents: Iterable[str], stop_words: Collection[str] | None) -> list[list[str]]:
    """Lower-case words of each document, without `stop_words` (None: gensim's English list)."""
    from gensim.parsing.preprocessing import STOPWORDS
    from gensim.utils import simple_preprocess

    unwanted = STOPWORDS if stop_words is None else frozenset(stop_words)
    composed = (normalize("NFC", text) for text in documents)  # a lone accent would end a word
    return [[w for w in simple_preprocess(text) if w not in unwanted] for text in composed]


def bag_of_words(
    texts: list[list[str]], no_below: int = 1
) -> tuple[list[list[str]], Dictionary, list[BagOfWords]]:
    """Drop words in fewer than `no_below` documents and count the others."""
    from gensim.corpora import Dictionary

    if no_below < 1:
        raise ValueError(f"no_below={no_below!r} must be at least 1 document")
    dictionary = Dictionary(texts)
    dictionary.filter_extremes(no_below=no_below, no_above=1.0, keep_n=None)
    if not dictionary:
        raise ValueError(f"no word occurs in no_below={no_below} documents: lower no_below")
    known = dictionary.token2id
    kept = [[word for word in text if word in known] for text in texts]
    return kept, dictionary, [dictionary.doc2bow(text) for text in kept]
