"""A hierarchy of topics in words: plain data that lives without the model it came from."""

import hashlib
import json
import operator
import os
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TextIO, overload

from nnmf_topics import _views
from nnmf_topics._files import write_whole
from nnmf_topics.topic import Topic, read_topics, topic_to_dict
from nnmf_topics.topics import resolve_layer

_FORMAT, _VERSION = "nnmf_topics.hierarchy", 1


@dataclass(repr=False)
class TopicHierarchy:
    """Topics of several layers as trees: plain data, compared by value.

    ``h[i]`` is the root at place i, counted from the strongest, whatever its number; the topic of
    a layer and a number is ``h.topic(layer, index)`` or ``h[layer, index]``. Iterating and ``len``
    see the roots.
    Views take `topn`, the number of words shown of each topic (None for all that are kept).

    Attributes
    ----------
    roots : list of Topic
        The topics of the coarsest layer, strongest first.
    """

    roots: list[Topic] = field(default_factory=list)

    def __iter__(self) -> Iterator[Topic]:
        return iter(self.roots)

    def __len__(self) -> int:
        return len(self.roots)

    def __getitem__(self, key: int | tuple[int, int]) -> Topic:
        if isinstance(key, tuple):
            return self.topic(*key)
        try:
            return self.roots[key]
        except IndexError:
            raise IndexError(
                f"no root at place {key}, there are {len(self)}; topic(layer, index) goes by number"
            ) from None

    def topic(self, layer: int, index: int) -> Topic:
        """Return topic number `index` of a layer: 0 is the finest, -1 the coarsest.

        ``h[i]``, in contrast, goes by the place among the roots.

        Raises
        ------
        IndexError
            If there is no such layer, or no topic of that number in it.
        """
        layer = resolve_layer(layer, self.roots[0].layer + 1 if self.roots else 0)
        for topic in self.walk():
            if (topic.layer, topic.index) == (layer, index):
                return topic
        raise IndexError(f"no topic {index} in layer {layer} of this hierarchy")

    def walk(self) -> Iterator[Topic]:
        """Yield every topic, depth first, parents before children."""
        return (topic for _, _, topic in _views.walk(self.roots))

    def cut(self, depth: int) -> "TopicHierarchy":
        """Return a copy of the `depth` top levels; ``cut(1)`` keeps the roots only.

        Raises
        ------
        ValueError
            If `depth` is less than 1.
        """
        if operator.index(depth) < 1:
            raise ValueError(f"depth is {depth}; keep at least 1 level")
        return TopicHierarchy([_cut(root, depth) for root in self.roots])

    def find(self, word: str) -> list[Topic]:
        """Return the topics that have `word` among their terms, where it is most probable first.

        Upper and lower case are the same. Only the stored `terms` are searched, the strongest words
        of a topic: a word further down is found by the model's `get_term_topics`.

        Raises
        ------
        TypeError
            If `word` is not a str.
        """
        if not isinstance(word, str):
            raise TypeError(f"word must be a str, not {word!r}")
        wanted = word.casefold()

        def strength(topic: Topic) -> float:
            weights = (weight for term, weight in topic.terms if term.casefold() == wanted)
            return max(weights, default=-1.0)

        found = [topic for topic in self.walk() if strength(topic) >= 0]
        return sorted(found, key=strength, reverse=True)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        topics = list(self.walk())
        layers = len({topic.layer for topic in topics})
        return f"<TopicHierarchy: {len(topics)} topics, {layers} layers, {len(self)} roots>"

    def _repr_html_(self) -> str:
        return _views.html_fragment(self.roots, 10)

    def to_text(self, topn: int | None = 10) -> str:
        """Return one line a topic, indented by depth: index, share, label and words."""
        return _views.text(self.roots, topn)

    def print(self, topn: int | None = 10, file: TextIO | None = None) -> None:
        """Print `to_text` to `file`, by default standard output."""
        print(self.to_text(topn), file=file)

    @overload
    def to_html(self, path: None = None, topn: int | None = 10) -> str: ...
    @overload
    def to_html(self, path: str | os.PathLike[str], topn: int | None = 10) -> None: ...
    def to_html(
        self, path: str | os.PathLike[str] | None = None, topn: int | None = 10
    ) -> str | None:
        """Write a page that folds and unfolds, with no script and no other file, or return it.

        Without `path` the page is returned as text.
        """
        page = _views.html_page(self.roots, topn)
        if path is None:
            return page
        write_whole(Path(path), page.encode("utf-8"))
        return None

    def to_dataframe(self, topn: int | None = 10) -> Any:
        """Return a pandas DataFrame with one topic a row, parents before children.

        Columns: layer, index, parent (index in the layer above, <NA> for roots), label (None
        where there is none), weight, terms (the words, joined by ", "). Texts are not escaped.
        """
        return _views.dataframe(self.roots, topn)

    def to_networkx(self, topn: int | None = 10) -> Any:
        """Return a networkx DiGraph from parents to children.

        Nodes are (layer, index) with the attributes layer, index, label, weight and terms (pairs of
        word and probability); edges carry the weight of the child.
        """
        return _views.graph(self.roots, topn)

    def to_dict(self) -> dict[str, Any]:
        """Return the hierarchy in dicts, lists, str, int and float only."""
        roots = [topic_to_dict(root) for root in self.roots]
        return {"format": _FORMAT, "version": _VERSION, "roots": roots}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made.

        Raises
        ------
        ValueError
            If anything in it is not as `to_dict` makes it; the message says where and what.
        """
        if not isinstance(document, Mapping) or document.get("format") != _FORMAT:
            raise ValueError(f'not a topic hierarchy: no "format": "{_FORMAT}"')
        version = document.get("version")
        if type(version) is not int or version != _VERSION:
            raise ValueError(
                f"version {reprlib.repr(version)} of the format is not known, only {_VERSION}; "
                "upgrade nnmf-topics to read a newer one"
            )
        unknown = set(document) - {"format", "version", "roots", "sha256"}
        if unknown or "roots" not in document:
            raise ValueError(f"unknown keys {reprlib.repr(sorted(map(str, unknown)))} or no roots")
        hierarchy = cls(read_topics(document["roots"], "roots", None, set()))
        if "sha256" in document and document["sha256"] != hierarchy._digest():
            raise ValueError(
                "damaged: the content does not have its sha256 (if edited, delete that entry)"
            )
        return hierarchy

    def to_json(self, *path: object, indent: int | None = None) -> str:
        """Return `to_dict` as JSON, in ASCII; `save` writes a file.

        Raises
        ------
        TypeError
            For an argument without a name, such as a path.
        """
        if path:
            raise TypeError(
                f"to_json returns text and takes no {path[0]!r}: write a file with save(path), "
                "and give indent by name"
            )
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` made.

        Raises
        ------
        ValueError
            If it is no JSON, or as in `from_dict`.
        """
        try:
            document = json.loads(text)
        except RecursionError:
            raise ValueError("not a topic hierarchy: nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from error
        return cls.from_dict(document)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the hierarchy to exactly `path`, as JSON with a checksum; all or nothing.

        Raises
        ------
        OSError
            If it cannot be written; what was at `path` is intact.
        ValueError
            If a topic was changed into something `load` would refuse, such as a negative weight.
        """
        document = self.to_dict()
        type(self).from_dict(document)
        write_whole(
            Path(path), f"{json.dumps(document | {'sha256': self._digest()})}\n".encode("ascii")
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of `save`, or of `to_json`. Never runs code from it.

        Raises
        ------
        ValueError
            If the file is damaged or no topic hierarchy; the message names it and what is wrong.
        """
        try:
            return cls.from_json(Path(path).read_bytes().decode("utf-8"))
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error

    def _digest(self) -> str:
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()


def _cut(topic: Topic, depth: int) -> Topic:
    children = [_cut(child, depth - 1) for child in topic.children] if depth > 1 else []
    return replace(topic, children=children)
