"""gensim's own tests of CoherenceModel, with NeuralNMFModel in the place of LdaModel."""

import multiprocessing
import tempfile

import pytest
from gensim.test import test_coherencemodel
from gensim_suites import Flat, Hierarchical


class TestCoherence(test_coherencemodel.TestCoherenceModel):
    ours = Flat

    @pytest.fixture(autouse=True)
    def put_ours(self, monkeypatch, tmp_path):
        """gensim's setUp finds our class under the name of theirs; files go to tmp_path."""

        def lda_model(*, passes, **options):
            # The suite asks for no pass, for any topics at all: ours takes one or more.
            return self.ours(passes=max(passes, 1), **options)

        monkeypatch.setattr(test_coherencemodel, "LdaModel", lda_model)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        # One process less than processors: Python warns of forks beside the threads of others.
        monkeypatch.setattr(multiprocessing, "cpu_count", lambda: 2)


class TestHierarchicalCoherence(TestCoherence):
    ours = Hierarchical


class TestCoarsestLevelCoherence(TestCoherence):
    ours = Hierarchical

    def setUp(self):
        super().setUp()
        self.ldamodel = self.ldamodel.level(-1)
