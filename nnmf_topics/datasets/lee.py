"""The 300 news documents that every gensim wheel carries."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nnmf_topics.datasets._bundle import TopicCorpus, bag_of_words, tokenize


def load_lee(*, no_below: int = 2, stop_words: Collection[str] | None = None) -> TopicCorpus:
    """Load the Lee background corpus from the installed gensim, without a network.

    Parameters
    ----------
    no_below : int
        Words in fewer documents are dropped.
    stop_words : collection of str, optional
        Words to drop; None takes gensim's English list, () keeps every word.

    Returns
    -------
    TopicCorpus
        300 documents without labels.

    Raises
    ------
    OSError
        If this gensim was installed without its test data.

    References
    ----------
    Lee, Pincombe, Welsh, "An empirical evaluation of models of text document similarity",
    Proceedings of the 27th Annual Conference of the Cognitive Science Society, 2005.
    """
    from gensim.test.utils import datapath

    path = Path(datapath("lee_background.cor"))
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: this gensim lacks its test data, install it with pip"
        )
    documents = path.read_text(encoding="utf-8").splitlines()
    texts, dictionary, corpus = bag_of_words(tokenize(documents, stop_words), no_below)
    return TopicCorpus("lee", "gensim", texts, dictionary, corpus, documents)
