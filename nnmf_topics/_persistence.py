"""Model files: tensors and JSON as safetensors, with a checksum. Reading one runs no code."""

import bz2
import errno
import gzip
import hashlib
import io
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from nnmf_topics._files import write_whole
from nnmf_topics._safetensors import MAPPINGS, Tensors, read_tensors, serialized

FORMAT, VERSION = "nnmf_topics.model", 1

MOST_EXPANSION, ALWAYS_ALLOWED = 100, 64 * 2**20
"""A compressed file may expand to so many times its size, or to so many bytes."""

Target = str | os.PathLike[str] | BinaryIO

_JSON = "json"


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
    content = serialized(tensors, metadata)
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
    if mmap not in (None, *MAPPINGS):
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
        metadata, tensors = read_tensors(file, mmap, sys.maxsize, _check_format)
    elif mmap is None:
        metadata, tensors = _expanded(file.read())
    else:
        problem = "it is compressed and cannot be memory-mapped, give mmap=None"
        raise OSError(errno.EINVAL, problem)
    if metadata.get("sha256") != _digest(tensors):
        raise ValueError("its checksum is wrong: the file was damaged or changed")
    if _JSON not in tensors:
        raise ValueError("it holds no document")
    return tensors, json.loads(tensors.pop(_JSON).tobytes(), parse_constant=_refuse)


def _check_format(metadata: dict[str, Any]) -> None:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"it is not a {FORMAT} file")
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"its format is version {metadata.get('version')}, this package reads {VERSION}; "
            "upgrade nnmf-topics"
        )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _expanded(content: bytes) -> tuple[dict[str, Any], Tensors]:
    opened: Any = gzip.open if content.startswith(b"\x1f") else bz2.open
    try:
        with opened(io.BytesIO(content)) as file:
            return read_tensors(file, None, _most_expanded(len(content)), _check_format)
    except (EOFError, OSError, zlib.error) as error:  # all is in memory: what fails is the content
        raise ValueError(f"its compressed content is damaged: {error}") from error


def _digest(tensors: Tensors) -> str:
    """SHA-256 over names, dtypes, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(json.dumps([name, str(tensor.dtype), tensor.shape]).encode())
        sha.update(np.asarray(tensor, order="C").data)
    return sha.hexdigest()
