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


# As long as records of two integers, or of an integer and a float, and much like them.
MIMICS = [
    [(0, b"\x01\x02\x03\x04\x05\x06\x07\x08"[:4])],
    [(0, (1, 2))],
    [(True, 1)] * 5 + [(0, 2**31)],
    [(0, b"gggg"), (0, b"")],
    [b"\x00\x00\x00i\x01\x00\x00\x00g\x00"],
    ["(\x02\x00\x00\x00i\x01\x00\x00\x00i"],
    [(0, 1, 2), (0,)],
    [(0,), (0, 1, 2)],
    [(0, 1), (0, "ab"), (0, 1)],
    [(0, 1.0), (0, Decimal(1))],
    [(0.0, 1)],
    [(0.0, 1.0)],
    [(0, 1j)],
    [(0, None)],
    [{0, 1}],
    [b"ab"],
    [(0, 10**400)],
]


@pytest.mark.parametrize("pairs", MIMICS, ids=range(len(MIMICS)))
def test_what_is_no_pair_of_numbers_is_refused(pairs):
    assert pair_columns(pairs) is None


things = st.one_of(
    IDS, FLOATS, st.booleans(), st.none(), st.binary(max_size=12), st.text(max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(things, max_size=3).map(tuple) | things, min_size=1, max_size=6))
def test_the_quick_way_reads_nothing_that_the_other_refuses(pairs):
    quick = module._of_one_type(pairs)
    if quick is not None:
        for one, other in zip(quick, module._of_any_types(pairs), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_new_way_of_writing_would_be_noticed(monkeypatch):
    """Where Python wrote pairs otherwise they would be gone through, not read wrongly."""
    pairs = [(1, 2.0), (3, 4.0)]
    monkeypatch.setattr(module, "_VERSION", 4)  # tuples in short
    assert not own_numbers(pairs)
    same(pair_columns(pairs), pairs)
