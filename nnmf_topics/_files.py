"""Writing files so that a crash, a full disk or another writer never leaves half of one."""

import os
import re
import threading
from pathlib import Path

_WRITING = threading.Lock()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file as a whole or not at all, and sweep what killed writers left beside it.

    Raises
    ------
    OSError
        Naming `path`, which is then as it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _WRITING:
            _sweep(path)
            try:
                with part.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _sweep(path: Path) -> None:
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d{{1,9}})\.part")
    for file in path.parent.iterdir():
        match = name.fullmatch(file.name)
        if match and not _is_writing(int(match[1])):
            file.unlink(missing_ok=True)


def _is_writing(process: int) -> bool:
    if process == os.getpid():
        return False  # the caller holds the lock, so nothing else of this process is writing
    if os.name != "posix":
        return True  # elsewhere asking would signal the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
