import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import study_weighting
from _setting import WIDTHS
from study_weighting import Scheme

from nnmf_topics import NeuralNMFModel

# Four documents; the words are in 1, 2, 3 and 4 of them.
COUNTS = np.array([[3, 0, 0, 0], [1, 4, 0, 0], [0, 1, 2, 9], [1, 1, 1, 1]])
DF = np.array([[1], [2], [3], [4]])


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (Scheme("tf", 1, 1), COUNTS * np.log(1 + 4 / DF)),
        (Scheme("sqrt(tf)", 2, 1), np.sqrt(COUNTS) * np.log(1 + 4 / DF) ** 2),
        (Scheme("log(1+tf)", 1, 2), np.log(1 + COUNTS) * np.log([[1], [3], [7 / 3], [2]])),
        (Scheme("tf", 1, 1, plain=True), COUNTS * np.log(4 / DF)),
    ],
)
def test_a_weighting_is_its_formula_with_columns_of_unit_length(scheme, expected):
    found = study_weighting.weigh(sp.csc_array(COUNTS), scheme)
    np.testing.assert_allclose(found.toarray(), expected / np.linalg.norm(expected, axis=0))
    assert found.nnz == np.count_nonzero(expected)


def test_a_document_that_loses_all_its_words_is_zero():
    counts = sp.csc_array([[1, 0, 0], [0, 2, 3]])
    found = study_weighting.weigh(counts, Scheme(least=2)).toarray()
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 1, 1]])


def test_the_default_scheme_is_the_default_weighting_of_the_model():
    # So many documents that words in fewer than five are dropped, and some are.
    random = np.random.default_rng(0)
    counts = sp.csc_array(random.poisson(np.geomspace(0.003, 1, 40)[:, None], (40, 400)))
    frequency = np.bincount(counts.indices, minlength=40)
    assert frequency.min() < 5 < frequency.max()
    matrices = study_weighting.weightings(counts)
    assert len(matrices) == 1 + len(study_weighting.SCHEMES)
    default = next(iter(matrices.values())).toarray()
    np.testing.assert_allclose(
        default, study_weighting.weigh(counts, Scheme()).toarray(), atol=1e-15
    )
    for scheme in study_weighting.SCHEMES:
        assert np.abs(matrices[str(scheme)] - default).max() > 1e-3, str(scheme)


def test_the_models_have_the_start_of_a_model_that_weighs_the_words_itself():
    # Ten kinds of documents, two or three of which share words: topics do not hang on rounding.
    random, kinds = np.random.default_rng(0), np.repeat(np.arange(10), 30)
    own, shared = (np.repeat(np.eye(n), 6, axis=0) for n in (10, 4))
    means = 0.02 + np.concatenate([own[:, kinds], 0.7 * shared[:, kinds // 3]])
    counts = sp.csc_array(random.poisson(means))
    X = study_weighting.weigh_by_default(counts)
    factors, _ = study_weighting.TRAINING(X, 3)
    model = NeuralNMFModel(counts, WIDTHS, random_state=3)
    assert model.init == model.weighting == "auto"
    for found, expected in zip(factors, model.factors, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)
