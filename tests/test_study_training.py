import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import _setting
import _study
import study_training
from _measures import COLUMNS

from nnmf_topics import NeuralNMFModel

# Ten groups with a word each, so that ten topics leave no error at the finest layer; of ten sizes,
# so that its singular vectors are those words.
SIZES = np.arange(8, 18)
GROUPS = np.repeat(_setting.PAPER_GROUPS, SIZES)
X = sp.csc_array(np.repeat(np.eye(10, dtype=np.float32), SIZES, axis=1))
SUBSET = _study.Subset(_setting.Posts([""] * len(GROUPS), GROUPS), X, sp.csc_array(X.T))


@pytest.mark.parametrize("default", study_training.STARTS)
def test_the_default_start_comes_first_and_every_start_once(default):
    ways = study_training.trainings(default)
    named = [name.split()[1].rstrip(",") for name in ways if name.startswith("start")]
    assert named[0] == default
    assert sorted(named[:4]) == sorted(study_training.STARTS)
    assert [ways[name].keywords["init"] for name in ways if name.startswith("start")] == named


def test_other_rows_differ_from_the_default_by_what_they_say():
    ways = study_training.trainings("clusters")
    told = {name: dict(way.keywords) for name, way in ways.items() if hasattr(way, "keywords")}
    default = NeuralNMFModel(id2word={0: "a"})
    assert told["loss energy"] == {"init": "clusters", "loss": "energy"}
    assert told["loss reconstruction"] == {"init": "clusters", "loss": "reconstruction"}
    assert told["tol / 100"] == {"init": "clusters", "tol": pytest.approx(default.tol / 100)}
    assert told["start random, best of 5 by loss"] == {"init": "random", "restarts": 5}


def test_every_row_is_fitted_on_the_same_matrix_with_the_same_seeds():
    calls = {"one": [], "other": []}
    other = sp.csc_array(X * 2)

    def recorder(name):
        def training(matrix, seed):
            calls[name].append((matrix, seed))
            return _study.fit(matrix, seed, passes=1)

        return training

    ways = {name: recorder(name) for name in calls}
    found = study_training.study([(X, SUBSET), (other, SUBSET)], ways, seeds=2)
    assert found.names == ["one", "other"]
    assert found.scores.shape == (2, 2, 2, len(COLUMNS))
    expected = [(X, 0), (X, 1), (other, 0), (other, 1)]
    for made in calls.values():
        assert [seed for _, seed in made] == [seed for _, seed in expected]
        assert all(a is b for (a, _), (b, _) in zip(made, expected, strict=True))
    np.testing.assert_array_equal(*found.scores)


def test_every_way_finds_groups_that_have_a_word_each():
    # The reconstruction loss leaves the finest layer free, and a random start may merge groups.
    ways = study_training.trainings("layerwise")
    free = ("start random", "loss reconstruction", "HNMF, unit columns")
    found = study_training.study([(X, SUBSET)], ways, seeds=1)
    for name, row in zip(found.names, found.scores[:, 0, 0], strict=True):
        values = dict(zip(COLUMNS, row, strict=True))
        assert np.isfinite(row).all(), name
        if not name.startswith(free):
            assert values["err1"] == pytest.approx(0, abs=0.02), name
            assert values["nmi1"] == pytest.approx(1), name


def test_the_tf_idf_matrix_has_the_words_of_the_counts():
    groups = np.tile(_setting.PAPER_GROUPS, 100)
    documents = [f"both alpha{n % 7} Beta{n % 11} the" for n in range(len(groups))]
    subset = next(_study.subsets(_setting.Posts(documents, groups), 0))
    weighted, _ = _setting.tfidf(subset.posts.documents)
    np.testing.assert_array_equal((weighted > 0).toarray(), (subset.counts > 0).toarray())


def test_a_perfect_fit_without_labels_has_no_error_and_words_that_are_always_together():
    A_0, A_1 = np.kron(np.eye(4), np.ones((10, 1))), np.kron(np.eye(2), np.ones((2, 1)))
    codes = [np.eye(4), np.kron(np.eye(2), np.ones((1, 2))) / 2]
    data = sp.csc_array(A_0)
    found = study_training.without_labels(data, ([A_0, A_1], codes), sp.csc_array(data.T))
    # The top words of a coarse topic are those of one of its two fine topics.
    np.testing.assert_allclose(found, [0, np.sqrt(1 / 2), 1, 1, 1], atol=1e-7)


def test_the_table_of_lee_has_a_row_for_every_start():
    lines = study_training.lee_table(seeds=2).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert cells[0] == ["training", *study_training.LEE_COLUMNS]
    assert [row[0] for row in cells[2:]] == [f"start {name}" for name in study_training.STARTS]
    assert all(0.9 < float(row[1][:6]) < float(row[2][:6]) < 1 for row in cells[2:])
