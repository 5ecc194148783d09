"""A model as tensors and JSON, and back."""

from typing import Any

from nnmf_topics import options as opt
from nnmf_topics import vocabulary
from nnmf_topics.random_state import random_state_from_plain, random_state_to_plain
from nnmf_topics.trained import Tensors, Trained

_OPTIONS = (
    *("chunksize", "passes", "loss", "weighting", "init", "tol", "eval_every"),
    *("minimum_probability", "minimum_phi_value", "per_word_topics"),
)


_YOUNGER = {
    "online": False,
    "label_head": "cross-entropy",
    "label_weight": 0.1,
    "label_ridge": 0.01,
}
"""Options that the format did not have from the start, at their defaults: not written then."""


def _younger(model: Any) -> dict[str, Any]:
    options = {name: getattr(model, name) for name in _YOUNGER}
    return {name: value for name, value in options.items() if value != _YOUNGER[name]}


def to_plain(model: Any, trained: Trained | None) -> tuple[Tensors, dict[str, Any]]:
    """Return tensors and a JSON document that `from_plain` takes apart.

    The device and the folder of the spool are left out, so that a file opens on any machine;
    callbacks are, as they are code.
    """
    tensors, plain = ({}, None) if trained is None else trained.to_plain()
    return tensors, {
        "widths": model.widths,
        "options": {name: getattr(model, name) for name in _OPTIONS} | _younger(model),
        "dtype": model.dtype.__name__,
        "num_terms": model.num_terms,
        "vocabulary": vocabulary.to_plain(model.id2word),
        "random_state": random_state_to_plain(model.random_state),
        "lifecycle_events": model.lifecycle_events,
        "trained": plain,
    }


def from_plain(
    tensors: Tensors, document: dict[str, Any]
) -> tuple[dict[str, Any], Trained | None, list[dict[str, Any]] | None]:
    """Return the arguments of the constructor, what was learnt, and the lifecycle events.

    Raises
    ------
    LookupError, TypeError, ValueError, ArithmeticError, AttributeError
        If the content is not that of a model.
    """
    dtype = opt.float_dtype(document["dtype"])
    options = {
        "num_topics": document["widths"],
        "id2word": vocabulary.from_plain(document["vocabulary"]),
        "random_state": random_state_from_plain(document["random_state"]),
        "dtype": dtype,
        **{name: document["options"][name] for name in _OPTIONS},
        **{name: document["options"].get(name, usual) for name, usual in _YOUNGER.items()},
    }
    for name in ("online", "per_word_topics"):
        if not isinstance(options[name], bool):
            raise ValueError(f"{name} is {options[name]!r}, not true or false")
    trained = None
    if document["trained"] is not None:
        # The dictionary may have grown since the model was trained.
        num_terms = opt.whole("num_terms", document["num_terms"], 1)
        widths = opt.resolve_widths(document["widths"])
        trained = Trained.from_plain(tensors, document["trained"], widths, num_terms, dtype)
    events = document["lifecycle_events"]
    return options, trained, None if events is None else [dict(event) for event in events]
