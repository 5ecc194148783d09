"""gensim's own tests of Nmf, with NeuralNMFModel in its place."""

import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
from gensim import matutils
from gensim.test import test_nmf
from gensim.test.utils import datapath
from gensim_suites import CORPUS, DICTIONARY, Flat, Hierarchical, shares_by_scipy


class FlatNmf(Flat):
    """In double precision: the default of Nmf, where that of LdaModel and of ours is single."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{"dtype": np.float64} | options)


class HierarchicalNmf(Hierarchical):
    """In chunks of 100 documents: those of one, which the suite asks for, are run flat."""

    def __init__(self, *args, **options):
        super().__init__(*args, **{"dtype": np.float64} | options | {"chunksize": 100})


@pytest.fixture(autouse=True)
def ours(request, monkeypatch, tmp_path):
    """gensim's setUp and tests find our class under the name of theirs; files go to tmp_path."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(test_nmf, "nmf", SimpleNamespace(Nmf=request.cls.ours))


class TestNmf(test_nmf.TestNmf):
    ours = FlatNmf

    def train(self, **options):
        return self.ours(CORPUS, id2word=DICTIONARY, num_topics=2, **options)

    def test_random_state(self):
        # By default every seed reaches the same topics here: a random start does not.
        options = {"init": "random", "passes": 2}
        topics = [self.train(random_state=seed, **options).get_topics() for seed in (42, 42, 0)]
        np.testing.assert_array_equal(topics[0], topics[1])
        assert not np.allclose(topics[0], topics[2])

    def test_transform(self):
        # The numbers are Nmf's own: here nonnegative least squares of SciPy tell the known answer.
        model = self.train(passes=100, random_state=42, weighting="none")
        vec = matutils.sparse2full(model[CORPUS[0]], 2)
        np.testing.assert_allclose(vec, shares_by_scipy(model, CORPUS[0]), atol=1e-6)
        # A word has its probability in each topic, as in LdaModel; Nmf makes these sum to 1.
        vec = matutils.sparse2full(model.get_term_topics(5, minimum_probability=0), 2)
        np.testing.assert_allclose(vec, model.get_topics()[:, 5], rtol=1e-6)

    def test_dtype_backward_compatibility(self):
        # gensim's file is a pickle of another model: refused by name, and no code is run from it.
        with pytest.raises(ValueError, match="nmf_model cannot be loaded"):
            self.ours.load(datapath("nmf_model"))


class TestHierarchicalNmf(TestNmf):
    ours = HierarchicalNmf

    def test_the_model_has_two_layers(self):
        assert self.model.widths == (2, 2)
        assert self.model.get_topics(layer=-1).shape == (2, len(DICTIONARY))
