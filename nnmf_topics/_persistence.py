"""Model files: tensors and JSON as safetensors, with a checksum. Reading one runs no code."""

import bz2
import errno
import gzip
import hashlib
import io
import json
import math
import mmap as memory_map
import os
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from nnmf_topics._files import write_whole

FORMAT, VERSION = "nnmf_topics.model", 1

MOST_EXPANSION, ALWAYS_ALLOWED = 100, 64 * 2**20
"""A compressed file may expand to so many times its size, or to so many bytes."""

Tensors = dict[str, np.ndarray]
Target = str | os.PathLike[str] | BinaryIO

_JSON = "json"
_LARGEST_HEADER = 4 * 2**20
_MOST_DIMENSIONS = 8
_BLOCK = 2**20
_MAPPINGS = {"r": memory_map.ACCESS_READ, "r+": memory_map.ACCESS_READ, "c": memory_map.ACCESS_COPY}
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?", "C64": "<c8"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"},
}


def write_model(target: Target, tensors: Tensors, document: dict[str, Any]) -> None:
    """Write tensors and a JSON document to exactly that path, or into an open binary file.

    A path that ends in ``.gz`` or ``.bz2`` gets a compressed file; equal content gives equal files.

    Raises
    ------
    OSError
        If it cannot be written; a file that was there is intact.
    TypeError
        If the target is no path and no binary file.
    ValueError
        If it is compressed so well that `read_model` would refuse it.
    """
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, default=str).encode("ascii")
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    tensors[_JSON] = np.frombuffer(text, np.uint8)
    metadata = {"format": FORMAT, "version": str(VERSION), "sha256": _digest(tensors)}
    content = _serialized(tensors, metadata)
    if isinstance(target, (str, os.PathLike)):
        write_whole(Path(target), _compressed(os.fspath(target), content))
    else:
        _write_into(target, content)


def read_model(source: Target, mmap: str | None = None) -> tuple[Tensors, dict[str, Any]]:
    """Read what `write_model` wrote, compressed or not, whatever its name.

    Parameters
    ----------
    source : path or open binary file
    mmap : {None, "r", "r+", "c"}
        Map the tensors of an uncompressed path into memory: "r" read-only; "c" writable, without
        an effect on the file. "r+" acts as "r", since a changed file does not fit its checksum.

    Raises
    ------
    OSError
        If the file cannot be read; or is compressed and to be mapped.
    TypeError
        If the source is no path and no binary file.
    ValueError
        If it is not a model file, of a newer format, damaged, or expands beyond MOST_EXPANSION;
        the message names it. For an unknown `mmap`, and one with an open file.
    """
    if mmap not in (None, *_MAPPINGS):
        raise ValueError(f"mmap must be None, 'r', 'r+' or 'c', not {mmap!r}")
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
    else:
        name = str(getattr(source, "name", "the open file"))
        if mmap is not None:
            raise ValueError(f"{name} is open, not a path that can be mapped: give mmap=None")
    with _opened(source) as file:
        try:
            return _parsed(file, mmap)
        except OSError as error:
            raise OSError(error.errno, error.strerror, name) from error
        except (KeyError, TypeError, RecursionError, ValueError) as error:
            raise ValueError(f"{name} cannot be loaded: {error}") from error


def _serialized(tensors: Tensors, metadata: dict[str, str]) -> bytes:
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


def _write_into(target: BinaryIO, content: bytes) -> None:
    if not hasattr(target, "write"):
        raise TypeError(f"give a path or an open binary file, not {type(target).__name__}")
    try:
        while content:  # an unbuffered file may take less than all
            content = content[target.write(content) or len(content) :]
    except TypeError as error:
        raise TypeError(f"{target!r} takes text: open it in binary mode") from error


def _compressed(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        buffer = io.BytesIO()
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=buffer, mtime=0) as file:
            file.write(content)
        small = buffer.getvalue()
    elif name.endswith(".bz2"):
        small = bz2.compress(content)
    else:
        return content
    if len(content) > _most_expanded(len(small)):
        raise ValueError(
            f"{name} would expand more than {MOST_EXPANSION} times, which is refused when it is "
            "read: give a name without .gz or .bz2"
        )
    return small


def _most_expanded(size: int) -> int:
    return max(ALWAYS_ALLOWED, MOST_EXPANSION * size)


def _opened(source: Target) -> io.BufferedReader:
    if isinstance(source, (str, os.PathLike)):
        return Path(source).open("rb")
    if not hasattr(source, "read"):
        raise TypeError(f"give a path or an open binary file, not {type(source).__name__}")
    content = source.read()
    if isinstance(content, str):
        raise TypeError(f"{source!r} gives text: open it in binary mode")
    return io.BufferedReader(io.BytesIO(content))


def _parsed(file: io.BufferedReader, mmap: str | None) -> tuple[Tensors, dict[str, Any]]:
    if file.peek(3)[:3] not in (b"\x1f\x8b\x08", b"BZh"):
        digest, tensors = _tensors(file, mmap, sys.maxsize)
    elif mmap is None:
        digest, tensors = _expanded(file.read())
    else:
        problem = "it is compressed and cannot be memory-mapped, give mmap=None"
        raise OSError(errno.EINVAL, problem)
    if digest != _digest(tensors):
        raise ValueError("its checksum is wrong: the file was damaged or changed")
    if _JSON not in tensors:
        raise ValueError("it holds no document")
    return tensors, json.loads(tensors.pop(_JSON).tobytes(), parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _expanded(content: bytes) -> tuple[Any, Tensors]:
    opened: Any = gzip.open if content.startswith(b"\x1f") else bz2.open
    try:
        with opened(io.BytesIO(content)) as file:
            return _tensors(file, None, _most_expanded(len(content)))
    except (EOFError, OSError, zlib.error) as error:  # all is in memory: what fails is the content
        raise ValueError(f"its compressed content is damaged: {error}") from error


def _tensors(file: Any, mmap: str | None, most: int) -> tuple[Any, Tensors]:
    """Return the checksum and the tensors of a file that is to hold at most so many bytes."""
    metadata, header, start = _header(file)
    layout, size = _layout(header)
    if start + size > most:
        raise ValueError(f"it expands to {start + size} bytes, more than {most}")
    if mmap is None:
        buffer: Any = _read(file, size)
        complete, longer, start = len(buffer) == size, bool(file.read(1)), 0
    else:
        buffer = memory_map.mmap(file.fileno(), 0, access=_MAPPINGS[mmap])
        complete, longer = len(buffer) >= start + size, len(buffer) > start + size
    if not complete or longer:
        raise ValueError(f"it is {'longer than it says' if longer else 'cut short'}")
    return metadata.get("sha256"), {
        name: np.ndarray(shape, dtype, buffer, start + begin)
        for name, dtype, shape, begin in layout
    }


def _header(file: Any) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Return metadata, entries, and where the tensors start: 8 bytes of length, JSON, tensors."""
    length = int.from_bytes(_read(file, 8), "little")
    if length > _LARGEST_HEADER:
        raise ValueError("it is no safetensors file, or has a header too large for a model")
    text = _read(file, length)
    if len(text) < length or not length:
        raise ValueError("it is cut short or no safetensors file")
    header = json.loads(text)
    metadata = header.pop("__metadata__", None) if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise ValueError(f"it is not a {FORMAT} file")
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"its format is version {metadata.get('version')}, this package reads {VERSION}; "
            "upgrade nnmf-topics"
        )
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


def _digest(tensors: Tensors) -> str:
    """SHA-256 over names, dtypes, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(json.dumps([name, str(tensor.dtype), tensor.shape]).encode())
        sha.update(np.asarray(tensor, order="C").data)
    return sha.hexdigest()
