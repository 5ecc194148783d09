"""Model files: tensors and JSON as safetensors, with a checksum. Reading one runs no code."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors_numpy

from nnmf_topics._files import write_whole

FORMAT, VERSION = "nnmf_topics.model", 1

Tensors = dict[str, np.ndarray]
Target = str | os.PathLike[str] | BinaryIO

_JSON = "json"


def write_model(target: Target, tensors: Tensors, document: dict[str, Any]) -> None:
    """Write tensors and a JSON document to exactly that path, or into an open binary file.

    Raises
    ------
    OSError
        If it cannot be written; a file that was there is intact.
    """
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, default=str).encode("ascii")
    tensors = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    tensors[_JSON] = np.frombuffer(text, np.uint8)
    metadata = {"format": FORMAT, "version": str(VERSION), "sha256": _digest(tensors)}
    content = safetensors_numpy.save(tensors, metadata)
    if isinstance(target, (str, os.PathLike)):
        write_whole(Path(target), content)
    else:
        target.write(content)


def read_model(source: Target) -> tuple[Tensors, dict[str, Any]]:
    """Read what `write_model` wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a model file, of a newer format, or damaged; the message names it.
    """
    if isinstance(source, (str, os.PathLike)):
        name, content = os.fspath(source), Path(source).read_bytes()
    else:
        name, content = str(getattr(source, "name", "the open file")), source.read()
    try:
        metadata = _metadata(content)
        if metadata.get("format") != FORMAT:
            raise ValueError(f"it is not a {FORMAT} file")
        if metadata.get("version") != str(VERSION):
            raise ValueError(
                f"its format is version {metadata.get('version')}, this package reads {VERSION}; "
                "upgrade nnmf-topics"
            )
        tensors = safetensors_numpy.load(content)
        if metadata.get("sha256") != _digest(tensors):
            raise ValueError("its checksum is wrong: the file was damaged or changed")
        document = json.loads(tensors.pop(_JSON).tobytes())
    except (SafetensorError, KeyError, TypeError, RecursionError, ValueError) as error:
        raise ValueError(f"{name} cannot be loaded: {error}") from error
    return tensors, document


def _metadata(content: bytes) -> dict[str, Any]:
    """Return the metadata in the header: 8 bytes of length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise ValueError("it is cut short or not a safetensors file")
    header = json.loads(content[8 : 8 + length])
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}


def _digest(tensors: Tensors) -> str:
    """SHA-256 over names, dtypes, shapes and values."""
    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha.update(json.dumps([name, str(tensor.dtype), tensor.shape]).encode())
        sha.update(np.asarray(tensor, order="C").data)
    return sha.hexdigest()
