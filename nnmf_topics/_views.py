"""Renderings of a topic hierarchy: text, HTML, data frame, graph. All of them show one tree."""

import operator
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any, Protocol, Self, TypeVar

_TOKEN_LIMIT, _LABEL_LIMIT = 60, 120
_JOINERS = "\u200c\u200d"  # invisible, but part of the spelling of Persian, Hindi and many emoji


class Node(Protocol):
    """What the renderings read of a `Topic`."""

    @property
    def layer(self) -> int: ...
    @property
    def index(self) -> int: ...
    @property
    def weight(self) -> float: ...
    @property
    def label(self) -> str | None: ...
    @property
    def terms(self) -> tuple[tuple[str, float], ...]: ...
    @property
    def children(self) -> Sequence[Self]: ...


N = TypeVar("N", bound=Node)


def walk(
    nodes: Sequence[N], parent: N | None = None, depth: int = 0
) -> Iterator[tuple[int, N | None, N]]:
    """Yield (depth, parent, topic), parents before children."""
    for node in nodes:
        yield depth, parent, node
        yield from walk(node.children, node, depth + 1)


def printable(text: object, limit: int = _TOKEN_LIMIT) -> str:
    r"""Show a string harmlessly in a line: unprintable as \x1b or \u202e, a long rest as dots."""
    pieces: list[str] = []
    for character in str(text):
        safe = character.isprintable() or character in _JOINERS
        pieces.append(character if safe else character.encode("unicode_escape").decode("ascii"))
        limit -= len(pieces[-1])
        if limit < 0:
            return "".join(pieces[:-1]) + "…"
    return "".join(pieces) or '""'


def top(node: Node, topn: int | None) -> tuple[tuple[str, float], ...]:
    """Return the first `topn` of the topic's terms, None for all."""
    if topn is not None and operator.index(topn) < 0:
        raise ValueError(f"topn is {topn}; give a number of words from 0 up, or None for all")
    return node.terms[:topn]


def shown_words(node: Node, topn: int | None) -> list[str]:
    """Return what is shown of `top`: words of weight 0 only fill up the terms."""
    return [printable(word) for word, weight in top(node, topn) if weight > 0]


def percent(weight: float) -> str:
    """Show a share in whole per cent."""
    return "<1 %" if 0 < weight < 0.005 else f"{100 * weight:.0f} %"


def heading(node: Node, topn: int | None) -> str:
    """Show a topic in one line: its label when it has one, then its words."""
    label = printable(node.label, _LABEL_LIMIT) if node.label else ""
    return " | ".join(filter(None, (label, " ".join(shown_words(node, topn)))))


def text(roots: Sequence[Node], topn: int | None) -> str:
    """Show one topic a line: index, share of the parent, label and words."""
    rows = list(walk(roots))
    width = max((len(str(node.index)) for _, _, node in rows), default=1)
    lines = (
        f"{'    ' * depth}{node.index:<{width}}  {percent(node.weight):>5}  {heading(node, topn)}"
        for depth, _, node in rows
    )
    return "\n".join(line.rstrip() for line in lines)


_STYLE = """
.nnmf-topics { font: 1rem/1.5 system-ui, sans-serif; color: #1b1f24; background: #fff; }
.nnmf-topics ul { list-style: none; margin: 0; padding-left: 0; }
.nnmf-topics ul ul { margin-left: .45rem; padding-left: 1.2rem; border-left: 1px solid #c8ced6; }
.nnmf-topics summary, .nnmf-topics .leaf { padding: .15rem .3rem; border-radius: .3rem; }
.nnmf-topics summary { cursor: pointer; }
.nnmf-topics .leaf { padding-left: 1.3rem; }
.nnmf-topics summary:hover, .nnmf-topics summary:focus-visible { background: #eaf1fb; }
.nnmf-topics .share { display: inline-block; min-width: 3.2rem; padding: 0 .4rem; text-align: right;
  font-variant-numeric: tabular-nums; color: #4a5563; border-radius: .2rem;
  --bar: #cfe0f7; background: linear-gradient(to right, var(--bar) var(--share), transparent 0); }
.nnmf-topics bdi { margin-right: .25rem; overflow-wrap: anywhere; }
@media (prefers-color-scheme: dark) {
  .nnmf-topics { color: #e6e9ee; background: #14171b; }
  .nnmf-topics ul ul { border-color: #414a55; }
  .nnmf-topics .share { color: #c2cad4; --bar: #2b4a75; }
  .nnmf-topics summary:hover, .nnmf-topics summary:focus-visible { background: #232a33; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Topic hierarchy</title>
<style>{style}body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
</style>
</head>
<body class="nnmf-topics">
<main>
<h1>Topic hierarchy</h1>
<p>{count} topics. At the top the share is that of the corpus, below that of the parent topic.</p>
{tree}
</main>
</body>
</html>
"""


def html_page(roots: Sequence[Node], topn: int | None) -> str:
    """Show the topics as one page that needs no script and no other file."""
    count = sum(1 for _ in walk(roots))
    return _PAGE.format(style=_STYLE, count=count, tree=_html_list(roots, topn))


def html_fragment(roots: Sequence[Node], topn: int | None) -> str:
    """Show the topics as nested lists that fold, for a notebook or a page."""
    return f'<div class="nnmf-topics"><style>{_STYLE}</style>\n{_html_list(roots, topn)}</div>'


def _html_list(nodes: Sequence[Node], topn: int | None) -> str:
    items = "".join(f"<li>{_html_topic(node, topn)}</li>\n" for node in nodes)
    return f'<ul role="list">\n{items}</ul>'


def _html_topic(node: Node, topn: int | None) -> str:
    words = [f"<bdi>{escape(word)}</bdi>" for word in shown_words(node, topn)]
    if node.label:
        words.insert(
            0, f"<strong><bdi>{escape(printable(node.label, _LABEL_LIMIT))}</bdi></strong>"
        )
    share = f"{min(100 * node.weight, 100):.0f}%"
    line = (
        f'<span class="share" style="--share: {share}">{escape(percent(node.weight))}</span> '
        f"{' '.join(words)}"
    )
    if not node.children:
        return f'<div class="leaf">{line}</div>'
    return f"<details open><summary>{line}</summary>\n{_html_list(node.children, topn)}</details>"


def dataframe(roots: Sequence[Node], topn: int | None) -> Any:
    """Tabulate the topics, one a row; see `TopicHierarchy.to_dataframe`."""
    try:
        import pandas as pd
    except ImportError:
        raise ImportError("to_dataframe needs pandas: pip install pandas") from None
    rows = [(node, parent) for _, parent, node in walk(roots)]
    parents = [None if parent is None else parent.index for _, parent in rows]
    words = [", ".join(word for word, _ in top(node, topn)) for node, _ in rows]
    columns = {
        "layer": pd.Series([node.layer for node, _ in rows], dtype="int64"),
        "index": pd.Series([node.index for node, _ in rows], dtype="int64"),
        "parent": pd.Series(parents, dtype="Int64"),
        # object, as the string types of pandas refuse lone surrogates
        "label": pd.Series([node.label for node, _ in rows], dtype="object"),
        "weight": pd.Series([node.weight for node, _ in rows], dtype="float64"),
        "terms": pd.Series(words, dtype="object"),
    }
    return pd.DataFrame(columns)


def graph(roots: Sequence[Node], topn: int | None) -> Any:
    """Draw parents to children as a directed graph; see `TopicHierarchy.to_networkx`."""
    try:
        import networkx as nx
    except ImportError:
        raise ImportError("to_networkx needs networkx: pip install networkx") from None
    tree = nx.DiGraph()
    for _, parent, node in walk(roots):
        key = (node.layer, node.index)
        data = {name: getattr(node, name) for name in ("layer", "index", "label", "weight")}
        tree.add_node(key, **data, terms=top(node, topn))
        if parent is not None:
            tree.add_edge((parent.layer, parent.index), key, weight=node.weight)
    return tree
