"""Chunks of documents in a temporary file: read from there in a fraction of the time."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import BufferedRandom
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

_RESERVE = 2**30
"""So many bytes of the disk are left to others."""


class _Place(NamedTuple):
    """Where the arrays of a chunk are, one after the other, and how to read them."""

    offset: int
    shape: tuple[int, int]
    arrays: tuple[tuple[np.dtype, int], ...]


class Spool:
    """CSC chunks (terms, documents) in a temporary file, to be read again and again.

    The file is made with the first chunk. Nobody else can open it, and it is gone with the process,
    even a killed one. To be used by one thread at a time.

    Parameters
    ----------
    folder : str, optional
        Default: that of TMPDIR, else /var/tmp where there is one, as /tmp may be in memory.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder or _default_folder()
        self._file: BufferedRandom | None = None
        self._places: list[_Place] = []

    def add(self, chunk: sp.csc_array) -> None:
        """Write a chunk at the end.

        Raises
        ------
        OSError
            If no file can be made, or the disk has no room for the chunk.
        """
        if self._file is None:
            # Closed by `close`.
            self._file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
        arrays = [np.ascontiguousarray(a) for a in (chunk.data, chunk.indices, chunk.indptr)]
        if shutil.disk_usage(self.folder).free < _RESERVE + sum(a.nbytes for a in arrays):
            message = f"less than {_RESERVE / 2**30:.0f} GiB would be left"
            raise OSError(errno.ENOSPC, message, self.folder)
        offset = self._file.seek(0, os.SEEK_END)
        for array in arrays:
            self._file.write(array.data)
        self._file.flush()
        kinds = tuple((array.dtype, array.size) for array in arrays)
        self._places.append(_Place(offset, chunk.shape, kinds))

    def __iter__(self) -> Iterator[sp.csc_array]:
        """Read the chunks, in their order.

        Raises
        ------
        OSError
            If the file cannot be read, or not to its end.
        """
        for offset, shape, kinds in self._places:
            file = self._file
            if file is None:
                raise ValueError("the temporary file is closed")
            file.seek(offset)
            arrays = tuple(np.empty(size, dtype) for dtype, size in kinds)
            if any(file.readinto(array.data) < array.nbytes for array in arrays):
                raise OSError(errno.EIO, "a temporary file has become shorter", self.folder)
            yield sp.csc_array(arrays, shape)

    def close(self) -> None:
        """Remove the file; what is added later goes to a new one."""
        file, self._file, self._places = self._file, None, []
        if file is not None:
            with contextlib.suppress(OSError):  # of what a full disk did not take
                file.close()


def _default_folder() -> str:
    named = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    there = not named and os.access("/var/tmp", os.W_OK | os.X_OK)
    return "/var/tmp" if there else tempfile.gettempdir()
