"""What gensim calls id2word: any of its forms, read alike, and as plain data for files."""

from typing import Any

import numpy as np
from gensim.corpora import Dictionary
from gensim.utils import FakeDict

from nnmf_topics.corpus import Source, count_terms
from nnmf_topics.options import whole


def vocabulary_size(id2word: Any) -> int:
    """One more than the largest term id; ids may have gaps.

    Raises
    ------
    TypeError, ValueError
        If its keys are no ids, or there are none.
    """
    if not hasattr(id2word, "keys"):
        raise TypeError(f"id2word must map ids to words, not be {type(id2word).__name__}")
    if isinstance(id2word, FakeDict) and id2word.num_terms > 0:
        return int(id2word.num_terms)  # without a set of all ids
    ids = set(id2word.keys())
    if not ids:
        raise ValueError("id2word has no terms; give a dictionary with at least one")
    for i in ids:
        if not isinstance(i, (int, np.integer)) or isinstance(i, bool):
            raise TypeError(f"id2word has the id {i!r}; it must map whole numbers to words")
    if min(ids) < 0:
        raise ValueError(f"id2word has the id {min(ids)}; ids must be 0 or more")
    return 1 + int(max(ids))


def default_id2word(corpus: Source) -> FakeDict:
    """Return words for a corpus without a dictionary: the ids as text. Reads the corpus once."""
    return FakeDict(count_terms(corpus))


def word_of(id2word: Any, term: int) -> str:
    """Return the word of a term id; of an id in a gap, the id as text."""
    try:
        return str(id2word[int(term)])
    except KeyError:
        return str(term)


def term_of(id2word: Any, word: str) -> int:
    """Return the term id of a word.

    Raises
    ------
    IndexError
        If the word is unknown, as in gensim.
    """
    ids = ids_of_words(id2word)
    if word not in ids:
        raise IndexError(f"the word {word!r} is not in the dictionary")
    return int(ids[word])


def ids_of_words(id2word: Any) -> dict[str, int]:
    """Return the term id of every word."""
    token2id: dict[str, int] | None = getattr(id2word, "token2id", None)
    if token2id is None:
        ids = range(len(id2word)) if isinstance(id2word, FakeDict) else id2word.keys()
        token2id = {word_of(id2word, i): int(i) for i in ids}
    return token2id


def to_plain(id2word: Any) -> dict[str, Any]:
    """Return JSON-ready data that `from_plain` makes the same dictionary of."""
    if isinstance(id2word, FakeDict):
        return {"kind": "fake", "num_terms": id2word.num_terms}
    ids = sorted(int(i) for i in id2word.keys())  # noqa: SIM118 (a Dictionary iterates otherwise)
    plain: dict[str, Any] = {"kind": "dict", "ids": ids, "words": [str(id2word[i]) for i in ids]}
    if isinstance(id2word, Dictionary):
        counts = {name: int(getattr(id2word, name)) for name in _COUNTS}
        frequencies = {
            name: [[int(i), int(n)] for i, n in getattr(id2word, name).items()]
            for name in _FREQUENCIES
        }
        plain |= {"kind": "dictionary", **counts, **frequencies}
    return plain


def from_plain(plain: dict[str, Any]) -> Any:
    """Build the dictionary again.

    Raises
    ------
    LookupError, TypeError, ValueError
        If the data are none of a dictionary.
    """
    if plain["kind"] == "fake":
        return FakeDict(whole("num_terms", plain["num_terms"], 1))
    id2word = {
        whole("a term id", i): _text(word)
        for i, word in zip(plain["ids"], plain["words"], strict=True)
    }
    if len(id2word) < len(plain["ids"]):
        raise ValueError("the vocabulary has a term id twice")
    if plain["kind"] == "dict":
        return id2word
    if plain["kind"] != "dictionary":
        raise ValueError(f"{plain['kind']!r} is no kind of dictionary")
    dictionary = Dictionary()
    dictionary.token2id = {word: i for i, word in id2word.items()}
    dictionary.id2token = id2word
    for name in _COUNTS:
        setattr(dictionary, name, whole(name, plain[name]))
    for name in _FREQUENCIES:
        frequencies = {whole("a term id", i): whole(name, n) for i, n in plain[name]}
        setattr(dictionary, name, frequencies)
    return dictionary


def _text(word: Any) -> str:
    if not isinstance(word, str):
        raise TypeError(f"the vocabulary has the word {word!r}, which is no text")
    return word


_COUNTS = ("num_docs", "num_pos", "num_nnz")
_FREQUENCIES = ("dfs", "cfs")
