"""Term ids and weights of many (term id, weight) pairs, with no step of Python for each.

Nearly all corpora hold tuples of Python's own numbers. The module `marshal` writes a list of them
as records of one size that name their types: so NumPy looks at types and numbers, in a third of the
time that it takes to go through the objects. Pairs of anything else, such as numbers of NumPy, are
gone through, one kind at a time.
"""

import marshal
from typing import Any

import numpy as np

PAIR = (tuple, list, np.ndarray)
INTEGER = (int, np.integer)
REAL = (int, float, np.integer, np.floating, np.bool_)

_VERSION = 2  # numbers in binary; later ones refer to objects met before, in records of other sizes
_BEFORE = 5  # bytes of the list itself
_HEAD = b"(\x02\x00\x00\x00i"  # a tuple of two, the first an integer of four bytes
_NUMBERS = {b"i": "<i4", b"g": "<f8"}


def _record(number: str) -> np.dtype[Any]:
    return np.dtype([("head", "S6"), ("id", "<i4"), ("kind", "S1"), ("weight", number)])


_RECORDS = {_record(number).itemsize: (kind, _record(number)) for kind, number in _NUMBERS.items()}

Columns = tuple[np.ndarray, np.ndarray]
"""Term ids, integers, and weights, float64."""


def pair_columns(pairs: list[Any]) -> Columns | None:
    """Return the term ids and the weights of pairs, or None if something is wrong with one.

    Right are tuples, lists and arrays of an integer, which is no bool, and a real number.
    """
    alike = _of_one_type(pairs)
    return _of_any_types(pairs) if alike is None else alike


def _of_one_type(pairs: list[Any]) -> Columns | None:
    """Return the columns of tuples of int and float, or of int and int; None of all others.

    Anything may stand for a pair, such as a large table, and would be written out as a whole: so
    the first is looked at before, though not the others.
    """
    if not pairs or not _is_plain(pairs[0]):
        return None
    try:
        written = marshal.dumps(pairs, _VERSION)
    except (ValueError, MemoryError):
        return None
    size, rest = divmod(len(written) - _BEFORE, len(pairs))
    if rest or size not in _RECORDS:
        return None
    kind, record = _RECORDS[size]
    found = np.frombuffer(written, record, offset=_BEFORE)
    # The first record begins where the list's own bytes end. With this head and kind it holds two
    # numbers and ends where the next begins: so all of them are what they seem, or one is not.
    if not (np.all(found["head"] == _HEAD) and np.all(found["kind"] == kind)):
        return None
    # Copies: the records take several times the memory of the ids.
    return found["id"].astype(np.int32), found["weight"].astype(np.float64)


def _is_plain(pair: Any) -> bool:
    """Whether this is a tuple of Python's own numbers."""
    return type(pair) is tuple and len(pair) == 2 and {*map(type, pair)} <= {int, float}


def _of_any_types(pairs: list[Any]) -> Columns | None:
    try:
        term_ids, weights = [i for i, _ in pairs], [w for _, w in pairs]
        kinds = set(map(type, term_ids))
        if bool in kinds or not (
            _all_of(kinds, INTEGER)
            and _all_of(set(map(type, pairs)), PAIR)
            and _all_of(set(map(type, weights)), REAL)
        ):
            return None
        return (
            np.fromiter(term_ids, np.int64, len(pairs)),
            np.fromiter(weights, np.float64, len(pairs)),
        )
    except (TypeError, ValueError, OverflowError):
        return None


def _all_of(types: set[type], kinds: tuple[type, ...]) -> bool:
    return all(issubclass(kind, kinds) for kind in types)
