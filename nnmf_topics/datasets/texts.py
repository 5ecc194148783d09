"""A text file of one's own as a corpus."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from nnmf_topics.datasets._bundle import TopicCorpus, bag_of_words, tokenize


def load_texts(
    path: str | os.PathLike[str], *, no_below: int = 2, stop_words: Collection[str] | None = None
) -> TopicCorpus:
    """Read a UTF-8 text file with one document a line; blank lines are skipped.

    Parameters
    ----------
    path : path
    no_below : int
        Words in fewer documents are dropped.
    stop_words : collection of str, optional
        Words to drop; None takes gensim's English list, () keeps every word.

    Returns
    -------
    TopicCorpus

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not UTF-8 text, or no word occurs in `no_below` lines; the message names it.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)} is not UTF-8 text: {error}") from error
    documents = [line for line in lines if line.strip()]
    if not documents:
        raise ValueError(f"{os.fspath(path)} is empty; write one document a line")
    try:
        texts, dictionary, corpus = bag_of_words(tokenize(documents, stop_words), no_below)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    return TopicCorpus(Path(path).name, os.fspath(path), texts, dictionary, corpus, documents)
