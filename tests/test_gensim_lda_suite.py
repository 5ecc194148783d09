"""gensim's own tests of LdaModel, with NeuralNMFModel in its place."""

import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gensim import matutils
from gensim.test import test_ldamodel
from gensim.test.utils import datapath, get_tmpfile
from gensim_suites import CORPUS, DICTIONARY, Flat, Hierarchical, shares_by_scipy

NUM_TERMS = len(DICTIONARY)


@pytest.fixture(autouse=True)
def ours(request, monkeypatch, tmp_path):
    """gensim's setUp and tests find our class under the name of theirs; files go to tmp_path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.cls is not None:
        module = SimpleNamespace(LdaModel=request.cls.ours)
        monkeypatch.setattr(test_ldamodel, "ldamodel", module)


@pytest.mark.parametrize("seed", [None, np.random.RandomState(0), 0])
def test_random_state_is_taken_in_every_form_that_gensim_takes(seed):
    # gensim's test_random_state, asked of the model and not of gensim.utils.
    model = Flat(id2word=DICTIONARY, random_state=seed)
    assert isinstance(model.random_state, np.random.RandomState)


def test_the_default_of_100_topics_trains_on_nine_documents():
    # As gensim's test_alpha_auto and test_eta_auto do by the way: they give no num_topics.
    model = Flat(CORPUS, id2word=DICTIONARY, alpha="auto", passes=10, random_state=0)
    assert model.num_topics == 100
    np.testing.assert_allclose(model.get_topics().sum(axis=1), 1, rtol=1e-5)


class TestLda(test_ldamodel.TestLdaModel):
    ours = Flat

    def train(self, **options):
        return self.class_(CORPUS, id2word=DICTIONARY, random_state=0, **options)

    def assert_without_effect(self, expected, **options):
        with self.assertLogs("nnmf_topics.model", "INFO") as logs:
            model = self.train(num_topics=2, passes=5, **options)
        assert any(
            "without a meaning" in line and next(iter(options)) in line for line in logs.output
        )
        np.testing.assert_array_equal(model.get_topics(), expected.get_topics())

    def assert_refused(self, *names):
        for name in map(datapath, names):
            with pytest.raises(ValueError, match=re.escape(f"{name} cannot be loaded")):
                self.class_.load(name)

    def test_sync_state(self):
        # No state is set from other machines: a file carries all that training goes on from.
        fname = get_tmpfile("gensim_models_lda.tst")
        self.model.save(fname)
        model2 = self.class_.load(fname)
        for _ in range(2):
            assert self.model.get_term_topics(2) == model2.get_term_topics(2)
            np.testing.assert_array_equal(self.model.get_topics(), model2.get_topics())
            for model in (self.model, model2):
                model.random_state = np.random.RandomState(0)
                model.passes = 1
                model.update(self.corpus)

    def test_transform(self):
        # The numbers are LDA's: here nonnegative least squares of SciPy tell the known answer.
        model = self.class_(id2word=DICTIONARY, num_topics=2, passes=100, weighting="none")
        model.update(self.corpus)
        for document in self.corpus:
            vec = matutils.sparse2full(model.get_document_topics(document, 0), 2)
            np.testing.assert_allclose(vec, shares_by_scipy(model, document), atol=1e-5)

    def test_alpha_auto(self):
        # There is no prior to learn: "auto" is accepted and changes nothing.
        expected = self.train(num_topics=2, passes=5, alpha="symmetric")
        self.assert_without_effect(expected, alpha="auto")

    def test_alpha(self):
        # There is no prior: whatever is given, a script goes on, told in one logged line.
        expected = self.train(num_topics=2, passes=5)
        for alpha in (None, "symmetric", "asymmetric", 0.3, 3, [0.3, 0.3], np.array([0.3, 0.3])):
            self.assert_without_effect(expected, alpha=alpha)
        for wrong_for_lda in ([0.3] * 3, [[0.3], [0.3]], [0.3], "gensim is cool"):
            self.assert_without_effect(expected, alpha=wrong_for_lda)

    def test_eta_auto(self):
        # As test_alpha_auto.
        expected = self.train(num_topics=2, passes=5, eta="symmetric")
        self.assert_without_effect(expected, eta="auto")

    def test_eta(self):
        # As test_alpha.
        expected, full = self.train(num_topics=2, passes=5), np.full((2, NUM_TERMS), 0.5)
        for eta in (None, "symmetric", 0.3, 3, [0.3] * NUM_TERMS, np.full(NUM_TERMS, 0.3), full):
            self.assert_without_effect(expected, eta=eta)
        for wrong_for_lda in (full.T, [0.3], [0.3] * (NUM_TERMS + 1), "asymmetric"):
            self.assert_without_effect(expected, eta=wrong_for_lda)

    def test_passes(self):
        # There is no learning rate: what passes bound is how often an update reads its corpus.
        for passes in (1, 5):
            model = self.class_(id2word=DICTIONARY, chunksize=1, num_topics=2, passes=passes, tol=0)
            for update in range(1, 6):
                model.update(self.corpus)
                assert 1 <= model.history.passes <= passes
                assert model.state.numdocs == len(CORPUS) * update

    def test_model_compatibility_with_python_versions(self):
        # gensim's files are pickles of another model: refused by name, no code is run from them.
        self.assert_refused("ldamodel_python_2_7", "ldamodel_python_3_5")

    def test_random_state_backward_compatibility(self):
        # As test_model_compatibility_with_python_versions.
        self.assert_refused("pre_0_13_2_model")

    def test_dtype_backward_compatibility(self):
        # As test_model_compatibility_with_python_versions.
        self.assert_refused("lda_3_0_1_model")

    def test_persistence_ignore(self):
        # A file is whole: the dictionary is in it whatever is to be ignored.
        fname = get_tmpfile("gensim_models_lda_testPersistenceIgnore.tst")
        for ignore in ("id2word", ["id2word"]):
            self.model.save(fname, ignore=ignore)
            assert dict(self.class_.load(fname).id2word) == dict(DICTIONARY)

    def test_large_mmap(self):
        # Nothing is stored apart, to be mapped: the file is checked, and so read, as a whole.
        fname = get_tmpfile("gensim_models_lda.tst")
        self.model.save(fname, sep_limit=0)
        assert list(Path(fname).parent.iterdir()) == [Path(fname)]
        model2 = self.class_.load(fname, mmap="r")
        assert model2.num_topics == self.model.num_topics
        np.testing.assert_array_equal(model2.expElogbeta, self.model.expElogbeta)
        assert model2[[]] == self.model[[]]
        model2.update(self.corpus)  # which a read-only map could not


class TestHierarchicalLda(TestLda):
    ours = Hierarchical

    def test_the_model_has_two_layers(self):
        assert self.model.widths == (2, 2)
        assert self.model.get_topics(layer=-1).shape == (2, NUM_TERMS)
