"""The kernels in CUDA, compiled as C++ and run on the host: every thread of a block is there, and
lanes of a warp that do not come to the same vote, or to the same exchange, end the process.

What it does not show: the speed, races between lanes that their order here hides, and rounding.
"""

import ctypes
import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

from nnmf_topics import _compiled
from nnmf_topics._cuda import columns, launching, products

HEADER = Path(__file__).parent / "emulated_cuda.hpp"


class Emulator:
    """Kernels as `launching.launch` has them, for NumPy arrays."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._library = cache(self._compiled)

    def _compiled(self, source: str, dtype: str) -> ctypes.CDLL:
        text = launching.source_of(source)
        text = f'#include "{HEADER}"\n{text}' + "\n".join(
            f"KERNEL({name})"
            for name in re.findall(r'extern "C" __global__ void (\w+)\(', text)
            if "##" not in name
        )
        text += "".join(
            f"\nKERNEL(descend_{c})" for c in re.findall(r"^DESCEND\((\d+)\)", text, re.M)
        )
        path = self._folder / f"{source}_{dtype}.cpp"
        path.write_text(text.replace("KERNEL(descend_)", ""))
        library = path.with_suffix(".so")
        command = ["g++", "-std=c++17", "-O2", "-w", "-shared", "-fPIC"]
        command += [f"-DREAL={launching.REALS[dtype]}", str(path), "-o", str(library)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library))

    def launch(self, source, kernel, like, blocks, threads, *arguments, bytes_=0):
        assert bytes_ <= 48 * 1024, "a block has no more shared memory unless it is asked for"
        assert 0 < blocks < 2**31
        assert 0 < threads <= 1024
        held = []
        for argument in arguments:
            if argument is None:
                held.append(ctypes.c_void_p(0))
            elif isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                held.append(ctypes.c_void_p(argument.ctypes.data))
            elif isinstance(argument, int):
                held.append(ctypes.c_int(argument))
            else:
                held.append({4: ctypes.c_float, 8: ctypes.c_double}[argument.itemsize](argument))
        places = (ctypes.c_void_p * len(held))(*(ctypes.addressof(part) for part in held))
        function = getattr(self._library(source, like.dtype.name), f"emulate_{kernel}")
        function(places, blocks, threads)


def emulate(monkeypatch, folder):
    """Let NumPy's arrays be worked on by the kernels in CUDA."""
    emulator = Emulator(folder)
    for module in (columns, products):
        monkeypatch.setattr(module, "launch", emulator.launch)
    monkeypatch.setattr(_compiled, "is_cupy_array", lambda array: isinstance(array, np.ndarray))
    monkeypatch.setattr(_compiled, "kernels_for", lambda *_arrays: None)
