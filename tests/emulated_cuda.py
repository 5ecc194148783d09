"""The kernels in CUDA, compiled as C++ and run on the host: every thread of a block is there, and
lanes of a warp that do not come to the same vote, or to the same exchange, end the process.

What it does not show: the speed, races between lanes that their order here hides, and rounding.
"""

import ctypes
import re
import subprocess
import threading
from functools import cache
from pathlib import Path

import numpy as np

from nnmf_topics import _compiled
from nnmf_topics._cuda import columns, launching, products

HEADER = Path(__file__).parent / "emulated_cuda.hpp"
SHARED_MEMORY = 48 * 1024  # that a block has unless it asks for more


def kernels_of(source):
    """Return the names of the kernels of a source."""
    text = launching.source_of(source)
    plain = re.findall(r'^extern "C" __global__ void (\w+)\(', text, re.M)
    return plain + [f"descend_{count}" for count in re.findall(r"^DESCEND\((\d+)\)", text, re.M)]


class Emulator:
    """Kernels as `launching.launch` has them, for NumPy arrays."""

    def __init__(self, folder):
        self._folder, self._lock = folder, threading.Lock()
        self._library = cache(self._made)

    def _made(self, source, dtype):
        path = self._folder / f"{source}_{dtype}.cpp"
        wrappers = "\n".join(f"KERNEL({name})" for name in kernels_of(source))
        path.write_text(f'#include "{HEADER}"\n{launching.source_of(source)}\n{wrappers}\n')
        library = path.with_suffix(".so")
        options = ["-std=c++17", "-O2", "-w", "-shared", "-fPIC"]
        real = f"-DREAL={launching.REALS[dtype]}"
        subprocess.run(["g++", *options, real, str(path), "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))

    def launch(self, source, kernel, like, blocks, threads, *arguments, bytes_=0):
        assert bytes_ <= SHARED_MEMORY
        assert 0 < blocks < 2**31
        assert 0 < threads <= 1024
        held = [_held(argument) for argument in arguments]
        places = (ctypes.c_void_p * len(held))(*map(ctypes.addressof, held))
        with self._lock:  # there is one GPU
            library = self._library(source, like.dtype.name)
            getattr(library, f"emulate_{kernel}")(places, blocks, threads)


def _held(argument):
    if argument is None:
        return ctypes.c_void_p(0)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous
        return ctypes.c_void_p(argument.ctypes.data)
    if isinstance(argument, int):
        return ctypes.c_int(argument)
    return {4: ctypes.c_float, 8: ctypes.c_double}[argument.itemsize](argument)


def emulate(monkeypatch, emulator):
    """Let NumPy's arrays be worked on by the kernels in CUDA."""
    for module in (columns, products):
        monkeypatch.setattr(module, "launch", emulator.launch)
    monkeypatch.setattr(_compiled, "is_cupy_array", lambda array: isinstance(array, np.ndarray))
    if (numba := _compiled._numba()) is not None:
        monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
