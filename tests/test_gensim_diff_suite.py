"""gensim's own tests of LdaModel.diff, with NeuralNMFModel in its place."""

import pytest
from gensim.test import test_tmdiff
from gensim_suites import CORPUS, DICTIONARY, Flat, Hierarchical


class TestDiff(test_tmdiff.TestLdaDiff):
    ours = Flat

    @pytest.fixture(autouse=True)
    def put_ours(self, monkeypatch):
        """gensim's setUp finds our class under the name of theirs."""
        monkeypatch.setattr(test_tmdiff, "LdaModel", self.ours)


class TestHierarchicalDiff(TestDiff):
    ours = Hierarchical


class TestCoarsestLevelDiff(TestDiff):
    def setUp(self):
        super().setUp()
        self.model = Hierarchical(CORPUS, 5, DICTIONARY, passes=10).level(-1)
