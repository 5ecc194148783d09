"""What is called after every pass: gensim's metrics, and functions that can end a training."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any, TypeAlias

import numpy as np
from gensim.models.callbacks import Callback, Metric

PassFunction: TypeAlias = Callable[[Any, int], Any]
"""Called with the model and the number of the pass, from 0; training stops when it returns True."""


def check_callbacks(callbacks: Iterable[Any] | None) -> tuple[Any, ...]:
    """Return the callbacks of a model.

    Raises
    ------
    TypeError
        Naming the first that is neither a metric of gensim nor callable; for a text, or what
        cannot be iterated over.
    """
    if isinstance(callbacks, (str, bytes)) or not isinstance(callbacks, (Iterable, NoneType)):
        remedy = ": give [callback]" if _is_callback(callbacks) else ""
        raise TypeError(f"callbacks must be a list, not {callbacks!r:.60}{remedy}")
    given = tuple(callbacks or ())
    for callback in given:
        if not _is_callback(callback):
            raise TypeError(
                f"the callback {callback!r:.60} is neither a metric of gensim.models.callbacks "
                "nor a function of the model and the pass"
            )
    return given


def _is_callback(thing: Any) -> bool:
    return isinstance(thing, Metric) or callable(thing)


class PassCallbacks:
    """The callbacks of one training, in the order in which they were given: metrics come first.

    Parameters
    ----------
    callbacks : as `check_callbacks` returns them
    model : NeuralNMFModel
        Already with the topics that training starts from.

    Attributes
    ----------
    metrics : dict of str to list
        The values of every metric, one a pass; NumPy scalars or arrays.
    """

    def __init__(self, callbacks: Iterable[Any], model: Any) -> None:
        self.model = model
        self.metrics: defaultdict[str, list[Any]] = defaultdict(list)
        self._functions = [c for c in callbacks if not isinstance(c, Metric)]
        self._gensim = Callback([c for c in callbacks if isinstance(c, Metric)])
        self._gensim.set_model(model)

    def __call__(self, number: int) -> bool:
        """Call all after the pass of that number; return whether one asks to stop."""
        for name, value in self._gensim.on_epoch_end(number).items():
            self.metrics[name].append(np.asarray(value)[()])
        answers = [function(self.model, number) for function in self._functions]
        return any(answers)
