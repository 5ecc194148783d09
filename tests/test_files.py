import contextlib
import errno
import os
import re
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from nnmf_topics import _files
from nnmf_topics._files import write_whole

DEAD = 2**22 + 5  # above the largest process id
DAY = 24 * 60 * 60


@pytest.fixture
def path(tmp_path):
    return tmp_path / "news.nnmf"


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@contextlib.contextmanager
def umask(mask):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def part(path, host=None, process=DEAD, token="0" * 16):
    """A part that some writer left beside a path."""
    file = path.with_name(f".{path.name}.{host or _files._host()}-{process}-{token}.part")
    file.write_bytes(b"part")
    return file


def aged(file, seconds):
    os.utime(file, (time.time() - seconds,) * 2)
    return file


# What is there afterwards


def test_new_content_replaces_the_old_and_nothing_else_is_left(path):
    for content in (b"old" * 1000, b"new", b""):
        write_whole(path, content)
        assert path.read_bytes() == content
        assert names(path.parent) == [path.name]


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o444, 0o777])
def test_a_replaced_file_keeps_its_mode(path, kept):
    path.write_bytes(b"old")
    path.chmod(kept)
    with umask(0o022):
        write_whole(path, b"new")
    assert (mode(path), path.read_bytes()) == (kept, b"new")


def test_a_new_file_has_the_mode_of_the_umask(path):
    with umask(0o027):
        write_whole(path, b"new")
    assert mode(path) == 0o640


def test_the_part_of_a_private_file_is_private_while_it_is_written(path, monkeypatch):
    path.write_bytes(b"old")
    path.chmod(0o600)
    seen = []
    fsync = os.fsync

    def look(descriptor):
        seen.extend(mode(file) for file in path.parent.iterdir())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(path, b"new")
    assert seen == [0o600, 0o600]


def test_a_symbolic_link_stays_and_its_target_gets_the_content(tmp_path):
    target, link, outer = tmp_path / "far" / "model", tmp_path / "link", tmp_path / "outer"
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(os.path.join("far", "model"))  # noqa: PTH118 (a relative link)
    outer.symlink_to(link)
    left = part(target)
    write_whole(outer, b"new")
    assert outer.is_symlink()
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"
    assert not left.exists()
    assert names(target.parent) == ["model"]


def test_a_link_to_a_file_that_is_not_there_yet_makes_it(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "model")
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "model").read_bytes() == b"new"


@pytest.mark.parametrize("target", ["link", "missing/model", "folder"])
def test_a_link_to_a_place_that_cannot_be_written_is_an_error_that_names_the_link(tmp_path, target):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / target)
    with pytest.raises(OSError, match=re.escape(str(link))):
        write_whole(link, b"new")
    assert link.is_symlink()
    assert names(tmp_path) == ["folder", "link"]


def test_a_pipe_is_written_into_and_stays(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"content")
    reader.join(timeout=60)
    assert read == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_names_may_be_as_long_as_the_file_system_takes(tmp_path):
    for name in ("n" * 255, "\u00e9" * 127, "\U0001f40d" * 63):
        left = tmp_path / f".{name[:40]}.{_files._host()}-{DEAD}-{'0' * 16}.part"
        left.write_bytes(b"part")
        write_whole(tmp_path / name, b"content")
        assert names(tmp_path) == [name]
        (tmp_path / name).unlink()


# Parts of other writers


def test_only_parts_of_dead_writers_of_this_path_are_swept(path):
    dead = [part(path), part(path, process=os.getpid())]
    dead.append(aged(part(path, host="f" * 12), DAY + 60))
    dead.append(aged(part(path, process=os.getppid(), token="1" * 16), DAY + 60))
    alive = [part(path, process=os.getppid()), aged(part(path, host="e" * 12), DAY - 60)]
    others = [part(path.with_name("other")), part(path.with_name("news_nnmf"))]
    for name in (".news.nnmf.part", ".news.nnmf.backup.part", "news.nnmf.part"):
        others.append(path.with_name(name))
        others[-1].write_bytes(b"mine")
    write_whole(path, b"new")
    assert not any(file.exists() for file in dead)
    assert names(path.parent) == sorted(file.name for file in (*alive, *others, path))


def test_two_hosts_or_containers_have_two_identities(monkeypatch):
    identities = {_files._host()}
    for name in ("one", "two"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        identities.add(_files._host.__wrapped__())
    assert len(identities) == 3


def test_a_part_of_another_writer_with_the_same_name_is_an_error_and_stays(path, monkeypatch):
    path.write_bytes(b"old")
    monkeypatch.setattr(_files.secrets, "token_hex", lambda _: "0" * 16)
    other = part(path, process=os.getpid())
    monkeypatch.setattr(_files, "_sweep", lambda _: None)
    with pytest.raises(FileExistsError, match=re.escape(str(path))):
        write_whole(path, b"new")
    assert (path.read_bytes(), other.read_bytes()) == (b"old", b"part")


def test_a_part_that_cannot_be_removed_does_not_keep_from_writing(path):
    folder = path.with_name(f".{path.name}.{_files._host()}-{DEAD}-{'0' * 16}.part")
    folder.mkdir()
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_no_part(path, monkeypatch, call, error):
    path.write_bytes(b"old")

    def fail(*_arguments):
        raise error

    monkeypatch.setattr(os if call == "fsync" else type(path), call, fail)
    with pytest.raises(type(error)):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(path.parent) == [path.name]
    assert not _files._writing


def test_threads_and_processes_may_write_one_path_at_once(path):
    code = """
        import sys, threading
        from pathlib import Path
        from nnmf_topics._files import write_whole

        def write(letter):
            for _ in range(20):
                write_whole(Path(sys.argv[1]), letter * 10_000)

        letters = [letter.encode() for letter in sys.argv[2]]
        threads = [threading.Thread(target=write, args=(letter,)) for letter in letters]
        errors = []
        threading.excepthook = lambda args: errors.append(args.exc_value)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.exit(str(errors) if errors else 0)
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    writers = [
        subprocess.Popen([*command, letters], stderr=subprocess.PIPE) for letters in ("abc", "def")
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    content = path.read_bytes()
    assert content in {letter.encode() * 10_000 for letter in "abcdef"}
    assert names(path.parent) == [path.name]
