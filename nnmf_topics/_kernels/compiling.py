"""How loops are compiled: at the first call, and kept in a file for the next process."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import numba
import numpy as np

logger = logging.getLogger(__name__)

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function for the compiled functions of the same file that call it."""
    return numba.njit(**_OPTIONS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Do so, its statements being put in the place of every call."""
    return numba.njit(inline="always", **_OPTIONS)(function)


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function that is called from Python.

    Where the result cannot be kept, or what was kept cannot be read, it is compiled anew in every
    process: no trouble with files shall ever stop a training.
    """
    kept: Any
    try:
        kept = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # neither beside the source nor in the home directory
        kept = helper(function)

    @wraps(function)
    def call(*arguments: Any) -> Any:
        nonlocal kept
        try:
            return kept(*arguments)
        except (MemoryError, np.linalg.LinAlgError):
            raise
        # A full disk, a file cut off: whatever reading one can raise. Other errors come again.
        except Exception as error:
            logger.warning(
                "loops are compiled without files (%s: %s): NUMBA_CACHE_DIR may name a place",
                *(type(error).__name__, error),
            )
            kept = helper(function)
            return kept(*arguments)

    return call
