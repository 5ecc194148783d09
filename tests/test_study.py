import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import ttest_rel

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import _setting
import _study
from _study import Difference, Study

from nnmf_topics.evaluation import relative_error

COLUMNS = ("err1", "acc1")


def posts(per_group):
    """Documents of four words: two of the group, one that all share and one of their own."""
    groups = np.tile(_setting.PAPER_GROUPS, per_group)
    names = {group: f"word{chr(97 + n)}" for n, group in enumerate(_setting.PAPER_GROUPS)}
    documents = [f"{names[g]} {names[g]} shared own{n}" for n, g in enumerate(groups)]
    return _setting.Posts(documents, groups)


def test_a_difference_is_paired_and_counts_the_subsets_where_it_is_better():
    random = np.random.default_rng(0)
    scores, default = random.random((2, 9))
    found = _study.difference(scores, default, "acc1")
    assert found.mean / found.error == pytest.approx(ttest_rel(scores, default).statistic)
    assert found.wins == sum(a > b for a, b in zip(scores, default, strict=True))


def test_a_smaller_error_is_better_and_its_difference_negative():
    scores, default = np.array([0.1, 0.2, 0.6]), np.array([0.2, 0.4, 0.3])
    less, more = (_study.difference(scores, default, column) for column in COLUMNS)
    assert less[:2] == more[:2] == (pytest.approx(0), pytest.approx(0.1528, rel=1e-3))
    assert (less.wins, more.wins) == (2, 1)


@pytest.mark.parametrize("column", COLUMNS)
def test_equal_shares_are_no_win_whatever_the_rounding(column):
    for one, other in [(0.1 + 0.2, 0.3), (0.3, 0.1 + 0.2)]:
        found = _study.difference(np.array([one, 0.5]), np.array([other, 0.5]), column)
        assert found == (0, 0, 0)
        assert f"{found:.3f}" == "+0.000 ± 0.000 (0)"


def test_a_difference_beyond_two_standard_errors_is_bold():
    assert f"{Difference(-0.021, 0.01, 3):.3f}" == "**-0.021 ± 0.010** (3)"
    assert f"{Difference(0.019, 0.01, 3):.4f}" == "+0.0190 ± 0.0100 (3)"


def test_the_spread_over_seeds_ignores_models_and_subsets():
    random = np.random.default_rng(0)
    around = random.random((3, 4, 1, 8))
    scores = around + np.array([-1.0, 0.0, 1.0])[:, None] * np.arange(8)
    np.testing.assert_allclose(_study.spread_over_seeds(scores), np.arange(8))
    np.testing.assert_array_equal(_study.spread_over_seeds(around), np.zeros(8))


def test_a_report_compares_every_model_but_the_default_with_it():
    scores = np.empty((2, 3, 2, 2))
    scores[0] = np.array([[0.0, 0.2], [0.1, 0.3], [0.2, 0.4]])[..., None]  # means 0.1, 0.2, 0.3
    scores[1] = np.array([[0.4, 0.4], [0.1, 0.3], [0.2, 0.4]])[..., None]
    lines = _study.report(Study(["mine", "other"], COLUMNS, scores), "way").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    assert [row for row in rows if set(row) != {"---"}] == [
        ["way", *COLUMNS],
        ["mine", "0.2000 ± 0.1000", "0.200 ± 0.100"],
        ["other", "0.3000 ± 0.1000", "0.300 ± 0.100"],
        ["sd over seeds, pooled", "0.1291", "0.129"],  # sqrt(5 / 6) of sqrt(0.02)
        ["way", *COLUMNS],
        ["other", "+0.1000 ± 0.1000 (0)", "+0.100 ± 0.100 (1)"],
    ]


def test_the_best_of_restarts_has_the_smallest_loss_of_them():
    X = sp.csc_array(np.random.default_rng(0).random((30, 40)).astype(np.float32))

    def loss(found):
        return sum(relative_error(X, *found, layer) ** 2 for layer in (0, 1))

    options = {"widths": (6, 3), "init": "random", "passes": 3}
    losses = [loss(_study.fit(X, seed, **options)) for seed in range(8)]
    assert len(set(losses)) == 8
    for seed in (0, 1):
        found = _study.fit(X, seed, restarts=4, **options)
        assert loss(found) == min(losses[4 * seed : 4 * seed + 4])


def test_a_subset_counts_its_own_words_and_looks_them_up_in_all_train_documents():
    train = posts(per_group=110)
    first, drawn = _study.subsets(train, 1)
    for subset in (first, drawn):
        assert subset.counts.shape == (10 + 1 + 1000, 1000)
        assert subset.counts.sum() == 4 * 1000
        frequency = np.asarray(subset.occurrence.sum(axis=0)).ravel()
        np.testing.assert_array_equal(np.unique(frequency), [1, 110, 1100])
    assert list(first.posts.documents) == train.documents[:1000]
    assert list(drawn.posts.documents) != train.documents[:1000]
