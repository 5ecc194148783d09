"""The files that are named on the command line."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nnmf_topics import datasets

_STDIN = Path("-")
_CONVERT = "convert it with iconv"


def check_output(output: Path, source: Path) -> None:
    """Refuse before the work what could not be written after it."""
    if output == _STDIN:
        raise ValueError("-: give --output the name of a file")
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise IsADirectoryError(f"{output}: is a folder; give --output the name of a file")
    if output.exists() and not output.is_file():
        return  # a pipe or a device is written into, and nothing is made beside it
    if output.exists() and source.exists() and output.samefile(source):
        raise ValueError(f"{output}: is what is read; give --output another name")
    try:
        with contextlib.suppress(FileNotFoundError):
            output.stat()  # an error for a name that no file can have
        with tempfile.NamedTemporaryFile(prefix=".", suffix=".part", dir=output.resolve().parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(output)) from error


@contextlib.contextmanager
def text_file(file: Path) -> Iterator[Path]:
    """Give a file as it is, and standard input for ``-`` as a file that lasts for the context."""
    if file != _STDIN:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name(file))
        path.write_bytes(_stdin().read())
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(os.fspath(path), path.name)) from error


def load_texts(path: Path) -> datasets.TopicCorpus:
    """Load a text file, with the remedies that there are on the command line."""
    try:
        return datasets.load_texts(path)
    except ValueError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            raise ValueError(f"{error}; {_CONVERT}") from error
        if "no_below" in str(error.__cause__):
            raise ValueError(
                f"{path}: no word is in 2 documents (stop words do not count); "
                "write one document a line, and more of them"
            ) from error
        raise


def lines(file: Path) -> Iterator[str]:
    """Read a text line by line, without keeping it."""
    something = False
    opened = contextlib.nullcontext(_stdin()) if file == _STDIN else file.open("rb")
    with opened as stream, io.TextIOWrapper(stream, encoding="utf-8") as text:
        try:
            for line in text:
                something = something or bool(line.strip())
                yield line
        except UnicodeDecodeError as error:
            raise ValueError(f"{name(file)} is not UTF-8 text: {error}; {_CONVERT}") from error
    if not something:
        raise ValueError(f"{name(file)} is empty; write one document a line")


def name(file: Path) -> str:
    """Return what a text is called in messages."""
    return "standard input" if file == _STDIN else os.fspath(file)


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise ValueError("standard input is closed")
    return sys.stdin.buffer


def is_json(path: Path) -> bool:
    """Whether a file is a saved hierarchy rather than a model."""
    if path.exists() and not path.is_file():
        return False  # what is read from a pipe cannot be read again
    with path.open("rb") as file:
        start = file.read(8)  # of a model a small number in 8 bytes, some of which are zero
    return start.lstrip().startswith(b"{") and b"\0" not in start
