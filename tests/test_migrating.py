"""MIGRATING.md: its code runs, and its tables name and describe all there is in gensim."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from gensim.models import HdpModel, LdaModel, LdaMulticore, Nmf

from nnmf_topics import NeuralNMFModel

PAGE = Path(__file__).parents[1] / "MIGRATING.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CLASSES = {c.__name__: c for c in (LdaModel, LdaMulticore, Nmf, HdpModel)}
NOT_THERE = "\N{EN DASH}"
ID2WORD = dict(enumerate("abcdef"))


def page():
    return PAGE.read_text(encoding="utf-8")


def table(heading):
    """The rows of the first table under a heading, as dicts of column to cell."""
    lines = re.split(rf"^#+ {heading}$", page(), flags=re.MULTILINE)[1].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    names, _, *rows = rows
    return [dict(zip(names, row, strict=True)) for row in rows]


def names(cell):
    return re.findall(r"`(\w+)`", cell)


def arguments(*headings):
    """{argument: row} of the tables of the constructor."""
    rows = [row for heading in headings for row in table(heading)]
    named = {names(row["argument"])[0]: row for row in rows}
    assert len(named) == len(rows), "an argument has two rows"
    return named


def described(first_column, *headings):
    """{name: row} of the tables of methods or attributes; a row may be about several."""
    return {
        name: row
        for heading in headings
        for row in table(heading)
        for name in names(row[first_column])
    }


def parameters(function):
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }


def as_cell(parameter):
    default = parameter.default
    if default is inspect.Parameter.empty:
        return "needed"
    return default.__name__ if isinstance(default, type) else str(default)


def public_methods(topic_model):
    return {
        name for name, _ in inspect.getmembers(topic_model, callable) if not name.startswith("_")
    }


@pytest.fixture(scope="module")
def names_of_the_blocks(tmp_path_factory):
    """What the python blocks define, run in order."""
    namespace = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("page"))
        for match in BLOCK.finditer(page()):
            # The blank lines make tracebacks tell the line of the page.
            lines = "\n" * page().count("\n", 0, match.start(1))
            exec(compile(lines + match[1], str(PAGE), "exec"), namespace)
    return namespace


def test_every_python_block_runs_after_those_before_it_and_gives_what_its_comments_say(
    names_of_the_blocks,
):
    known = names_of_the_blocks
    model, first, corpus = known["model"], known["first"], known["corpus"]
    assert model.widths == (20, 4)
    assert len(model.get_document_topics(corpus[0], minimum_probability=0)) == 20
    assert known["shares"].shape == known["weights"].shape == (300, 20)
    assert [S.shape for S in (known["fine"], known["coarse"])] == [(20, 300), (4, 300)]
    assert (first.num_documents, first.num_terms) == (300, 3281)
    assert str(known["watched"].history.stop_reason) == "a callback asked for it"


def test_two_words_of_one_frequency_have_a_perplexity_of_2_and_in_gensim_another(
    names_of_the_blocks,
):
    halves, words = names_of_the_blocks["halves"], names_of_the_blocks["words"]
    ours = NeuralNMFModel(halves, 1, words).log_perplexity(halves)
    assert ours == pytest.approx(-1, abs=1e-3)
    theirs = LdaModel(halves, 1, words, passes=5).log_perplexity(halves)
    assert theirs == pytest.approx(-np.log(2), abs=0.01)


@pytest.mark.parametrize("name", CLASSES)
def test_every_argument_of_a_constructor_is_named_with_its_default(name):
    rows = arguments("They act", "Accepted without a meaning", "TypeError")
    defaults = {key: as_cell(p) for key, p in parameters(CLASSES[name].__init__).items()}
    assert {key: row[name] for key, row in rows.items() if row[name] != NOT_THERE} == defaults


def test_arguments_that_act_and_new_ones_are_those_of_the_model():
    acting, new = arguments("They act"), arguments("New")
    own = {key: as_cell(p) for key, p in parameters(NeuralNMFModel.__init__).items()}
    assert {key: row["here"] for key, row in {**acting, **new}.items()} == own
    assert not set(acting) & set(new)


@pytest.mark.parametrize("name", arguments("Accepted without a meaning"))
def test_an_argument_without_a_meaning_is_accepted_and_logged(name, caplog):
    with caplog.at_level("INFO", "nnmf_topics"):
        NeuralNMFModel(id2word=ID2WORD, num_topics=2, **{name: None})
    assert f"options without a meaning in Neural NMF: {name}" in caplog.messages


@pytest.mark.parametrize("name", arguments("TypeError"))
def test_an_argument_that_is_said_to_be_a_type_error_is_one(name):
    with pytest.raises(TypeError, match=name):
        NeuralNMFModel(id2word=ID2WORD, num_topics=2, **{name: None})


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_of_gensims_models_is_named(name):
    assert public_methods(CLASSES[name]) - set(described("method", "Methods")) == set()


def test_methods_are_there_and_take_layer_as_the_page_says():
    rows = described("method", "Methods")
    for name, row in rows.items():
        method = getattr(NeuralNMFModel, name, None)
        if row["here"] == "no":
            assert method is None, name
        else:
            takes_layer = "layer" in inspect.signature(method).parameters
            assert row["here"] == ("layer=" if takes_layer else "same"), name


@pytest.mark.parametrize("name", ["LdaModel", "LdaMulticore"])
def test_every_public_attribute_of_lda_models_is_named(name):
    theirs = {key for key in vars(CLASSES[name](id2word=ID2WORD)) if not key.startswith("_")}
    assert theirs - set(described("attribute", "Attributes")) == set()


def test_attributes_are_there_as_the_page_says():
    model = NeuralNMFModel([[(0, 1)], [(1, 1)]], 2, random_state=0)
    for name, row in described("attribute", "Attributes").items():
        assert hasattr(model, name) == (row["here"] == "same"), name


def test_every_link_leads_somewhere():
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", page(), re.MULTILINE)
    }
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page()):
        path, _, anchor = link.partition("#")
        assert (PAGE.parent / path).exists(), link
        assert not anchor or path or anchor in headings, link
