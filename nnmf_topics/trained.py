"""What training leaves behind: plain data, and its form in a file."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar

import numpy as np

from nnmf_topics import options as opt
from nnmf_topics.labels import Classifier
from nnmf_topics.network import Evaluation
from nnmf_topics.topics import topic_lengths, topic_term
from nnmf_topics.training import History, StopReason
from nnmf_topics.weighting import Statistics, Weighting, WeightingName

Tensors = dict[str, np.ndarray]
Made = TypeVar("Made")

_LENGTH_TOLERANCE = 1e-3
"""Single precision sums of many squares are not exact."""


@dataclass(frozen=True)
class Trained:
    """Trained factors, with what is needed to encode documents and to go on training.

    Attributes
    ----------
    factors : tuple of ndarray
        A_0 (terms, k_0), A_l (k_{l-1}, k_l).
    evaluation : Evaluation
        Of all documents trained on, as they were last seen: what training on remembers of them.
    statistics : Statistics
        Of all documents trained on.
    weighting : Weighting
        Of words, chosen at the first training.
    history : History
    classifiers : tuple of Classifier
        One for each layer with labels, from the finest.
    """

    factors: tuple[np.ndarray, ...]
    evaluation: Evaluation
    statistics: Statistics
    weighting: Weighting
    history: History
    classifiers: tuple[Classifier, ...] = ()
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": {}}  # some of it may be on a GPU

    def kept(self, key: Any, make: Callable[[], Made]) -> Made:
        """Return what was made of the factors, under a key; the factors become read-only by it.

        Else answers could be of old and new factors mixed. A view made before can still be written.
        """
        for A in self.factors:
            A.flags.writeable = False
        if key not in self._kept:
            self._kept[key] = make()
        made: Made = self._kept[key]
        return made

    def topic_matrix(self, layer: int) -> np.ndarray:
        """Return the topics of a layer as word distributions, (k_l, terms); made once."""
        return self.kept(("topics", layer), lambda: topic_term(self.factors, layer))

    def topic_lengths(self, layer: int) -> np.ndarray:
        """Return the words that a code of 1 stands for, (k_l,); made once."""
        return self.kept(("lengths", layer), lambda: topic_lengths(self.factors, layer))

    def interrupted(self) -> Self:
        """Return this as what a training left that did not come to its end."""
        return replace(self, history=replace(self.history, stop_reason=StopReason.INTERRUPTED))

    def grown(self, num_terms: int) -> Self:
        """Return this for a vocabulary with more terms, of which nothing is known yet."""
        if num_terms == len(self.factors[0]):
            return self

        def padded(A: np.ndarray) -> np.ndarray:
            return np.pad(A, [(0, num_terms - A.shape[0])] + [(0, 0)] * (A.ndim - 1))

        frequency = padded(self.statistics.document_frequency)
        return replace(
            self,
            factors=(padded(self.factors[0]), *self.factors[1:]),
            evaluation=replace(self.evaluation, data=padded(self.evaluation.data)),
            statistics=replace(self.statistics, document_frequency=frequency),
            weighting=self.weighting.grown(num_terms),
            _kept={},
        )

    def to_plain(self) -> tuple[Tensors, dict[str, Any]]:
        """Return tensors and JSON-ready data that `from_plain` makes the same object of."""
        tensors = {f"factors.{layer}": A for layer, A in enumerate(self.factors)}
        tensors |= _to_tensors(self.evaluation)
        labels = {}  # younger than the format
        for classifier in self.classifiers:
            tensors[f"classifiers.{classifier.layer}"] = classifier.B
            labels[str(classifier.layer)] = classifier.to_plain()
        tensors["document_frequency"] = self.statistics.document_frequency
        if self.weighting.term_weights is not None:
            tensors["term_weights"] = self.weighting.term_weights
        history, reason = self.history, self.history.stop_reason
        return tensors, {
            "documents": self.statistics.documents,
            "counts": self.statistics.counts,
            "weighting": self.weighting.name,
            "loss": list(history.loss),
            "errors": [list(errors) for errors in history.errors],
            "start_loss": history.start_loss if math.isfinite(history.start_loss) else None,
            "stop_reason": None if reason is None else reason.name,
            **({"labels": labels} if labels else {}),
        }

    @classmethod
    def from_plain(
        cls,
        tensors: Tensors,
        plain: dict[str, Any],
        widths: tuple[int, ...],
        num_terms: int,
        dtype: type[np.floating[Any]],
    ) -> Self:
        """Check and take apart what `to_plain` returned.

        Raises
        ------
        ValueError
            If tensors are missing or too many, do not fit each other, or hold a number that cannot
            be.
        """
        shapes = list(zip((num_terms, *widths), widths, strict=False))
        tensors = dict(tensors)
        factors = [_taken(tensors, f"factors.{i}", shape, dtype) for i, shape in enumerate(shapes)]
        evaluation = _from_tensors(tensors, shapes, dtype)
        frequency = _taken(tensors, "document_frequency", (num_terms,), np.int64)
        weighting: WeightingName = opt.one_of("weighting", plain["weighting"], WeightingName)
        if weighting == "auto":
            raise ValueError("the weighting of a trained model is never 'auto'")
        weights = None
        if weighting != "none":
            weights = _taken(tensors, "term_weights", (num_terms,), np.float64)
        classifiers = _classifiers(tensors, plain.get("labels", {}), widths)
        if tensors:
            raise ValueError(f"the tensors {', '.join(sorted(tensors))} belong to nothing")
        for layer, A in enumerate(factors):
            _check_lengths(layer, A)
        return cls(
            tuple(factors),
            evaluation,
            _statistics(plain["documents"], frequency, plain["counts"]),
            Weighting(weighting, weights),
            _history(plain, len(widths)),
            classifiers,
        )


def _classifiers(
    tensors: Tensors, plain: dict[str, Any], widths: tuple[int, ...]
) -> tuple[Classifier, ...]:
    found = []
    for name, each in plain.items():
        layer = opt.whole("layer", int(name))
        shape = (len(each["classes"]), widths[layer])
        B = _taken(tensors, f"classifiers.{layer}", shape, np.float64, least=-np.inf)
        found.append(Classifier.from_plain(layer, B, each))
    return tuple(found)


def _check_lengths(layer: int, A: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->j", A, A, dtype=np.float64))
    if not ((lengths == 0) | (np.abs(lengths - 1) < _LENGTH_TOLERANCE)).all():
        raise ValueError(f"the tensor factors.{layer} has columns that are not of unit length")


def _statistics(documents: Any, frequency: np.ndarray, counts: Any) -> Statistics:
    number = opt.whole("documents", documents, 1)
    if frequency.max() > number:
        raise ValueError(f"a term is in {frequency.max()} of {number} documents")
    if not isinstance(counts, bool):
        raise ValueError(f"counts must be true or false, not {counts!r}")
    return Statistics(number, frequency, counts)


def _history(plain: dict[str, Any], layers: int) -> History:
    loss = _shares("loss", plain["loss"])
    errors = tuple(_shares("errors", row) for row in plain["errors"])
    if len(errors) != len(loss) or any(len(row) != layers for row in errors):
        raise ValueError(f"errors must hold {len(loss)} rows of {layers}, one row a pass")
    start, reason = plain["start_loss"], plain["stop_reason"]
    return History(
        loss,
        errors,
        float("nan") if start is None else _shares("start_loss", [start])[0],
        None if reason is None else StopReason[reason],
    )


def _shares(name: str, values: Any) -> tuple[float, ...]:
    for value in values:
        if type(value) not in (int, float) or not 0 <= value < math.inf:
            raise ValueError(f"{name} holds {value!r}, which is no number of at least 0")
    return tuple(map(float, values))


def _to_tensors(evaluation: Evaluation) -> Tensors:
    tensors: Tensors = {}
    for each in fields(evaluation):
        part = getattr(evaluation, each.name)
        if isinstance(part, tuple):
            tensors |= {f"evaluation.{each.name}.{i}": array for i, array in enumerate(part)}
        else:
            tensors[f"evaluation.{each.name}"] = part
    return tensors


def _from_tensors(
    tensors: Tensors, shapes: list[tuple[int, int]], dtype: type[np.floating[Any]]
) -> Evaluation:
    def taken(name: str, shape: tuple[int, ...], kind: Any = dtype, least: float = 0) -> np.ndarray:
        return _taken(tensors, f"evaluation.{name}", shape, kind, least)

    (terms, finest), *above = shapes
    widths = [k for _, k in shapes]
    signed = -np.inf
    return Evaluation(
        value=taken("value", (), np.float64),
        errors=taken("errors", (len(shapes),), np.float64),
        norm=taken("norm", (), np.float64),
        data=taken("data", (terms, finest), least=signed),
        mix=taken("mix", (finest, finest), least=signed),
        upper=tuple(taken(f"upper.{i}", shape, least=signed) for i, shape in enumerate(above)),
        curvature=tuple(taken(f"curvature.{i}", (k, k)) for i, k in enumerate(widths)),
        usage=tuple(taken(f"usage.{i}", (k,)) for i, k in enumerate(widths)),
    )


def _taken(
    tensors: Tensors,
    name: str,
    shape: tuple[int, ...],
    dtype: type[np.number[Any]],
    least: float = 0,
) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"the tensor {name} is missing")
    tensor = tensors.pop(name)
    if tensor.shape != shape or tensor.dtype != dtype:
        is_, wanted = f"{tensor.dtype} {tensor.shape}", f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"the tensor {name} is {is_}, not {wanted}")
    if not (np.isfinite(tensor) & (tensor >= least)).all():
        numbers = "numbers >= 0" if least == 0 else "finite numbers"
        raise ValueError(f"the tensor {name} holds something else than {numbers}")
    return tensor
