"""What training leaves behind: plain data, and its form in a file."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from nnmf_topics import options as opt
from nnmf_topics.training import History, StopReason
from nnmf_topics.weighting import Statistics, Weighting, WeightingName, fit_weighting

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True)
class Trained:
    """Trained factors, with what is needed to encode documents and to go on training.

    Attributes
    ----------
    factors : tuple of ndarray
        A_0 (terms, k_0), A_l (k_{l-1}, k_l).
    usage : tuple of ndarray (k_l,)
        Sums of the codes of every layer over the documents.
    statistics : Statistics
        Of all documents trained on.
    weighting_name : str
        The option of the model.
    history : History
    """

    factors: tuple[np.ndarray, ...]
    usage: tuple[np.ndarray, ...]
    statistics: Statistics
    weighting_name: WeightingName
    history: History

    @cached_property
    def weighting(self) -> Weighting:
        """The weighting of words that the factors were trained with."""
        return fit_weighting(self.weighting_name, self.statistics)

    def to_plain(self) -> tuple[Tensors, dict[str, Any]]:
        """Return tensors and JSON-ready data that `from_plain` makes the same object of."""
        tensors = {f"factors.{layer}": A for layer, A in enumerate(self.factors)}
        tensors |= {f"usage.{layer}": u for layer, u in enumerate(self.usage)}
        tensors["document_frequency"] = self.statistics.document_frequency
        history, reason = self.history, self.history.stop_reason
        return tensors, {
            "documents": self.statistics.documents,
            "counts": self.statistics.counts,
            "weighting": self.weighting_name,
            "loss": list(history.loss),
            "errors": [list(errors) for errors in history.errors],
            "start_loss": history.start_loss if math.isfinite(history.start_loss) else None,
            "stop_reason": None if reason is None else reason.name,
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
        usage = [_taken(tensors, f"usage.{i}", (k,), dtype) for i, k in enumerate(widths)]
        frequency = _taken(tensors, "document_frequency", (num_terms,), np.int64)
        if tensors:
            raise ValueError(f"the tensors {', '.join(sorted(tensors))} belong to nothing")
        start, reason = plain["start_loss"], plain["stop_reason"]
        return cls(
            tuple(factors),
            tuple(usage),
            Statistics(opt.whole("documents", plain["documents"]), frequency, plain["counts"]),
            opt.one_of("weighting", plain["weighting"], WeightingName),
            History(
                tuple(float(loss) for loss in plain["loss"]),
                tuple(tuple(float(error) for error in errors) for errors in plain["errors"]),
                float("nan") if start is None else float(start),
                None if reason is None else StopReason[reason],
            ),
        )


def _taken(
    tensors: Tensors, name: str, shape: tuple[int, ...], dtype: type[np.number[Any]]
) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"the tensor {name} is missing")
    tensor = tensors.pop(name)
    if tensor.shape != shape or tensor.dtype != dtype:
        is_, wanted = f"{tensor.dtype} {tensor.shape}", f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"the tensor {name} is {is_}, not {wanted}")
    if not (np.isfinite(tensor) & (tensor >= 0)).all():
        raise ValueError(f"the tensor {name} holds something else than numbers >= 0")
    return tensor
