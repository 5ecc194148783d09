import json
import pickle

import pytest
from gensim.corpora import Dictionary, HashDictionary
from gensim.utils import FakeDict
from models import animals

from nnmf_topics.vocabulary import (
    default_id2word,
    from_plain,
    term_of,
    to_plain,
    vocabulary_size,
    word_of,
)

FORMS = {
    "dictionary": lambda: Dictionary([["a", "b", "c"]]),
    "dict": lambda: {0: "a", 1: "b", 2: "c"},
    "gaps": lambda: {0: "a", 7: "b", 2: "c"},
    "fake": lambda: FakeDict(3),
}


@pytest.mark.parametrize(
    ("form", "size"), [("dictionary", 3), ("dict", 3), ("gaps", 8), ("fake", 3)]
)
def test_the_size_is_one_more_than_the_largest_id(form, size):
    assert vocabulary_size(FORMS[form]()) == size


@pytest.mark.parametrize("empty", [{}, Dictionary(), FakeDict(0)])
def test_no_terms_are_an_error(empty):
    with pytest.raises(ValueError, match=r"id2word has .*; (give|ids must)"):
        vocabulary_size(empty)


@pytest.mark.parametrize(
    "wrong", [["a", "b"], {"a": 0, "b": 1}, {0.5: "a"}, {None: "a"}, {True: "a"}, "abc", 3]
)
def test_what_does_not_map_ids_to_words_is_a_type_error_that_names_id2word(wrong):
    with pytest.raises(TypeError, match="id2word"):
        vocabulary_size(wrong)


def test_negative_ids_are_an_error():
    with pytest.raises(ValueError, match="id2word has the id -1"):
        vocabulary_size({-1: "a", 0: "b"})


def test_words_of_ids_and_ids_of_words_are_each_others_inverse():
    for form, make in FORMS.items():
        id2word = make()
        ids = range(3) if form != "gaps" else (0, 2, 7)
        assert [term_of(id2word, word_of(id2word, i)) for i in ids] == list(ids)


def test_an_id_in_a_gap_is_its_own_word():
    assert word_of({0: "a", 7: "b"}, 3) == "3"


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_word_is_an_index_error_that_names_it(form):
    with pytest.raises(IndexError, match="'zebra' is not in the dictionary"):
        term_of(FORMS[form](), "zebra")


def test_a_corpus_alone_gives_its_ids_as_words():
    id2word = default_id2word([[(0, 1)], [(4, 2), (2, 1)], []])
    assert vocabulary_size(id2word) == 5
    assert [word_of(id2word, i) for i in range(5)] == list("01234")


def through_json(id2word):
    return from_plain(json.loads(json.dumps(to_plain(id2word))))


@pytest.mark.parametrize("form", FORMS)
def test_plain_data_give_an_equal_dictionary_of_the_same_kind(form):
    before = FORMS[form]()
    after = through_json(before)
    assert type(after) is type(before)
    assert vocabulary_size(after) == vocabulary_size(before)
    for i in range(vocabulary_size(before)):
        assert word_of(after, i) == word_of(before, i)


def test_a_dictionary_comes_back_whole():
    corpus, before = animals()
    before[0]  # builds id2token
    after = through_json(before)
    for name in ("token2id", "dfs", "cfs", "num_docs", "num_pos", "num_nnz"):
        assert getattr(after, name) == getattr(before, name), name
    assert dict(after.items()) == dict(before.items())
    assert after.doc2bow(["cat", "cat", "zebra"]) == before.doc2bow(["cat", "cat", "zebra"])
    after.add_documents([["zebra", "cat"]])
    assert after[len(before)] == "zebra"
    assert after.num_docs == before.num_docs + 1
    assert all(type(i) is int for i in after.dfs)
    assert len(corpus) == before.num_docs
    assert pickle.loads(pickle.dumps(after)).token2id == after.token2id


def test_any_text_is_a_word():
    words = ["", "\x00", "\ud800", "\u202e", '"\\', "x" * 10_000, "é", "\n"]
    before = dict(enumerate(words))
    assert through_json(before) == before


def test_any_mapping_of_gensim_will_do():
    id2word = HashDictionary([["cat", "dog"]], id_range=50)
    size = vocabulary_size(id2word)
    assert 0 < size <= 50
