"""The options of a model: what they may be, and which of gensim's have no meaning here."""

import logging
import math
import operator
import os
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np

logger = logging.getLogger("nnmf_topics.model")

WITHOUT_MEANING = frozenset(
    {
        *("alpha", "eta", "decay", "offset", "iterations", "gamma_threshold", "update_every"),
        *("chunks_as_numpy", "distributed", "ns_conf", "workers", "batch", "kappa", "normalize"),
        *("w_max_iter", "w_stop_condition", "h_max_iter", "h_stop_condition"),
    }
)
"""Options of gensim's LdaModel, LdaMulticore and Nmf that a script may go on passing."""


def resolve_widths(num_topics: int | Sequence[int], name: str = "num_topics") -> tuple[int, ...]:
    """Return the number of topics of every layer, finest first.

    Parameters
    ----------
    num_topics : int or sequence of int
        An int N means N finest topics under about sqrt(N) super-topics; up to 3 topics stay flat.
    name : str
        What the option is called in messages.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If a width is not positive, or a layer is wider than the one below.
    """
    try:
        if isinstance(num_topics, bool):
            raise TypeError
        finest = operator.index(num_topics)  # type: ignore[arg-type]
        widths: tuple[int, ...] = (finest,) if finest <= 3 else (finest, round(math.sqrt(finest)))
    except TypeError:
        if isinstance(num_topics, (str, bytes, Mapping, Set)) or not isinstance(
            num_topics, Iterable
        ):
            misplaced = name == "num_topics" and isinstance(num_topics, Mapping)
            remedy = "; a dictionary goes to id2word=" if misplaced else ""
            raise TypeError(
                f"{name} must be an int or a sequence of ints, not {num_topics!r:.60}{remedy}"
            ) from None
        widths = tuple(whole(name, width) for width in num_topics)
    if not widths or min(widths) < 1:
        raise ValueError(f"{name} must be positive, not {num_topics!r}")
    if any(above > below for below, above in pairwise(widths)):
        raise ValueError(
            f"{name}={num_topics!r}: give widths from finest to coarsest, such as (50, 10, 3); "
            "a layer cannot have more topics than the one below"
        )
    return widths


def whole(name: str, value: Any, least: int = 0) -> int:
    """Return an option as an int.

    Raises
    ------
    TypeError, ValueError
        Naming the option, if it is not an integer from `least` to `sys.maxsize`.
    """
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r:.60}") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    if number > sys.maxsize:
        raise ValueError(f"{name} must be at most {sys.maxsize}, not {number}")
    return number


def fraction(name: str, value: Any) -> float:
    """Return an option as a float from 0 to 1, or raise an error that names it."""
    number = _number(name, value)
    if not 0 <= number <= 1:
        raise ValueError(f"{name} must be from 0 to 1, not {value!r}")
    return number


def positive(name: str, value: Any) -> float:
    """Return an option as a finite float above 0, or raise an error that names it."""
    number = _number(name, value)
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be above 0, not {value!r}")
    return number


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, not {value!r:.60}") from None


def yes_or_no(name: str, value: Any) -> bool:
    """Return an option that must be True or False, or raise an error that names it."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {value!r}")
    return bool(value)


def spool(value: Any) -> bool | str:
    """Return True, False, or the folder for temporary files, which has to exist."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"spool must be True, False or a folder, not {value!r:.60}")
    folder = os.fspath(value)
    if not Path(folder).is_dir():
        raise ValueError(f"spool={folder!r} is no folder: make it, or give True for the system's")
    return str(folder)


def one_of(name: str, value: Any, choices: Any) -> Any:
    """Return an option that must be one of the names of a Literal, or raise an error with them."""
    if value not in get_args(choices):
        names = ", ".join(map(repr, get_args(choices)))
        raise ValueError(f"{name} must be one of {names}, not {value!r}")
    return value


def float_dtype(value: Any) -> type[np.floating[Any]]:
    """Return np.float32 or np.float64, from anything that NumPy takes for one of them.

    gensim takes float16 too: it is too coarse to train with, and becomes float32.
    """
    try:
        dtype = None if value is None else np.dtype(value).type
    except TypeError:
        dtype = None
    if dtype is np.float16:
        logger.info("dtype float16 is too coarse to train with: float32 is used")
        return np.float32
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"dtype must be numpy.float32 or numpy.float64, not {value!r}")
    return dtype  # type: ignore[no-any-return]


def note_without_meaning(options: Mapping[str, Any]) -> None:
    """Log gensim's options that do nothing here, in one line; refuse unknown ones.

    Raises
    ------
    TypeError
        For a name that is no option of LdaModel, LdaMulticore, Nmf or NeuralNMFModel.
    """
    if unknown := sorted(set(options) - WITHOUT_MEANING):
        raise TypeError(f"NeuralNMFModel got an unexpected option: {', '.join(unknown)}")
    if options:
        logger.info("options without a meaning in Neural NMF: %s", ", ".join(sorted(options)))


def is_unknown(label: Any) -> bool:
    """Whether a label is None, NaN, NaT, or what pandas has in their place."""
    if isinstance(label, (float, np.floating)):
        return math.isnan(label)
    if isinstance(label, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(label))
    return label is None or type(label).__name__ in ("NAType", "NaTType")
