import copy
import io
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnmf_topics import Topic, TopicHierarchy
from nnmf_topics.hierarchy_builder import build_hierarchy
from nnmf_topics.topics import child_shares, strongest_parent, top_terms, topic_term

WORDS = [f"word{term}" for term in range(40)]
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"' onmouseover=alert(1) x='",
    "entity": "&lt;b&gt;",
    "ansi": "\x1b[31mred\x1b]0;title\x07",
    "newline": "two\nlines\r\x0b\x0c\x85",
    "nul": "a\x00b",
    "bidi": "\u202etxt.exe\u200f\u2066\u061c",
    "separators": "a\u2028b\u2029c",
    "surrogate": "bad\udc80",
    "invisible": "zero\u200bwidth\ufeff\u00ad",
    "long": "x" * 10_000,
    "long_unprintable": "\x1b" * 10_000,
    "formula": '=cmd|" /C calc"!A0',
    "empty": "",
    "format": "{0} %s {tree}",
}


def example():
    """Two roots, the second without children; three layers."""
    terms = tuple((f"w{rank:02}", 0.5**rank) for rank in range(1, 13))
    leaves = [Topic(0, 4, 0.75, terms), Topic(0, 0, 0.003, terms[::-1])]
    middle = [Topic(1, 11, 0.5, terms, leaves), Topic(1, 2, 0.25, terms)]
    return TopicHierarchy([Topic(2, 1, 0.6, terms, middle, "politics"), Topic(2, 0, 0.4, terms)])


def random_hierarchy(widths=(12, 5, 3), topn=30, seed=0):
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise((len(WORDS), *widths))
    factors = [rng.gamma(0.3, size=shape) for shape in shapes]
    return build_hierarchy(factors, WORDS, rng.random(widths[-1]) + 0.1, topn), factors


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Surrogates as broken input leaves them: a pair of them would be one character in JSON.
untimed = settings(deadline=None)
texts = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.just("\udc80")), max_size=8)
weights = st.floats(0, 1e300)


@st.composite
def hierarchies(draw):
    layers = draw(st.integers(1, 4))
    numbers = [iter(range(1000)) for _ in range(layers)]

    def topics(layer, least):
        return [
            Topic(
                layer,
                next(numbers[layer]),
                draw(weights),
                tuple(draw(st.lists(st.tuples(texts, weights), max_size=3))),
                topics(layer - 1, 0) if layer else [],
                draw(st.one_of(st.none(), texts)),
            )
            for _ in range(draw(st.integers(least, 3)))
        ]

    return TopicHierarchy(topics(layers - 1, 1))


# Building


def test_every_topic_of_every_layer_appears_once_one_layer_below_its_strongest_parent():
    hierarchy, factors = random_hierarchy()
    seen = [(topic.layer, topic.index) for topic in hierarchy.walk()]
    assert sorted(seen) == [(0, i) for i in range(12)] + [(1, i) for i in range(5)] + [
        (2, i) for i in range(3)
    ]
    for parent in hierarchy.walk():
        for child in parent:
            assert child.layer == parent.layer - 1
            assert strongest_parent(factors, parent.layer)[child.index] == parent.index
            share = child_shares(factors, parent.layer)[child.index, parent.index]
            assert child.weight == share


def test_siblings_are_sorted_by_weight_then_index_and_roots_sum_to_one():
    hierarchy, _ = random_hierarchy()
    for siblings in [hierarchy.roots, *(topic.children for topic in hierarchy.walk())]:
        keys = [(-topic.weight, topic.index) for topic in siblings]
        assert keys == sorted(keys)
    assert sum(root.weight for root in hierarchy) == pytest.approx(1)
    equal = build_hierarchy([np.ones((9, 3))], WORDS, [1, 2, 1])
    assert [root.index for root in equal] == [1, 0, 2]
    assert [root.weight for root in equal] == [0.5, 0.25, 0.25]


def test_a_coarse_topic_may_have_no_children():
    factors = [np.eye(4), np.array([[3.0, 1], [3, 1], [3, 1], [3, 1.1]]) @ np.diag([1, 0.0])]
    hierarchy = build_hierarchy(factors, WORDS, [1, 1])
    assert [len(root.children) for root in hierarchy] == [4, 0]


def test_terms_are_the_top_words_with_their_probabilities():
    hierarchy, factors = random_hierarchy(topn=10)
    for topic in hierarchy.walk():
        row = topic_term(factors, topic.layer)[topic.index]
        assert topic.terms == tuple((WORDS[term], row[term]) for term in top_terms(row, 10))


@pytest.mark.parametrize(
    ("positive", "terms", "topn", "kept"),
    [
        (20, 40, 10, 10),
        (20, 40, None, 20),
        (20, 40, 3, 8),
        (3, 40, 10, 8),
        (9, 40, 30, 9),
        (3, 5, 10, 5),
    ],
)
def test_words_without_weight_only_fill_up_to_eight(positive, terms, topn, kept):
    column = (np.arange(terms) < positive).astype(float)
    hierarchy = build_hierarchy([column[:, None]], WORDS, [1], topn)
    assert [word for word, _ in hierarchy[0].terms] == WORDS[:kept]


def test_words_may_be_a_function_a_mapping_or_a_sequence_and_are_kept_as_plain_strings():
    factors = [np.eye(3, dtype=np.float32)]
    expected = build_hierarchy(factors, ["a", "b", "c"], [1, 1, 1])
    array = np.array(["a", "b", "c"])
    for words in ({0: "a", 1: "b", 2: "c"}, "abc", lambda term: "abc"[term], array):
        assert build_hierarchy(factors, words, [1, 1, 1]) == expected
    topic = build_hierarchy(factors, array, np.ones(3, np.float32))[0]
    assert {type(word) for word, _ in topic.terms} == {str}
    assert {type(weight) for _, weight in topic.terms} | {type(topic.weight)} == {float}


@pytest.mark.parametrize("masses", [[1], [1, 2, 3], [1, -1], [1, np.nan], [np.inf, 1], [[1, 1]]])
def test_masses_that_do_not_fit_are_refused(masses):
    with pytest.raises(ValueError, match="masses must be 2 finite numbers >= 0"):
        build_hierarchy([np.eye(2)], WORDS, masses)


def test_masses_of_nothing_weigh_the_roots_equally():
    assert [root.weight for root in build_hierarchy([np.eye(2)], WORDS, [0, 0])] == [0.5, 0.5]


# Looking around


def test_indexing_gives_roots_by_place_and_topics_by_layer_and_index():
    hierarchy = example()
    assert len(hierarchy) == 2
    assert list(hierarchy) == [hierarchy[0], hierarchy[1]]
    assert hierarchy[-1] is hierarchy.roots[1]
    for topic in hierarchy.walk():
        for layer in (topic.layer, topic.layer - 3):
            assert hierarchy[layer, topic.index] is topic
            assert hierarchy.topic(layer, topic.index) is topic
    assert list(hierarchy[0]) == hierarchy[0].children


@pytest.mark.parametrize("key", [2, (0, 7), (3, 0), (-4, 0)])
def test_a_topic_that_is_not_there_is_an_index_error(key):
    with pytest.raises(IndexError):
        example()[key]


def test_the_error_of_a_missing_topic_names_what_was_asked_for():
    with pytest.raises(IndexError, match="no topic 7 in layer 0"):
        example().topic(0, 7)
    with pytest.raises(IndexError, match="layer 3 does not exist"):
        example().topic(3, 0)
    with pytest.raises(IndexError, match=r"no root at place 2, there are 2; topic\(layer, index\)"):
        example()[2]


def test_walk_is_depth_first():
    walked = [(topic.layer, topic.index) for topic in example().walk()]
    assert walked == [(2, 1), (1, 11), (0, 4), (0, 0), (1, 2), (2, 0)]


@untimed
@given(hierarchies(), st.integers(1, 5))
def test_a_cut_has_the_top_levels_only_and_is_a_copy(hierarchy, depth):
    before = copy.deepcopy(hierarchy)
    cut = hierarchy.cut(depth)
    least = hierarchy.roots[0].layer - depth
    expected = [topic.index for topic in hierarchy.walk() if topic.layer > least]
    assert [topic.index for topic in cut.walk()] == expected
    for topic in cut.walk():
        topic.label = "changed"
        topic.children.clear()
    assert hierarchy == before


@pytest.mark.parametrize("depth", [0, -1])
def test_a_cut_of_no_level_is_refused(depth):
    with pytest.raises(ValueError, match=f"depth is {depth}"):
        example().cut(depth)


def test_find_gives_the_topics_with_the_word_strongest_first():
    hierarchy, _ = random_hierarchy(topn=8)
    for word in WORDS:
        found = hierarchy.find(word)
        chances = [dict(topic.terms)[word] for topic in found]
        assert chances == sorted(chances, reverse=True)
        assert len(found) == sum(word in dict(topic.terms) for topic in hierarchy.walk())
    assert hierarchy.find("absent") == []


def test_find_does_not_tell_upper_from_lower_case():
    name, place = (Topic(0, i, 1, ((word, 0.5 - i / 9),)) for i, word in enumerate(("ÉTÉ", "été")))
    for word in ("été", "Été", "ÉTÉ"):
        assert TopicHierarchy([place, name]).find(word) == [name, place]
    both = Topic(0, 2, 1, (("us", 0.1), ("US", 0.9)))
    assert TopicHierarchy([name, both]).find("Us") == [both]


@pytest.mark.parametrize("word", [3, None, b"a"])
def test_find_of_anything_but_a_word_is_a_type_error(word):
    with pytest.raises(TypeError, match=f"word must be a str, not {word!r}"):
        example().find(word)


def test_a_word_under_two_ids_is_found_once_by_its_stronger_weight():
    twice = Topic(0, 0, 1, (("a", 0.5), ("b", 0.4), ("a", 0.1)))
    once = Topic(0, 1, 1, (("a", 0.3),))
    assert TopicHierarchy([once, twice]).find("a") == [twice, once]


# The views


def test_text_shows_one_topic_a_line_indented_by_depth():
    assert example().to_text(topn=3) == textwrap.dedent("""\
        1    60 %  politics | w01 w02 w03
            11   50 %  w01 w02 w03
                4    75 %  w01 w02 w03
                0    <1 %  w12 w11 w10
            2    25 %  w01 w02 w03
        0    40 %  w01 w02 w03""")
    assert example().cut(1).to_text(topn=0) == "1   60 %  politics\n0   40 %"


def test_str_and_print_show_the_text(capsys):
    hierarchy, buffer = example(), io.StringIO()
    hierarchy.print(topn=2, file=buffer)
    assert buffer.getvalue() == hierarchy.to_text(2) + "\n"
    print(hierarchy)
    hierarchy.print()
    assert capsys.readouterr().out == (hierarchy.to_text(10) + "\n") * 2


def test_a_topic_prints_itself_and_what_is_below():
    hierarchy = example()
    assert str(hierarchy[1, 11]).splitlines()[0] == "11   50 %  " + " ".join(
        f"w{rank:02}" for rank in range(1, 11)
    )
    assert [line.split()[0] for line in str(hierarchy[1, 11]).splitlines()] == ["11", "4", "0"]
    assert repr(hierarchy[0]) == "<Topic 1 of layer 2, 2 children: politics | w01 w02 w03 w04>"
    assert repr(hierarchy) == "<TopicHierarchy: 6 topics, 3 layers, 2 roots>"


class Page(HTMLParser):
    """What a reader of the HTML sees: (depth, text) of each topic; and what a browser could run."""

    def __init__(self, html):
        super().__init__()
        self.topics, self.tags, self.attributes, self.open = [], set(), set(), []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in {"meta", "link"}:
            self.open.append(tag)
        if tag == "li":
            self.topics.append([self.open.count("li") - 1, ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "li" in self.open:
            self.topics[-1][1] += data


def page_of(hierarchy, path, topn=10):
    hierarchy.to_html(path, topn=topn)
    return Page(path.read_text(encoding="utf-8"))


def edges(hierarchy):
    roots = [(root.layer, root.index, None) for root in hierarchy]
    return roots + [(c.layer, c.index, p.index) for p in hierarchy.walk() for c in p]


def edges_by_depth(rows, top_layer):
    """Turn (depth, index) in depth-first order into (layer, index, index of the parent)."""
    path, found = [], []
    for depth, index in rows:
        path[depth:] = [index]
        found.append((top_layer - depth, index, path[depth - 1] if depth else None))
    return found


def edges_in_dicts(topics, parent=None):
    for topic in topics:
        yield topic["layer"], topic["index"], parent
        yield from edges_in_dicts(topic["children"], topic["index"])


@untimed
@given(hierarchies())
def test_every_view_shows_the_same_parents(hierarchy):
    expected = sorted(edges(hierarchy), key=str)
    top = hierarchy.roots[0].layer

    lines = hierarchy.to_text().splitlines()
    rows = [((len(x) - len(x.lstrip(" "))) // 4, int(x.split()[0])) for x in lines]
    assert sorted(edges_by_depth(rows, top), key=str) == expected

    page = Page(hierarchy._repr_html_())
    depths = [depth for depth, _ in page.topics]
    rows = list(zip(depths, [topic.index for topic in hierarchy.walk()], strict=True))
    assert sorted(edges_by_depth(rows, top), key=str) == expected

    frame = hierarchy.to_dataframe().astype({"parent": object})
    rows = zip(frame["layer"], frame["index"], frame["parent"], strict=True)
    found = [
        (layer, index, parent if isinstance(parent, int) else None) for layer, index, parent in rows
    ]
    assert sorted(found, key=str) == expected

    graph = hierarchy.to_networkx()
    parents = {child: parent[1] for parent, child in graph.edges}
    assert sorted([(*node, parents.get(node)) for node in graph], key=str) == expected

    assert sorted(edges_in_dicts(hierarchy.to_dict()["roots"]), key=str) == expected


@pytest.mark.parametrize("topn", [0, 1, 3, 10, 12, 99, None])
def test_every_view_keeps_to_topn_at_every_depth(tmp_path, topn):
    hierarchy = example()
    expected = [[word for word, _ in topic.terms[:topn]] for topic in hierarchy.walk()]

    def words(text):
        return [word for word in text.split() if word.startswith("w")]

    assert [words(line) for line in hierarchy.to_text(topn).splitlines()] == expected
    page = page_of(hierarchy, tmp_path / "page.html", topn)
    assert [words(text) for _, text in page.topics] == expected
    frame = hierarchy.to_dataframe(topn)
    assert [terms.split(", ") if terms else [] for terms in frame["terms"]] == expected
    graph = hierarchy.to_networkx(topn)
    assert [[word for word, _ in terms] for _, terms in graph.nodes(data="terms")] == expected


def test_words_of_weight_zero_are_data_but_not_shown(tmp_path):
    column = (np.arange(40) < 2).astype(float)[:, None]
    hierarchy = build_hierarchy([column, np.ones((1, 1))], WORDS, [1])
    assert [len(topic.terms) for topic in hierarchy.walk()] == [8, 8]
    shown = ["word0", "word1"]
    for text in (str(hierarchy), str(hierarchy[0]), hierarchy.to_text(None)):
        assert [line.split()[3:] for line in text.splitlines()] == [shown, shown]
    assert repr(hierarchy[0]).endswith(": word0 word1>")
    for page in (page_of(hierarchy, tmp_path / "p.html"), Page(hierarchy._repr_html_())):
        assert [text.split()[2:] for _, text in page.topics] == [shown, shown]
    assert hierarchy.to_dataframe()["terms"][0].count(",") == 7
    assert [len(word) for word, _ in hierarchy.to_dict()["roots"][0]["terms"]] == [5] * 8


@pytest.mark.parametrize("view", ["to_text", "to_dataframe", "to_networkx", "print"])
def test_a_negative_topn_is_refused(view):
    with pytest.raises(ValueError, match="topn is -1"):
        getattr(example(), view)(topn=-1)


def test_the_default_is_ten_words_everywhere(tmp_path):
    hierarchy = example()
    assert str(hierarchy) == hierarchy.to_text() == hierarchy.to_text(10)
    assert hierarchy.to_dataframe().equals(hierarchy.to_dataframe(10))
    assert dict(hierarchy.to_networkx().nodes) == dict(hierarchy.to_networkx(10).nodes)
    assert Page(hierarchy._repr_html_()).topics == page_of(hierarchy, tmp_path / "p.html").topics


def test_a_label_shows_in_every_view_before_the_words(tmp_path):
    hierarchy = example()
    hierarchy[0, 4].label = "the finest"
    (line,) = [line for line in str(hierarchy).splitlines() if "the finest" in line]
    assert line.index("the finest") < line.index("w01")
    for page in (Page(hierarchy._repr_html_()), page_of(hierarchy, tmp_path / "page.html")):
        (text,) = [text for _, text in page.topics if "the finest" in text]
        assert text.index("the finest") < text.index("w01")
    frame = hierarchy.to_dataframe()
    assert frame["label"].tolist() == ["politics", None, "the finest", None, None, None]
    assert hierarchy.to_networkx().nodes[0, 4]["label"] == "the finest"
    assert hierarchy.to_dict()["roots"][0]["children"][0]["children"][0]["label"] == "the finest"


def test_the_data_frame_has_documented_columns_and_types():
    frame = example().to_dataframe(2)
    assert frame.columns.tolist() == ["layer", "index", "parent", "label", "weight", "terms"]
    assert frame.dtypes.astype(str).tolist() == [
        "int64",
        "int64",
        "Int64",
        "object",
        "float64",
        "object",
    ]
    assert frame["parent"].isna().tolist() == [True, False, False, False, False, True]
    assert frame.loc[2].tolist() == [0, 4, 11, None, 0.75, "w01, w02"]
    assert len(TopicHierarchy().to_dataframe()) == 0


def test_the_graph_is_a_forest_with_the_topics_data():
    import networkx as nx

    hierarchy = example()
    graph = hierarchy.to_networkx(topn=2)
    assert nx.is_branching(graph)
    assert graph.nodes[1, 11] == {
        "layer": 1,
        "index": 11,
        "label": None,
        "weight": 0.5,
        "terms": (("w01", 0.5), ("w02", 0.25)),
    }
    assert graph.edges[(2, 1), (1, 11)] == {"weight": 0.5}


@pytest.mark.parametrize(
    ("package", "view"), [("pandas", "to_dataframe"), ("networkx", "to_networkx")]
)
def test_a_missing_package_is_named_with_its_remedy(monkeypatch, package, view):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=f"{package}: pip install {package}"):
        getattr(example(), view)()


def test_importing_loads_neither_pandas_nor_networkx():
    code = (
        "import sys, nnmf_topics.hierarchy\n"
        "print({'pandas', 'networkx', 'gensim', 'cupy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_page_stands_alone_and_folds_without_a_script(tmp_path):
    page = page_of(example(), tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert {"title", "main", "h1", "ul", "li", "details", "summary"} <= page.tags
    assert not page.tags & {"script", "link", "img", "iframe", "base", "object"}
    assert not page.attributes & {"src", "href", "onclick"}
    assert not {"http:", "https:", "url(", "@import"} & set(html.replace("(", "( ").split())
    assert page.open == []


def test_without_a_path_the_page_is_returned_and_nothing_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = example().to_html(topn=3)
    assert names(tmp_path) == []
    assert example().to_html("page.html", 3) is None
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page


# Hostile words and labels


def hostile(token):
    """Both the word and the label of a root and a leaf."""
    leaf = Topic(0, 0, 1.0, ((token, 1.0), ("after", 0.5)), label=token)
    return TopicHierarchy([Topic(1, 0, 1.0, ((token, 1.0), ("after", 0.5)), [leaf], token)])


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_text_shows_hostile_tokens_as_harmless_short_lines(token):
    hierarchy = hostile(token)
    buffer = io.StringIO()
    hierarchy.print(file=buffer)
    for text in (str(hierarchy), buffer.getvalue().removesuffix("\n"), str(hierarchy[0])):
        lines = text.split("\n")
        assert len(lines) == 2
        assert all(line.isprintable() and line.endswith(" after") for line in lines)
        assert all(len(line) < 250 for line in lines)
    assert repr(hierarchy[0]).isprintable()


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_html_shows_hostile_tokens_as_harmless_text(tmp_path, token):
    hierarchy, plain = hostile(token), hostile("plain")
    for page, html, harmless in (
        (page_of(hierarchy, tmp_path / "a"), (tmp_path / "a"), page_of(plain, tmp_path / "b")),
        (Page(hierarchy._repr_html_()), None, Page(plain._repr_html_())),
    ):
        assert page.tags | {"strong"} == harmless.tags
        assert page.attributes == harmless.attributes
        assert page.open == []
        assert [depth for depth, _ in page.topics] == [0, 1]
        text = html.read_bytes().decode("utf-8") if html else hierarchy._repr_html_()
        assert text.replace("\n", "").isprintable()
        assert len(text) < 8_000


def test_escapes_are_shown_as_python_writes_them():
    tokens = {
        "\x1b[31m": r"\x1b[31m",
        "a\nb": r"a\nb",
        "\u202e": r"\u202e",
        "\u2028": r"\u2028",
        "\udc80": r"\udc80",
        "\x00": r"\x00",
        "\U000e0041": r"\U000e0041",
    }
    for token, shown in tokens.items():
        assert str(TopicHierarchy([Topic(0, 0, 1, ((token, 1),))])).split()[-1] == shown


@pytest.mark.parametrize(
    "word",
    [
        "naïve",
        "日本語",
        "שלום",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "🙂",
        "e=mc²",
        r"\alpha",
    ],
)
def test_words_of_any_language_are_shown_as_they_are(word):
    hierarchy = TopicHierarchy([Topic(0, 0, 1, ((word, 1),))])
    assert str(hierarchy).endswith("  " + word)
    assert word in Page(hierarchy._repr_html_()).topics[0][1]


def test_a_long_token_ends_in_an_ellipsis_and_never_within_an_escape():
    exact, long = "x" * 60, "x" * 58 + "\x1b\x1b"
    shown = str(TopicHierarchy([Topic(0, 0, 1, ((exact, 1), (long, 1)))])).split()
    assert shown[-2:] == [exact, "x" * 58 + "…"]


@pytest.mark.parametrize("token", HOSTILE.values(), ids=HOSTILE)
def test_data_views_keep_hostile_tokens_as_they_are(tmp_path, token):
    hierarchy = hostile(token)
    frame, graph = hierarchy.to_dataframe(), hierarchy.to_networkx()
    assert frame["label"].tolist() == [token, token]
    assert frame["terms"].tolist() == [f"{token}, after"] * 2
    assert graph.nodes[0, 0]["terms"] == ((token, 1.0), ("after", 0.5))
    assert hierarchy.to_json().isascii()
    assert hierarchy.to_json().isprintable()
    hierarchy.save(tmp_path / "h.json")
    assert TopicHierarchy.load(tmp_path / "h.json") == hierarchy


# Copies and files


@untimed
@given(hierarchies())
def test_every_round_trip_gives_an_equal_hierarchy(hierarchy):
    document = hierarchy.to_dict()
    assert TopicHierarchy.from_dict(document) == hierarchy
    assert json.loads(hierarchy.to_json()) == document
    assert TopicHierarchy.from_json(hierarchy.to_json()) == hierarchy
    assert TopicHierarchy.from_json(hierarchy.to_json(indent=2)) == hierarchy
    assert pickle.loads(pickle.dumps(hierarchy)) == hierarchy
    assert copy.deepcopy(hierarchy) == hierarchy


def test_a_deep_copy_shares_nothing():
    hierarchy = example()
    twin = copy.deepcopy(hierarchy)
    twin[0, 4].label = "changed"
    assert hierarchy[0, 4].label is None
    assert twin != hierarchy


def test_save_writes_exactly_one_file_that_loads_equal(tmp_path):
    hierarchy, _ = random_hierarchy()
    hierarchy[0].label = "é"
    hierarchy.save(tmp_path / "topics.any")
    assert names(tmp_path) == ["topics.any"]
    assert TopicHierarchy.load(str(tmp_path / "topics.any")) == hierarchy
    hierarchy.cut(1).save(str(tmp_path / "topics.any"))
    assert TopicHierarchy.load(tmp_path / "topics.any") == hierarchy.cut(1)


def test_to_dict_has_the_documented_keys_and_only_plain_types():
    topic = Topic(np.int64(1), np.int32(2), np.float32(0.5), [(np.str_("a"), np.float64(0.25))])
    topic.weight = np.float32(0.5)
    (root,) = TopicHierarchy([topic]).to_dict()["roots"]
    assert root == {
        "layer": 1,
        "index": 2,
        "weight": 0.5,
        "label": None,
        "terms": [["a", 0.25]],
        "children": [],
    }
    assert [type(value) for value in root.values()] == [int, int, float, type(None), list, list]
    assert [type(value) for value in root["terms"][0]] == [str, float]


@pytest.mark.parametrize("argument", ["x.json", 2, None])
def test_to_json_takes_no_path_and_points_to_save(argument, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=rf"{argument!r}: write a file with save\(path\)"):
        example().to_json(argument)
    assert names(tmp_path) == []


def test_a_file_of_to_json_loads_too(tmp_path):
    (tmp_path / "h.json").write_text(example().to_json(indent=1), encoding="utf-8")
    assert TopicHierarchy.load(tmp_path / "h.json") == example()


def document_with(path, value):
    """Return the example's document with one place changed; `...` deletes it."""
    document = example().to_dict()
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


ROOT, LEAF = ("roots", 0), ("roots", 0, "children", 0, "children", 1)
MALFORMED = [
    (("format",), ..., "not a topic hierarchy"),
    (("format",), "other", "not a topic hierarchy"),
    (("version",), ..., "version None"),
    (("version",), 2, "version 2 .*upgrade"),
    (("version",), True, "version True"),
    (("version",), 1.0, r"version 1\.0"),
    (("version",), "1", "version '1'"),
    (("roots",), ..., "no roots"),
    (("roots",), {}, "roots is {}, not a list"),
    (("roots",), None, "roots is None"),
    (("extra",), 1, "unknown keys .*extra"),
    (("sha256",), "0" * 64, "damaged"),
    (("sha256",), None, "damaged"),
    (ROOT, None, r"roots\[0\] is None, not an object"),
    (ROOT, [], r"roots\[0\] is \[\]"),
    (
        (*LEAF, "label"),
        ...,
        r"roots\[0\].children\[0\].children\[1\]: missing or unknown: \['label'\]",
    ),
    ((*LEAF, "extra"), 1, r"missing or unknown: \['extra'\]"),
    ((*LEAF, "label"), 5, r"label is 5, not a string or null"),
    ((*LEAF, "layer"), 1, r"children\[1\].layer is 1, not 0, one below"),
    ((*ROOT, "layer"), 1, r"children\[0\].layer is 1, not 0"),
    (("roots", 1, "layer"), 1, r"roots\[1\].layer is 1, not 2"),
    ((*LEAF, "layer"), "0", "layer is '0', not an integer"),
    ((*LEAF, "layer"), False, "layer is False"),
    ((*LEAF, "layer"), 0.0, r"layer is 0\.0"),
    ((*LEAF, "layer"), -1, "layer is -1"),
    ((*ROOT, "layer"), 64, "layer is 64, not an integer from 0 to 63"),
    ((*LEAF, "index"), 4, "topic 4 of layer 0 is there twice"),
    ((*LEAF, "index"), -1, "index is -1"),
    ((*LEAF, "index"), 10**4000, r"index is 1000.*\.\.\."),
    ((*LEAF, "index"), None, "index is None"),
    ((*LEAF, "weight"), -0.5, r"weight is -0\.5, not a finite number >= 0"),
    ((*LEAF, "weight"), float("nan"), "weight is nan"),
    ((*LEAF, "weight"), float("inf"), "weight is inf"),
    ((*LEAF, "weight"), 10**4000, "weight is 1000"),
    ((*LEAF, "weight"), "1", "weight is '1'"),
    ((*LEAF, "weight"), True, "weight is True"),
    ((*LEAF, "weight"), [1], r"weight is \[1\]"),
    ((*LEAF, "terms"), "abc", r"children\[1\].terms is 'abc', not a list"),
    ((*LEAF, "terms"), {"a": 1}, "terms is {"),
    ((*LEAF, "terms", 3), "ab", r"terms\[3\] is 'ab', not a list"),
    ((*LEAF, "terms", 3), ["a"], r"terms\[3\] is \['a'\], not a word and its weight"),
    ((*LEAF, "terms", 3), [1, 1], r"terms\[3\] is \[1, 1\]"),
    ((*LEAF, "terms", 3), ["a", -1], r"terms\[3\]\[1\] is -1"),
    ((*LEAF, "terms", 3), ["a", None], r"terms\[3\]\[1\] is None"),
    ((*LEAF, "children"), None, "children is None"),
    ((*LEAF, "children"), [{}], r"children\[1\].children\[0\]: missing or unknown"),
]


@pytest.mark.parametrize(("place", "value", "message"), MALFORMED)
def test_anything_malformed_is_a_value_error_that_says_where_and_what(
    tmp_path, place, value, message
):
    document = document_with(place, value)
    with pytest.raises(ValueError, match=message):
        TopicHierarchy.from_dict(document)
    path = tmp_path / "h.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        TopicHierarchy.load(path)
    assert str(error.value).startswith(f"{path}: ")
    assert len(str(error.value)) < len(str(path)) + 300


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"\xff\xfe{}",
        b"\x80\x04\x95\x10\x00",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"format": "nnmf_topics.hierarchy", "version": ' + b"9" * 10_000 + b"}",
    ],
    ids=range(10),
)
def test_a_file_of_something_else_is_a_value_error_that_names_it(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match=r"file: (not|'utf-8')"):
        TopicHierarchy.load(tmp_path / "file")


def test_nesting_below_the_finest_layer_is_refused():
    document = example().cut(1).to_dict()
    topic = document["roots"][0]
    for layer in range(1, -500, -1):
        topic["children"] = [{**topic, "layer": layer, "children": []}]
        topic = topic["children"][0]
    with pytest.raises(ValueError, match="layer is -1, not an integer from 0"):
        TopicHierarchy.from_dict(document)


def test_a_hierarchy_of_64_layers_copies_saves_and_shows(tmp_path):
    topic = Topic(0, 0, 1.0, (("a", 1.0),))
    for layer in range(1, 64):
        topic = Topic(layer, 0, 1.0, (("a", 1.0),), [topic])
    hierarchy = TopicHierarchy([topic])
    hierarchy.save(tmp_path / "h.json")
    assert TopicHierarchy.load(tmp_path / "h.json") == hierarchy == copy.deepcopy(hierarchy)
    assert len(str(hierarchy).splitlines()) == 64


def test_pickles_do_not_run_on_load(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "file").write_bytes(pickle.dumps(Payload(), protocol))
        with pytest.raises(ValueError, match="file: "):
            TopicHierarchy.load(tmp_path / "file")
    assert not (tmp_path / "ran").exists()


def test_damaged_files_are_refused_or_equal(tmp_path):
    hierarchy, path = example(), tmp_path / "h.json"
    hierarchy.save(path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(400):
        bad = bytearray(good)
        if trial % 4 == 0:
            del bad[rng.integers(len(good) - 1) :]
        else:
            for place in rng.integers(len(good), size=trial % 4):
                bad[place] ^= 1 << rng.integers(8)
        path.write_bytes(bad)
        try:
            assert TopicHierarchy.load(path) == hierarchy
        except ValueError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            refused += 1
    assert refused > 350


def test_what_load_would_refuse_is_not_saved_and_the_old_file_is_intact(tmp_path):
    hierarchy, path = example(), tmp_path / "h.json"
    hierarchy.save(path)
    changed = copy.deepcopy(hierarchy)
    changed[1, 2].weight = float("nan")
    with pytest.raises(ValueError, match=r"roots\[0\].children\[1\].weight is nan"):
        changed.save(path)
    assert TopicHierarchy.load(path) == hierarchy


def test_a_write_that_fails_names_the_path_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text("kept")
    targets = [tmp_path / "folder", tmp_path / "absent" / "h", tmp_path / "plain" / "h"]
    for path in targets:
        for write in (example().save, example().to_html):
            with pytest.raises(OSError, match=r"directory") as error:
                write(path)
            assert error.value.filename == str(path)
    assert names(tmp_path) == ["folder", "plain"]
    assert names(tmp_path / "folder") == []


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "h.json"
    example().save(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        example().cut(1).save(path)
    assert error.value.filename == str(path)
    assert names(tmp_path) == ["h.json"]
    assert TopicHierarchy.load(path) == example()


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path, name):
    with pytest.raises(OSError, match=str(tmp_path)):
        TopicHierarchy.load(tmp_path / name)


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_killed_save_leaves_the_old_or_the_new_file_and_the_next_save_sweeps(tmp_path):
    path = tmp_path / "h.json"
    old, _ = random_hierarchy(seed=1)
    new, _ = random_hierarchy(seed=2)
    old.save(path)
    (tmp_path / "inputs").write_bytes(pickle.dumps((old, new)))
    # Killed at the moment when the new file is written in full but not yet in place.
    code = textwrap.dedent("""\
        import os, pickle, signal, sys
        old, new = pickle.load(open(sys.argv[1] + "/inputs", "rb"))
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        new.save(sys.argv[1] + "/h.json")
        """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 3
    assert TopicHierarchy.load(path) == old
    new.save(path)
    assert names(tmp_path) == ["h.json", "inputs"]
    assert TopicHierarchy.load(path) == new
