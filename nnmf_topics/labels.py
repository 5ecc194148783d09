"""Labels of documents: from what a user gives to what the engine learns, and back to labels."""

import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from nnmf_topics import options as opt
from nnmf_topics._typing import HeadName
from nnmf_topics.supervision import UNKNOWN, Head, Target, probabilities
from nnmf_topics.topics import resolve_layer

Labels = Iterable[Any] | Mapping[int, Iterable[Any]]
"""A label for each document, for the coarsest layer; or such lists by the numbers of layers."""

logger = logging.getLogger(__name__)

_LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Labelling:
    """How labels are learnt: the options of a model that say it.

    Labels of a tenth of the documents or more count as much as those of all would.
    """

    head: HeadName = "cross-entropy"
    weight: float = 0.1
    ridge: float = 0.01

    @classmethod
    def checked(cls, head: Any, weight: Any, ridge: Any) -> Self:
        """Return this for options as users give them, or raise an error that names one."""
        return cls(
            opt.one_of("label_head", head, HeadName),
            opt.positive("label_weight", weight),
            opt.positive("label_ridge", ridge),
        )

    def targets(
        self, labels: Labels, documents: int, layers: int
    ) -> tuple[list[Target], list[np.ndarray]]:
        """Return what the engine learns, and the classes, layer by layer from the finest.

        Raises
        ------
        TypeError, ValueError
            Naming what is wrong with the labels; see `numbered`.
        """
        given = labels if isinstance(labels, Mapping) else {-1: labels}
        by_layer = {resolve_layer(layer, layers): each for layer, each in given.items()}
        if len(by_layer) != len(given) or not given:
            raise ValueError("labels must be given for one layer or more, once for each")
        targets, classes = [], []
        for layer, each in sorted(by_layer.items()):
            names, numbers = numbered("labels", each, documents)
            # What is known of some stands for all, or else few labels would hardly count.
            known = int(np.sum(numbers != UNKNOWN))
            logger.info("layer %d: labels of %d of %d documents", layer, known, documents)
            share = max(known / documents, _LEAST_SHARE)
            weight = self.weight / share
            targets.append(Target(layer, numbers, len(names), self.head, weight, self.ridge))
            classes.append(names)
        return targets, classes


@dataclass(frozen=True)
class Classifier:
    """What tells labels from the codes of a layer.

    Attributes
    ----------
    layer : int
    head : {"cross-entropy", "squared"}
    classes, counts : ndarray (classes,)
        The labels, and how many documents had each.
    B : ndarray (classes, k) of float64
    """

    layer: int
    head: HeadName
    classes: np.ndarray
    counts: np.ndarray
    B: np.ndarray

    @classmethod
    def of(cls, head: Head, classes: np.ndarray) -> Self:
        """Return the classifier that a trained head makes."""
        target = head.target
        counts = np.bincount(target.labels[target.labels != UNKNOWN], minlength=len(classes))
        return cls(target.layer, target.head, classes, counts, head.B)

    def to_plain(self) -> dict[str, Any]:
        """Return what `from_plain` makes the same object of, with B."""
        return {
            "head": self.head,
            "classes": self.classes.tolist(),
            "counts": self.counts.tolist(),
        }

    @classmethod
    def from_plain(cls, layer: int, B: np.ndarray, plain: dict[str, Any]) -> Self:
        """Check and take apart what `to_plain` returned.

        Raises
        ------
        TypeError, ValueError
            If it is none.
        """
        head: HeadName = opt.one_of("label_head", plain["head"], HeadName)
        classes, numbers = numbered("classes", plain["classes"], len(B))
        counts = [opt.whole("counts", count) for count in plain["counts"]]
        if len(counts) != len(B) or not any(counts) or not np.array_equal(numbers, range(len(B))):
            raise ValueError("classes and their counts do not fit each other, or are not in order")
        return cls(layer, head, classes, np.array(counts), B)

    def predict(self, codes: np.ndarray) -> np.ndarray:
        """Return the label of each document; the most frequent one if it has no codes (k, n)."""
        found = (self.B @ codes).argmax(axis=0)
        return np.asarray(self.classes[np.where(codes.any(axis=0), found, self.counts.argmax())])

    def probabilities(self, codes: np.ndarray) -> np.ndarray:
        """Return the probability of each label (n, classes); of no codes, its share of labels."""
        shares = (self.counts / self.counts.sum())[:, None]
        found = probabilities(self.B @ codes, self.head)
        return np.asarray(np.where(codes.any(axis=0), found, shares).T)


def numbered(name: str, labels: Iterable[Any], documents: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes in ascending order, and the number of each document's class.

    Parameters
    ----------
    name : str
        Of the option, for messages.
    labels : iterable of str, int, float or bool
        One for each document; None, NaN or pandas.NA where it is unknown.
    documents : int

    Returns
    -------
    classes : ndarray (classes,)
    numbers : ndarray (documents,) of int, UNKNOWN where it is unknown

    Raises
    ------
    TypeError
        If a label is something else, or they are of several kinds.
    ValueError
        If there are more or fewer than documents, or fewer than two classes.
    """
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        raise TypeError(f"{name} must be a list with one label a document, not {labels!r:.60}")
    shape = tuple(getattr(labels, "shape", ()))
    if len(shape) > 1:
        if math.prod(shape[1:]) != 1 or sp.issparse(labels):
            raise _rows(name, f"a table of shape {shape}")
        # Iterated over, a table of pandas has the names of its columns.
        labels = np.asarray(labels).ravel()
    values = [_plain(name, value) for value in labels]
    if len(values) != documents:
        raise ValueError(
            f"{name} has {len(values)} entries for {documents} documents: give one for each, None "
            "where it is unknown"
        )
    known = [value for value in values if not opt.is_unknown(value)]
    for value in known:
        if not isinstance(value, (str, int, float)):
            raise TypeError(f"{name} must be strings or numbers, not {value!r:.60}")
    kinds = {isinstance(value, str): value for value in known}
    if len(kinds) > 1:
        one, other = kinds.values()
        raise TypeError(
            f"{name} must be all strings or all numbers, not {one!r:.60} and {other!r:.60}"
        )
    names = sorted(set(known))
    if len(names) < 2:
        found = f"one class, {names[0]!r}" if names else "no label that is known"
        raise ValueError(f"{name} must have two classes or more: there is {found}")
    place = {value: number for number, value in enumerate(names)}
    numbers = [UNKNOWN if opt.is_unknown(value) else place[value] for value in values]
    return np.array(names), np.array(numbers)


def _plain(name: str, value: Any) -> Any:
    """Return a label as Python has it."""
    if math.prod(getattr(value, "shape", ())) != 1 or isinstance(value, (list, tuple)):
        raise _rows(name, f"{value!r:.60}")
    return value.item() if hasattr(value, "item") else value


def _rows(name: str, found: str) -> TypeError:
    return TypeError(
        f"{name} must be one string or number for a document, not {found}; of a row for "
        "every document give the number of its class, such as rows.argmax(axis=1)"
    )
