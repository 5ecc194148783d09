"""Labels of documents: from what a user gives to numbers of classes, and back."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nnmf_topics.supervision import UNKNOWN


def numbered(name: str, labels: Iterable[Any], documents: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes in ascending order, and the number of each document's class.

    Parameters
    ----------
    name : str
        Of the option, for messages.
    labels : iterable
        One for each document; None or NaN where it is unknown.
    documents : int

    Returns
    -------
    classes : ndarray (classes,)
    numbers : ndarray (documents,) of int, UNKNOWN where it is unknown

    Raises
    ------
    TypeError
        If there is no order among them.
    ValueError
        If there are more or fewer than documents, or fewer than two classes.
    """
    values = list(labels)
    if len(values) != documents:
        raise ValueError(
            f"{name} has {len(values)} entries for {documents} documents: give one for each, None "
            "where it is unknown"
        )
    known = np.array([not _is_unknown(value) for value in values], dtype=bool)
    try:
        names = sorted({value for value, is_known in zip(values, known, strict=True) if is_known})
    except TypeError as error:
        raise TypeError(f"{name} must be of one kind, such as all strings: {error}") from None
    if len(names) < 2:
        found = f"one class, {names[0]!r}" if names else "no label that is known"
        raise ValueError(f"{name} must have two classes or more: there is {found}")
    place = {value: number for number, value in enumerate(names)}
    numbers = [place[v] if k else UNKNOWN for v, k in zip(values, known, strict=True)]
    return as_array(names), np.array(numbers)


def as_array(names: Sequence[Any]) -> np.ndarray:
    """Return an array of classes, of objects unless all are strings or all numbers."""
    array = np.array(names)
    if array.ndim == 1 and (array.dtype.kind in "biuf" or all(isinstance(n, str) for n in names)):
        return array
    array = np.empty(len(names), dtype=object)
    array[:] = names
    return array


def _is_unknown(value: Any) -> bool:
    return value is None or (isinstance(value, (float, np.floating)) and math.isnan(value))
