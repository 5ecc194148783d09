"""The scripts of gensim's users go on working when only the name of the class is changed.

Every file in ``workflows`` is such a script. It is run as it stands, with gensim's LdaModel, and
once more with the import of the class changed. Both leave behind the same kinds of results.
"""

import contextlib
import functools
import re
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

# pyLDAvis leaves files to the garbage collector to close, and options of scikit-learn to default.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed file .*name='lda[.]:ResourceWarning",
    "ignore::FutureWarning:sklearn[.]manifold",
)

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


def sums_to_one(pairs):
    return sum(share for _, share in pairs) == pytest.approx(1, abs=1e-4)


@both
def test_tutorial_topics_come_most_coherent_first_and_are_distributions(class_name):
    names = run("lda_tutorial", class_name).names
    coherences = [coherence for _, coherence in names.top_topics]
    assert len(coherences) == 8
    assert coherences == sorted(coherences, reverse=True)
    assert all(len(words) == 20 for words, _ in names.top_topics)
    assert [topic for topic, _ in names.as_pairs] == list(range(8))
    assert len(names.shown) == 4
    assert all(re.fullmatch(r'(\d\.\d{3}\*"\w+"( \+ )?){4}', line) for _, line in names.printed)
    np.testing.assert_allclose(names.matrix.sum(axis=1), 1, rtol=1e-5)


def test_tutorial_topics_are_at_least_as_coherent_as_those_of_lda():
    theirs, ours = (run("lda_tutorial", name).names for name in (LDA, OURS))
    assert theirs.avg_topic_coherence < ours.avg_topic_coherence < 0


@both
def test_the_number_of_topics_is_chosen_by_coherence(class_name):
    names = run("choose_num_topics", class_name).names
    assert [model.num_topics for model in names.model_list] == names.x == [2, 8, 14]
    assert names.coherence_values[names.best] == max(names.coherence_values)
    assert all(0 < coherence < 1 for coherence in names.coherence_values)
    assert all(value < 0 for value in names.u_mass + names.perplexities)
    assert len(names.per_topic) == names.optimal_model.num_topics


def test_every_number_of_topics_is_more_coherent_than_with_lda():
    theirs, ours = (run("choose_num_topics", name).names for name in (LDA, OURS))
    assert np.all(np.array(ours.coherence_values) > theirs.coherence_values)


@both
def test_the_page_of_pyldavis_shows_every_topic_of_the_script(class_name):
    names = run("pyldavis_page", class_name).names
    assert "LDAvis" in names.html
    assert "NaN" not in names.html
    assert sorted(names.topic_coordinates.topics) == names.topic_order == [1, 2, 3, 4, 5, 6]
    assert names.topic_coordinates.Freq.sum() == pytest.approx(100)


@both
def test_the_table_of_dominant_topics_has_a_row_for_every_document(class_name):
    names = run("dominant_topics", class_name).names
    table = names.df_dominant_topic
    assert list(table.Text) == names.data
    assert table.Topic_Perc_Contrib.between(0, 1.0001, inclusive="right").all()
    assert (names.weights.to_numpy().argmax(axis=1) == table.Dominant_Topic).all()
    np.testing.assert_allclose(names.weights.sum(axis=1), 1, atol=1e-4)
    assert names.df_dominant_topics.Documents.sum() == len(names.corpus)
    best = table.groupby("Dominant_Topic").Topic_Perc_Contrib.max()
    assert list(names.most_representative.Perc_Contribution) == list(best)


@both
def test_an_unseen_document_finds_similar_ones_after_a_load(class_name):
    names = run("unseen_documents", class_name).names
    assert sums_to_one(names.vec_lda)
    assert names.share > 1 / 8
    assert len(names.sims) == len(names.news.corpus) == len(names.sparse_sims)
    assert names.sims[0][1] > 0.9
    dense = [score for _, score in sorted(names.sims)]
    np.testing.assert_allclose(names.sparse_sims, dense, atol=0.05)  # LdaModel's answers vary
    assert len(names.best_five) == 5
    assert dict(names.best_five)[10] == pytest.approx(1, abs=0.01)


@both
def test_topics_are_features_that_a_classifier_learns_from(class_name):
    names = run("classifier_features", class_name).names
    assert names.X_train.shape == (160, 7)
    assert names.score > 0.5  # of six classes
    np.testing.assert_allclose(names.dense, names.X_test[:, :6], atol=1e-2)
    np.testing.assert_allclose(names.sparse.toarray(), names.X_test[:, :6], atol=1e-2)
    np.testing.assert_allclose(names.normalized, names.X_test[:, :6], atol=1e-2)
    words = sum(count for bow in names.test_corpus for _, count in bow)
    assert names.counted.sum() == pytest.approx(words, rel=1e-3)


def test_topics_are_features_as_good_as_those_of_lda():
    theirs, ours = (run("classifier_features", name).names for name in (LDA, OURS))
    assert ours.score >= theirs.score


@both
def test_a_streamed_corpus_gives_an_answer_for_every_document(class_name):
    run_ = run("streamed_corpus", class_name)
    assert len(run_.names.streamed_answers) == len(run_.names.stored) == 150
    assert sums_to_one(run_.names.by_number)
    assert sums_to_one(run_.names.tfidf_bow)


def test_answers_are_the_same_streamed_stored_and_by_number():
    run_ = run("streamed_corpus", OURS)
    lazily = [thing for where, thing in run_.results if where == "streamed_lazily[]"]
    weighted = [thing for where, thing in run_.results if where == "corpus_lda[]"]
    for some, others in (
        (run_.names.streamed_answers, lazily),
        (run_.names.stored, weighted),
        ([run_.names.by_number, run_.names.tfidf_bow], [weighted[3], weighted[3]]),
    ):
        assert [[t for t, _ in doc] for doc in some] == [[t for t, _ in doc] for doc in others]
        for doc, other in zip(some, others, strict=True):
            np.testing.assert_allclose(doc, other, atol=1e-4)


@both
def test_metrics_have_one_value_a_pass(class_name):
    names = run("compare_models", class_name).names
    assert list(names.metrics) == [str(metric.title) for metric in names.callbacks]
    assert [len(values) for values in names.metrics.values()] == [names.num_passes] * 4
    assert 1 < names.last_perplexity < len(names.dictionary) ** 2
    assert all(value.shape == (6, 6) for value in names.metrics["Diff (kl)"])
    assert all(value >= 0 for value in names.metrics["Convergence (jaccard)"])


@both
def test_models_are_compared_topic_by_topic(class_name):
    names = run("compare_models", class_name).names
    assert len(names.compared) == 2
    assert names.mdiff.shape == names.annotation.shape == (6, 3)
    assert names.mdiff.min() >= 0
    assert names.mdiff.max() == pytest.approx(1)
    assert not set(names.common_words) & set(names.different_words)
    np.testing.assert_allclose(np.diag(names.itself), 0, atol=1e-4)
    np.testing.assert_allclose(names.one_to_one, 0, atol=1e-4)
    assert (names.itself + np.eye(6) > 0.05).all()  # no topic is there twice
    assert names.no_annotation is None


def test_the_better_trained_model_is_the_more_coherent():
    names = run("compare_models", OURS).names
    assert names.coherences[0] > names.coherences[1]
    assert names.u_mass_values[0] > names.u_mass_values[1]


@both
def test_a_model_learns_from_batches(class_name):
    names = run("online_update", class_name).names
    assert sums_to_one(names.vector)
    assert (names.moved > 0).all()
    assert names.bound < 0
    assert len(names.batchwise_topics) == 6
    answers = [
        pairs
        for where, pairs in run("online_update", class_name).results
        if where == "batchwise_answers[]"
    ]
    assert len(answers) == 5
    assert all(sum(share for _, share in pairs) > 0.9 for pairs in answers)


def test_new_documents_move_the_topics_but_do_not_replace_them():
    names = run("online_update", OURS).names
    assert (names.moved < 0.5).all()
    overlap = np.minimum(names.final[:, None], names.before).sum(axis=2)
    assert (overlap.argmax(axis=1) == np.arange(6)).all()


@both
def test_every_word_of_every_document_has_a_colour(class_name):
    names = run("coloured_words", class_name).names
    for bow, words in zip(names.corpus, names.coloured, strict=True):
        assert [names.dictionary[term] for term, _ in bow] == [word for word, _ in words]
    assert [len(cloud) for cloud in names.clouds] == [20] * 6
    assert names.df.word_count.min() > 0
    assert sums_to_one(names.doc_topics)
    for (term, count), (word, topics), (_, values) in zip(
        names.bow, names.word_topics, names.phi_values, strict=True
    ):
        assert word == term
        assert sorted(topics) == [topic for topic, _ in values]
        assert sum(value for _, value in values) == pytest.approx(count, abs=0.05)
    assert names.term_topics == names.term_id_topics
    assert names.documents_per_topic.sum() == len(names.corpus)
