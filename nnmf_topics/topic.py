"""A topic in words, and its plain form."""

import reprlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnmf_topics import _views

_KEYS = ("layer", "index", "weight", "label", "terms", "children")
_MAX_LAYERS, _MAX_INDEX = 64, 2**31


@dataclass(repr=False)
class Topic:
    """One topic. Iterating over it gives its children; ``str`` shows it and all below it.

    Attributes
    ----------
    layer : int
        0 is the finest layer.
    index : int
        The number of the topic in its layer.
    weight : float
        For a root its share of the corpus, below it the share of the parent's words that comes
        through this topic. The shares of siblings sum to less than 1 where the parent also uses
        topics that are closer to another parent.
    terms : tuple of (str, float)
        The strongest words and their probabilities, strongest first. At least 8 where the
        vocabulary has as many: words of probability 0 fill up, which text and HTML do not show.
    children : list of Topic
        Topics of the next finer layer, strongest first.
    label : str or None
        A name of your choice, shown in every view: ``topic.label = "politics"``.
    """

    layer: int
    index: int
    weight: float
    terms: tuple[tuple[str, float], ...]
    children: list["Topic"] = field(default_factory=list)
    label: str | None = None

    def __post_init__(self) -> None:
        self.layer, self.index, self.weight = int(self.layer), int(self.index), float(self.weight)
        self.terms = tuple((str(word), float(weight)) for word, weight in self.terms)
        self.children = list(self.children)

    def __iter__(self) -> Iterator["Topic"]:
        return iter(self.children)

    def __str__(self) -> str:
        return _views.text([self], 10)

    def __repr__(self) -> str:
        heading = _views.heading(self, 4)
        return (
            f"<Topic {self.index} of layer {self.layer}, {len(self.children)} children: {heading}>"
        )


def topic_to_dict(topic: Topic) -> dict[str, Any]:
    """Return a topic and all below it in dicts, lists, str, int and float only."""
    return {
        "layer": int(topic.layer),
        "index": int(topic.index),
        "weight": float(topic.weight),
        "label": None if topic.label is None else str(topic.label),
        "terms": [[str(word), float(weight)] for word, weight in topic.terms],
        "children": [topic_to_dict(child) for child in topic.children],
    }


def read_topics(
    items: Any, where: str, layer: int | None, seen: set[tuple[int, int]]
) -> list[Topic]:
    """Check and read siblings, which are all of one layer: that of the first, if None is given.

    Raises
    ------
    ValueError
        Saying where something is not as `topic_to_dict` makes it.
    """
    topics: list[Topic] = []
    for number, item in enumerate(_sequence(items, where)):
        topics.append(_read_topic(item, f"{where}[{number}]", layer, seen))
        layer = topics[-1].layer
    return topics


def _read_topic(item: Any, where: str, layer: int | None, seen: set[tuple[int, int]]) -> Topic:
    if not isinstance(item, Mapping):
        raise _wrong(where, item, "an object")
    if wrong := set(_KEYS) ^ set(item):
        raise ValueError(f"{where}: missing or unknown: {reprlib.repr(sorted(map(str, wrong)))}")
    key = (
        _integer(item["layer"], f"{where}.layer", _MAX_LAYERS),
        _integer(item["index"], f"{where}.index", _MAX_INDEX),
    )
    if layer not in (None, key[0]):
        raise _wrong(f"{where}.layer", key[0], f"{layer}, one below its parent and as its siblings")
    if key in seen:
        raise ValueError(f"{where}: topic {key[1]} of layer {key[0]} is there twice")
    seen.add(key)
    label = item["label"]
    if not isinstance(label, str | None):
        raise _wrong(f"{where}.label", label, "a string or null")
    return Topic(
        *key,
        _weight(item["weight"], f"{where}.weight"),
        _read_terms(item["terms"], f"{where}.terms"),
        read_topics(item["children"], f"{where}.children", key[0] - 1, seen),
        label,
    )


def _read_terms(items: Any, where: str) -> tuple[tuple[str, float], ...]:
    pairs = []
    for number, item in enumerate(_sequence(items, where)):
        place = f"{where}[{number}]"
        if len(_sequence(item, place)) != 2 or not isinstance(item[0], str):
            raise _wrong(place, item, "a word and its weight")
        pairs.append((item[0], _weight(item[1], f"{place}[1]")))
    return tuple(pairs)


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise _wrong(where, value, "a list")
    return value


def _integer(value: Any, where: str, limit: int) -> int:
    if type(value) is not int or not 0 <= value < limit:
        raise _wrong(where, value, f"an integer from 0 to {limit - 1}")
    return value


def _weight(value: Any, where: str) -> float:
    # Comparing, unlike float(), takes integers of any length; NaN fails every comparison.
    if type(value) not in (int, float) or not 0 <= value <= sys.float_info.max:
        raise _wrong(where, value, "a finite number >= 0")
    return float(value)


def _wrong(where: str, value: Any, expected: str) -> ValueError:
    return ValueError(f"{where} is {reprlib.repr(value)}, not {expected}")
