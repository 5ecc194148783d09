"""The scripts of gensim's users go on working when only the name of the class is changed.

Every file in ``workflows`` is such a script. It is run as it stands, with gensim's LdaModel, and
once more with the import of the class changed. Both leave behind the same kinds of results.
"""

import contextlib
import functools
import tempfile
from itertools import chain
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from gensim.interfaces import TransformedCorpus
from gensim.models.basemodel import BaseTopicModel

FOLDER = Path(__file__).parent / "workflows"
LDA, OURS = "LdaModel", "NeuralNMFModel"

every_workflow = pytest.mark.parametrize("workflow", sorted(p.stem for p in FOLDER.glob("*.py")))
both = pytest.mark.parametrize("class_name", [LDA, OURS])


class Run(NamedTuple):
    """What a script left behind; do not change it."""

    names: SimpleNamespace
    results: list[tuple[str, Any]]  # (where it is, value) of all that public variables consist of


@functools.cache
def run(workflow, class_name):
    """Run a script with the class of that name."""
    path = FOLDER / f"{workflow}.py"
    source = path.read_text(encoding="utf-8")
    line = "from gensim.models import LdaModel\n"
    assert source.count(line) == source.count("import LdaModel") == 1
    if class_name == OURS:
        source = source.replace(line, "from nnmf_topics import NeuralNMFModel as LdaModel\n")
    variables = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(source, path, "exec"), variables)
        assert variables["LdaModel"].__name__ == class_name
        public = {name: thing for name, thing in variables.items() if is_result(name, thing)}
        results = [pair for name, thing in public.items() for pair in walk(name, thing)]
    return Run(SimpleNamespace(**public), results)


def is_result(name, thing):
    return name[0] != "_" and not isinstance(thing, (ModuleType, FunctionType, type))


def walk(where, thing):
    yield where, thing
    for name, part in parts(thing):
        yield from walk(f"{where}[{name}]", part)


def parts(thing):
    """(name, part) of what a thing consists of.

    Members of a list have one name, since how many topics a document has, or which word comes
    first, is the model's affair; so have the keys of a dict.
    """
    if isinstance(thing, tuple):
        return list(enumerate(thing))
    if isinstance(thing, dict):
        return chain(*((("key", key), ("value", value)) for key, value in thing.items()))
    if isinstance(thing, pd.DataFrame):
        return list(thing.items())
    if isinstance(thing, (np.ndarray, pd.Series)):
        return [("", part) for part in np.ravel(thing)] if thing.dtype.kind == "O" else []
    if isinstance(thing, (list, set, TransformedCorpus)):
        return [("", part) for part in thing]
    return []


def kind(thing):
    if isinstance(thing, BaseTopicModel):
        return "topic model"
    if isinstance(thing, TransformedCorpus):
        return "transformed corpus"
    if isinstance(thing, np.integer):
        return "int"  # of LdaModel some of the topics' numbers are NumPy's, others Python's
    if isinstance(thing, np.ndarray):
        return f"array of {thing.dtype} {thing.shape}"
    if isinstance(thing, pd.Series):
        return f"series of {thing.dtype}"
    return type(thing).__name__


@every_workflow
def test_a_script_leaves_the_same_kinds_of_results_with_both_classes(workflow):
    theirs, ours = (
        {f"{where}: {kind(thing)}" for where, thing in run(workflow, class_name).results}
        for class_name in (LDA, OURS)
    )
    assert ours == theirs


@every_workflow
def test_every_number_in_the_results_is_finite(workflow):
    infinite = {
        where
        for where, thing in run(workflow, OURS).results
        if isinstance(thing, (int, float, np.number, np.ndarray, pd.Series))
        and getattr(thing, "dtype", np.dtype(float)).kind in "fiu"
        and not np.isfinite(thing).all()
    }
    assert infinite == set()
