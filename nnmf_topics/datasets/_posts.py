"""The posts of 20 Newsgroups as (group, text) pairs, and the file that keeps them."""

from __future__ import annotations

import gzip
import json
import logging
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

Post = tuple[str, str]
Posts = dict[str, list[Post]]

SPLITS = ("train", "test")

NEWSGROUPS = {
    "alt.atheism": "religion",
    "comp.graphics": "computers",
    "comp.os.ms-windows.misc": "computers",
    "comp.sys.ibm.pc.hardware": "computers",
    "comp.sys.mac.hardware": "computers",
    "comp.windows.x": "computers",
    "misc.forsale": "for sale",
    "rec.autos": "recreation",
    "rec.motorcycles": "recreation",
    "rec.sport.baseball": "recreation",
    "rec.sport.hockey": "recreation",
    "sci.crypt": "science",
    "sci.electronics": "science",
    "sci.med": "science",
    "sci.space": "science",
    "soc.religion.christian": "religion",
    "talk.politics.guns": "politics",
    "talk.politics.mideast": "politics",
    "talk.politics.misc": "politics",
    "talk.religion.misc": "religion",
}
"""Super-group of each of the 20 groups."""


def checked(rows: Iterable[list[str]]) -> list[Post]:
    """Return the rows as posts; ValueError where one is not a known group with a text."""
    posts = []
    for number, row in enumerate(rows):
        if len(row) != 2 or row[0] not in NEWSGROUPS or not isinstance(row[1], str):
            raise ValueError(f"post {number} is not a known group with a text")
        posts.append((row[0], row[1]))
    if not posts:
        raise ValueError("there are no posts")
    return posts


def read_cache(path: Path) -> Posts | None:
    """Read a cache file; None where there is none or it is of no use."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            data = json.load(file)
        return {split: checked(data[split]) for split in SPLITS}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        logger.warning("%s cannot be used and is fetched anew: %s", path, error)
        return None


def write_cache(path: Path, posts: Posts) -> None:
    """Write the cache file whole or not at all; a folder that refuses it is only logged."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            draft = Path(folder) / path.name
            with gzip.open(draft, "wt", encoding="utf-8") as file:
                json.dump(posts, file)
            draft.replace(path)
    except OSError as error:
        logger.warning("20 Newsgroups is not cached: %s", error)
