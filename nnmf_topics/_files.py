"""Writing files so that a crash, a full disk or another writer never leaves half of one."""

import contextlib
import functools
import hashlib
import os
import re
import secrets
import socket
import stat
import time
from pathlib import Path

_LONGEST_NAME = 40
_DAY = 24 * 60 * 60

_writing: set[str] = set()
"""Names of the parts that this process is writing."""


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file as a whole or not at all, and sweep what killed writers left beside it.

    A file that is replaced keeps its mode. A symbolic link is followed and stays; what is no file,
    such as a pipe, is written into.

    Raises
    ------
    OSError
        Naming `path`, which is then as it was.
    """
    try:
        mode = _mode(path)
        if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.write_bytes(content)
            return
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        _sweep(target)
        _replace(target, content, None if mode is None else stat.S_IMODE(mode))
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes, mode: int | None) -> None:
    part = path.with_name(_part_name(path.name))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    _writing.add(part.name)
    try:
        # Never more open than the file it replaces, not even while it is empty.
        descriptor = os.open(part, flags, 0o666 if mode is None else mode & 0o777)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if mode is not None:
                    part.chmod(mode)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    finally:
        _writing.discard(part.name)


def _part_name(name: str) -> str:
    return f".{name[:_LONGEST_NAME]}.{_host()}-{os.getpid()}-{secrets.token_hex(8)}.part"


@functools.cache
def _host() -> str:
    """Return what tells apart the machines and containers whose process ids mean the same."""
    identity = [socket.gethostname()]
    with contextlib.suppress(OSError):
        identity.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        identity.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:12]


def _sweep(path: Path) -> None:
    """Remove the parts of writers that are dead; what cannot be removed is left alone."""
    part = re.compile(
        rf"\.{re.escape(path.name[:_LONGEST_NAME])}\.([0-9a-f]{{12}})-(\d{{1,9}})-[0-9a-f]{{16}}\.part"
    )
    with contextlib.suppress(OSError):
        for file in path.parent.iterdir():
            match = part.fullmatch(file.name)
            if match and _is_left(file, match[1], int(match[2])):
                with contextlib.suppress(OSError):
                    file.unlink()


def _is_left(part: Path, host: str, process: int) -> bool:
    with contextlib.suppress(OSError):
        if time.time() - part.lstat().st_mtime > _DAY:
            return True
    if host != _host():
        return False
    if process == os.getpid():
        return part.name not in _writing
    return not _is_alive(process)


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        return True  # elsewhere asking would signal the process
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
