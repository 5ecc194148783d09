"""The safetensors format, strictly: tensors end to end after a header of JSON, nothing else.

Written here because equal models should give equal files, and read here because a compressed file
has to be checked before it is expanded, and a plain one can be mapped into memory. The package of
that name is the oracle in the tests.
"""

import json
import math
import mmap as memory_map
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

Tensors = dict[str, np.ndarray]

MAPPINGS = {"r": memory_map.ACCESS_READ, "r+": memory_map.ACCESS_READ, "c": memory_map.ACCESS_COPY}
"""How tensors can be mapped into memory."""

_LARGEST_HEADER = 4 * 2**20
_MOST_DIMENSIONS = 8
_BLOCK = 2**20
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?", "C64": "<c8"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


def serialized(tensors: Tensors, metadata: dict[str, str]) -> bytes:
    """Return a safetensors file; written here, as that package puts metadata in random order."""
    header: dict[str, Any] = {"__metadata__": metadata}
    parts, end = [], 0
    # Wide numbers first: every tensor is then aligned in a memory map.
    for name in sorted(tensors, key=lambda name: (-tensors[name].itemsize, name)):
        tensor = tensors[name].astype(tensors[name].dtype.newbyteorder("<"), copy=False)
        begin, end = end, end + tensor.nbytes
        kind = next(kind for kind, dtype in _DTYPES.items() if tensor.dtype == np.dtype(dtype))
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": [begin, end]}
        parts.append(tensor.data)
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text = text.ljust(-8 * (-len(text) // 8))
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def read_tensors(
    file: Any, mmap: str | None, most: int, check: Callable[[dict[str, Any]], None]
) -> tuple[dict[str, Any], Tensors]:
    """Return the metadata and the tensors of a file.

    Parameters
    ----------
    file : buffered binary file
    mmap : None or key of MAPPINGS
    most : int
        Bytes that it is to hold at most.
    check : callable
        Raises a ValueError if the metadata are not right; called before tensors are read.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    metadata, header, start = _header(file)
    check(metadata)
    layout, size = _layout(header)
    if start + size > most:
        raise ValueError(f"it expands to {start + size} bytes, more than {most}")
    if mmap is None:
        buffer: Any = _read(file, size)
        complete, longer, start = len(buffer) == size, bool(file.read(1)), 0
    else:
        buffer = memory_map.mmap(file.fileno(), 0, access=MAPPINGS[mmap])
        complete, longer = len(buffer) >= start + size, len(buffer) > start + size
    if not complete or longer:
        raise ValueError(f"it is {'longer than it says' if longer else 'cut short'}")
    return metadata, {
        name: np.ndarray(shape, dtype, buffer, start + begin)
        for name, dtype, shape, begin in layout
    }


def _header(file: Any) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return metadata, entries, and where the tensors start: 8 bytes of length, JSON, tensors."""
    length = int.from_bytes(_read(file, 8), "little")
    if length > _LARGEST_HEADER:
        raise ValueError("it is no safetensors file (gensim's own files are pickles: train anew)")
    text = _read(file, length)
    if len(text) < length or not length:
        raise ValueError("it is cut short or no safetensors file")
    header = json.loads(text)
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict):
        raise ValueError("its header has no metadata")
    return metadata, header, 8 + length


def _layout(header: dict[str, Any]) -> tuple[list[tuple[str, Any, tuple[int, ...], int]], int]:
    """Return name, dtype, shape and start of the tensors, which lie end to end, and their size."""
    layout, end = [], 0
    entries = [(*_entry(name, entry), name) for name, entry in header.items()]
    for begin, stop, shape, kind, name in sorted(entries):
        dtype = np.dtype(_DTYPES[kind])
        if begin != end or stop != begin + math.prod(shape) * dtype.itemsize:
            raise ValueError(f"the tensor {name[:40]!r} does not fit its place")
        layout.append((name, dtype, shape, begin))
        end = stop
    return layout, end


def _entry(name: str, entry: Any) -> tuple[int, int, tuple[int, ...], str]:
    """Return start, stop, shape and dtype of a tensor, each of the kind that it should be."""
    try:
        (begin, stop), shape, kind = entry["data_offsets"], tuple(entry["shape"]), entry["dtype"]
        known = kind in _DTYPES and len(shape) <= _MOST_DIMENSIONS
        sizes = all(type(n) is int and 0 <= n <= sys.maxsize for n in (begin, stop, *shape))
    except (KeyError, TypeError, ValueError):
        known = False
    if not known or not sizes:
        raise ValueError(f"its header has a wrong entry for the tensor {name[:40]!r}")
    return begin, stop, shape, kind


def _read(file: Any, size: int) -> bytearray:
    """Read so many bytes, or what there is: a size that a header claims takes no memory."""
    content = bytearray()
    while len(content) < size and (block := file.read(min(size - len(content), _BLOCK))):
        content += block
    return content
