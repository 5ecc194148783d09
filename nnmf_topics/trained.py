"""What training leaves behind: plain data, and its form in a file."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

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
        cls, tensors: Tensors, plain: dict[str, Any], widths: tuple[int, ...], num_terms: int
    ) -> Self:
        """Check and take apart what `to_plain` returned.

        Raises
        ------
        ValueError
            If tensors are missing, do not fit each other, or hold a number that cannot be.
        """
        shapes = list(zip((num_terms, *widths), widths, strict=False))
        factors = [_checked(tensors, f"factors.{i}", shape) for i, shape in enumerate(shapes)]
        usage = [_checked(tensors, f"usage.{i}", (k,)) for i, k in enumerate(widths)]
        frequency = _checked(tensors, "document_frequency", (num_terms,))
        start, reason = plain["start_loss"], plain["stop_reason"]
        return cls(
            tuple(factors),
            tuple(usage),
            Statistics(int(plain["documents"]), frequency, bool(plain["counts"])),
            plain["weighting"],
            History(
                tuple(plain["loss"]),
                tuple(tuple(errors) for errors in plain["errors"]),
                float("nan") if start is None else start,
                None if reason is None else StopReason[reason],
            ),
        )


def _checked(tensors: Tensors, name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in tensors:
        raise ValueError(f"the tensor {name} is missing")
    tensor = tensors[name]
    if tensor.shape != shape:
        raise ValueError(f"the tensor {name} has shape {tensor.shape}, not {shape}")
    if tensor.dtype.kind not in "fi" or not (np.isfinite(tensor) & (tensor >= 0)).all():
        raise ValueError(f"the tensor {name} holds something else than numbers >= 0")
    return tensor
