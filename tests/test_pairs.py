import marshal
from decimal import Decimal
from enum import IntEnum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmf_topics import pairs as module
from nnmf_topics.pairs import pair_columns

IDS = st.integers(-(2**31), 2**31 - 1)
FLOATS = st.floats(allow_nan=False)


class Term(IntEnum):
    CAT = 3


def own_numbers(pairs):
    """Whether the quick way reads the pairs."""
    return module._of_one_type(pairs) is not None


def same(found, pairs):
    ids, weights = found
    assert ids.tolist() == [i for i, _ in pairs]
    assert weights.tolist() == [float(w) for _, w in pairs]
    assert ids.dtype.kind == "i"
    assert weights.dtype == np.float64


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(IDS, FLOATS), min_size=1) | st.lists(st.tuples(IDS, IDS), min_size=1),
)
def test_pairs_of_pythons_own_numbers_are_read_at_once_as_they_are(pairs):
    assert own_numbers(pairs)
    same(pair_columns(pairs), pairs)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [(0, 1), (2, 1.5)],
        [(1, 2.0), (2**31, 1.0), (-(2**31) - 1, 0.5)],
        [(1, 2**40), (2, 1)],
        [[1, 2], [3, 4]],
        [(1, 2), [3, 4]],
        [np.array([1, 2]), np.array([3, 4])],
        [(np.int64(1), 2.0), (3, np.float32(4))],
        [(np.int32(1), np.float64(2.0))],
        [(Term.CAT, 1)],
        [(1, True), (2, np.True_)],
    ],
)
def test_all_other_numbers_are_read_one_kind_at_a_time(pairs):
    assert not own_numbers(pairs)
    same(pair_columns(pairs), pairs)


# Written they are as long as pairs of two integers, or of an integer and a float.
MIMICS = [
    [(0, "")],
    [(0, b"")],
    [(0, ())],
    [(0, [])],
    [(0, b"\x01\x02\x03\x04")],
    [(0, 1), (0, "")],
    [(0, 1), ("", 0)],
    [(0, 1.5), ("", 1.5)],
    [(0, 1.5), (0.5, 1)],
    [(0, 1.5), b"(\x02\x00\x00\x00ig\x00\x00\x00\x00\x00\x00\x00"],
    [(0, 1), b"(\x02\x00\x00\x00i\x00\x00\x00\x00"],
    [(0, 1), "(\x02\x00\x00\x00i\x00\x00\x00\x00"],
]


@pytest.mark.parametrize("pairs", MIMICS, ids=range(len(MIMICS)))
def test_what_is_as_long_as_a_pair_of_numbers_but_none_is_refused(pairs):
    size, rest = divmod(len(marshal.dumps(pairs, 2)) - 5, len(pairs))
    assert size in {15, 19}
    assert rest == 0
    assert pair_columns(pairs) is None


OTHERS = [
    [(True, 1)],
    [(0, 1, 2), (0,)],
    [(0,), (0, 1, 2)],
    [(0, 1.0), (0, Decimal(1))],
    [(0.0, 1)],
    [(0.0, 1.0)],
    [(0, 1j)],
    [(0, None)],
    [{0, 1}],
    [b"ab"],
    [(0, 10**400)],
]


@pytest.mark.parametrize("pairs", OTHERS, ids=range(len(OTHERS)))
def test_what_is_no_pair_of_numbers_is_refused(pairs):
    assert pair_columns(pairs) is None


numbers = st.tuples(IDS, st.integers(-9, 9)) | st.tuples(IDS, FLOATS)
things = st.one_of(IDS, FLOATS, st.booleans(), st.binary(max_size=4), st.text(max_size=4))


@settings(max_examples=300, deadline=None)
@given(st.lists(numbers, min_size=1, max_size=4), st.data())
def test_the_quick_way_reads_nothing_that_the_other_refuses(pairs, data):
    place = data.draw(st.integers(0, len(pairs) - 1))
    first, second = pairs[place]
    other = data.draw(things)
    for odd in ((first, other), (other, second), (first,), (first, second, other), other):
        mixed = [*pairs[:place], odd, *pairs[place + 1 :]]
        quick = module._of_one_type(mixed)
        if quick is not None:
            for one, same in zip(quick, module._of_any_types(mixed), strict=True):
                np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize("thing", [np.zeros(9), [0, []], (0, []), (0, 1, 2), "ab", 3, (True, 1)])
def test_nothing_is_written_out_whose_first_pair_is_none_of_numbers(thing, monkeypatch):
    """A list that holds itself twice would never be; a table would take its memory again."""
    written = []
    monkeypatch.setattr("marshal.dumps", lambda *given: written.append(given))
    assert pair_columns([thing]) is None
    assert not written


def test_a_new_way_of_writing_would_be_noticed(monkeypatch):
    """Where Python wrote pairs otherwise they would be gone through, not read wrongly."""
    pairs = [(1, 2.0), (3, 4.0)]
    monkeypatch.setattr(module, "_VERSION", 4)  # tuples in short
    assert not own_numbers(pairs)
    same(pair_columns(pairs), pairs)
