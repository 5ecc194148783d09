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

_VERSION = 2  # numbers in binary, and every object written out however often it occurs
_BEFORE = 5  # bytes of the list itself
_HEAD = b"(\x02\x00\x00\x00i"  # a tuple of two, the first an integer
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
    """Return the columns of tuples of int and float, or of int and int; None of all others."""
    try:
        written = marshal.dumps(pairs, _VERSION)
    except ValueError:
        return None
    size, rest = divmod(len(written) - _BEFORE, max(len(pairs), 1))
    if rest or size not in _RECORDS:
        return None
    kind, record = _RECORDS[size]
    found = np.frombuffer(written, record, offset=_BEFORE)
    # If a record is what it says it is, it ends where the next begins: so all are, or one is not.
    if not (np.all(found["head"] == _HEAD) and np.all(found["kind"] == kind)):
        return None
    return found["id"], found["weight"].astype(np.float64)


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
