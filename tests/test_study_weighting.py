import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import study_weighting
from study_weighting import Scheme

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


def test_a_difference_is_paired_and_counts_the_subsets_where_it_is_positive():
    random = np.random.default_rng(0)
    scores, default = random.random((2, 9))
    found = study_weighting.difference(scores, default)
    assert found.mean / found.error == pytest.approx(ttest_rel(scores, default).statistic)
    assert found.wins == sum(a > b for a, b in zip(scores, default, strict=True))


def test_equal_shares_are_no_win_whatever_the_rounding():
    found = study_weighting.difference(np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.5]))
    assert found == (0, 0, 0)
    assert str(found) == "+0.000 ± 0.000 (0)"


def test_a_difference_beyond_two_standard_errors_is_bold():
    assert str(study_weighting.Difference(-0.021, 0.01, 3)) == "**-0.021 ± 0.010** (3)"
    assert str(study_weighting.Difference(0.019, 0.01, 3)) == "+0.019 ± 0.010 (3)"


def test_the_spread_over_seeds_ignores_weightings_and_subsets():
    random = np.random.default_rng(0)
    around = random.random((3, 4, 1, 8))
    scores = around + np.array([-1.0, 0.0, 1.0])[:, None] * np.arange(8)
    np.testing.assert_allclose(study_weighting.spread_over_seeds(scores), np.arange(8))
    np.testing.assert_array_equal(study_weighting.spread_over_seeds(around), np.zeros(8))


def test_a_report_compares_every_weighting_but_the_default_with_it():
    scores = np.zeros((2, 3, 2, len(study_weighting.COLUMNS)))
    scores[0, :, :, 0] = [[0.0, 0.2], [0.1, 0.3], [0.2, 0.4]]  # means 0.1, 0.2, 0.3
    scores[1, :, :, 0] = [[0.4, 0.4], [0.1, 0.3], [0.2, 0.4]]
    lines = study_weighting.report(study_weighting.Study(["mine", "other"], scores)).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in lines if "±" in line]
    assert [row for row in rows if row] == [
        ["mine", "0.200 ± 0.100"],
        ["other", "0.300 ± 0.100"],
        ["other", "+0.100 ± 0.100 (1)"],
    ]
