"""Kernels in CUDA: compiled when first used, for the precision that is asked for, and launched."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nnmf_topics._backend import cuda_module
from nnmf_topics._typing import Array

REALS = {"float32": "float", "float64": "double"}


def launch(
    source: str,
    kernel: str,
    like: Array,
    blocks: int,
    threads: int,
    *arguments: Any,
    bytes_: int = 0,
) -> None:
    """Launch a kernel of a source in the precision of an array.

    Parameters
    ----------
    source, kernel : str
        Name of the file without ".cu", and of a function in it.
    like : Array
    blocks, threads : int
        How many blocks, and how many threads each has.
    *arguments : Array, int, numpy.floating or None
        None is a null pointer.
    bytes_ : int
        Of shared memory for each block.
    """
    passed = tuple(_argument(argument) for argument in arguments)
    _module(source, like.dtype.name).get_function(kernel)(
        (blocks,), (threads,), passed, shared_mem=bytes_
    )


def _argument(argument: Any) -> Any:
    if argument is None:
        return np.uintp(0)
    return np.int32(argument) if isinstance(argument, int) else argument


def source_of(name: str) -> str:
    """Return the text of a source."""
    return (Path(__file__).parent / f"{name}.cu").read_text(encoding="utf-8")


@cache
def _module(source: str, dtype: str) -> Any:
    return cuda_module(source_of(source), ("--std=c++17", f"-DREAL={REALS[dtype]}"))
