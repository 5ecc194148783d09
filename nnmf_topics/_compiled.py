"""Whether loops are compiled: for NumPy arrays by Numba, where it is; for CuPy arrays in CUDA."""

import importlib
import logging
import os
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from array_api_compat import is_cupy_array

from nnmf_topics._typing import Array

logger = logging.getLogger(__name__)

_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def kernels_for(*arrays: Array) -> Any:
    """Return the module of compiled loops, or None where calls of array functions have to do.

    That is where arrays are not NumPy's, or not all single or all double precision; where Numba is
    not installed; and where it is told not to compile (NUMBA_DISABLE_JIT=1).
    """
    if any(type(array) is not np.ndarray for array in arrays):
        return None
    dtypes = {array.dtype for array in arrays}
    numba = _numba() if len(dtypes) == 1 and dtypes.issubset(_DTYPES) else None
    return None if numba is None or numba.config.DISABLE_JIT else _kernels()


def cuda_kernels_for(*arrays: Array, topics: int = 0) -> Any:
    """Return the module of CUDA kernels; None if arrays are not CuPy's or topics are too many.

    Arrays are of one precision there, or None is returned too.
    """
    if not all(map(is_cupy_array, arrays)):
        return None
    dtypes = {array.dtype for array in arrays}
    if len(dtypes) > 1 or not dtypes.issubset(_DTYPES):
        return None
    kernels = _cuda()
    return kernels if topics <= kernels.MOST_TOPICS else None


@cache
def _cuda() -> ModuleType:
    return importlib.import_module("nnmf_topics._cuda")


@cache
def _numba() -> ModuleType | None:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        logger.info("loops are not compiled: NUMBA_DISABLE_JIT is set")
        return None  # to import it takes time and memory
    try:
        numba = importlib.import_module("numba")
    # Numba says so itself where it does not go with this NumPy; a broken LLVM is an OSError.
    except (ImportError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "numba":
            logger.info("loops are not compiled: pip install numba makes it faster")
        else:
            logger.warning("loops are not compiled: Numba cannot be imported (%s)", error)
        return None
    logger.info("loops are compiled by Numba %s: seconds when first used", numba.__version__)
    return numba


@cache
def _kernels() -> ModuleType:
    # Not at the top: Numba is optional, and takes a third of a second to import.
    return importlib.import_module("nnmf_topics._kernels")
