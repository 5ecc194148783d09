import builtins
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import reproduce_digits
import reproduce_synthetic as synthetic
from reproduce_synthetic import ABOVE, Fit, Row, planted

CLEAN = planted(0, noise=0)
LEAST = {9: 0.1, 4: 0.2, 2: 0.4}


def row(errors=(0.1,), of_given=1.0, of_hidden=1.0, nonnegative=True, seconds=1.0):
    return Row(list(errors), [1.0] * len(errors), of_given, of_hidden, nonnegative, seconds)


def test_classes_lie_in_those_above_them():
    for finer, coarser in ((9, 4), (4, 2)):
        pairs = set(zip(ABOVE[finer].tolist(), ABOVE[coarser].tolist(), strict=True))
        assert len(pairs) == finer == len(set(ABOVE[finer].tolist()))
        assert {parent for _, parent in pairs} == set(range(coarser))


def test_the_planted_matrix_has_the_size_of_the_authors_and_rank_nine():
    X = CLEAN.X.toarray()
    assert X.shape == (87, 90)
    assert np.linalg.matrix_rank(X) == 9
    assert CLEAN.known.sum() == 40
    for k, labels in CLEAN.labels.items():
        assert set(labels) == set(labels[CLEAN.known]) == set(range(k))


def test_an_entry_counts_the_levels_that_feature_and_document_share():
    X, nine = CLEAN.X.toarray(), CLEAN.labels[9]
    features = np.repeat(np.arange(9), synthetic.FEATURES)
    entries = {
        (int(a), int(b)): set(X[np.ix_(features == a, nine == b)].ravel().tolist())
        for a in range(9)
        for b in range(9)
    }
    assert entries[0, 0] == {4}
    assert entries[0, 1] == {2}
    assert entries[0, 2] == entries[0, 3] == {1}
    assert entries[0, 4] == entries[8, 0] == {0}
    assert entries[6, 8] == {2}
    assert all(found == entries[b, a] for (a, b), found in entries.items())


def test_noise_is_between_nothing_and_its_most_and_comes_from_the_seed():
    first, again, other = (planted(seed).X.toarray() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    noise = first - CLEAN.X.toarray()
    assert noise.min() >= 0
    assert noise.max() < synthetic.NOISE
    assert noise.mean() == pytest.approx(synthetic.NOISE / 2, rel=0.02)


def test_a_file_is_read_as_it_was_written(tmp_path):
    data = planted(3)
    labels = {f"labels{k}": of[None].astype(np.uint8) for k, of in data.labels.items()}
    mask = np.tile(data.known, (2, 1)).astype(np.uint8)
    savemat(tmp_path / "x.mat", {"X": data.X.toarray(), "L40": mask, **labels})
    found = synthetic.read(str(tmp_path / "x.mat"))
    np.testing.assert_array_equal(found.X.toarray(), data.X.toarray())
    np.testing.assert_array_equal(found.known, data.known)
    for k in ABOVE:
        np.testing.assert_array_equal(np.where(found.known, found.labels[k], -1)[~found.known], -1)
        np.testing.assert_array_equal(found.labels[k], data.labels[k])


def test_the_bound_of_nine_is_the_noise_and_bounds_fall_with_the_width():
    found = synthetic.bounds(CLEAN)
    assert found[9] == pytest.approx(0, abs=1e-7)
    assert found[2] > found[4] > 0.1


def test_a_choice_has_its_size_and_its_share_of_every_class():
    labels = np.repeat([0, 1, 2], [40, 40, 20])
    for size, expected in ((50, [20, 20, 10]), (0.25, [10, 10, 5])):
        chosen = synthetic.stratified(labels, size, seed=0)
        np.testing.assert_array_equal(np.bincount(labels[chosen]), expected)


def test_codes_that_are_the_classes_tell_them_and_unknown_classes_are_never_told():
    labels = np.array([5, 5, 7, 7, 9])
    codes = np.eye(3)[:, [1, 1, 0, 0, 2]]
    every = np.ones(5, bool)
    np.testing.assert_array_equal(synthetic.told_by(codes, labels, every), labels)
    known = np.array([True, False, True, False, False])
    np.testing.assert_array_equal(synthetic.told_by(codes, labels, known)[:4], labels[:4])
    assert synthetic.told_by(codes, labels, known)[4] in (5, 7)


def test_the_planted_factors_have_no_error_and_tell_all_labels():
    A = np.repeat(np.eye(9), synthetic.FEATURES, axis=0)
    S = np.linalg.pinv(A) @ CLEAN.X.toarray()
    told = synthetic.told_by(S, CLEAN.labels[9], CLEAN.known)
    found = synthetic.measure(CLEAN, (9,), Fit([A], [S], told, 0.5), CLEAN.known)
    assert found.errors == [pytest.approx(0, abs=1e-7)]
    assert (found.accuracies, found.of_given, found.of_hidden) == ([1], 1, 1)
    assert found.nonnegative
    assert not synthetic.measure(CLEAN, (9,), Fit([-A], [-S], told, 0.5), CLEAN.known).nonnegative


def test_given_and_hidden_labels_are_counted_apart_and_none_is_no_share():
    A, S = np.ones((87, 2)), np.ones((2, 90))
    told = np.where(CLEAN.known, CLEAN.labels[2], 1 - CLEAN.labels[2])
    found = synthetic.measure(CLEAN, (2,), Fit([A], [S], told, 0.5), CLEAN.known)
    assert (found.of_given, found.of_hidden) == (1, 0)
    every = synthetic.measure(CLEAN, (2,), Fit([A], [S], told, 0.5), np.ones(90, bool))
    assert every.of_given == 40 / 90
    assert np.isnan(every.of_hidden)


def test_sorted_topics_have_the_same_products():
    random = np.random.default_rng(0)
    factors = [random.random((7, 4)), random.random((4, 3))]
    codes = [random.random((4, 5)), random.random((3, 5))]
    (A, B), (S, T) = synthetic.in_order(factors, codes)
    np.testing.assert_allclose(A @ S, factors[0] @ codes[0])
    np.testing.assert_allclose(A @ B @ T, factors[0] @ factors[1] @ codes[1])
    assert list((A @ B).argmax(axis=0)) == sorted((A @ B).argmax(axis=0))


def test_tables_have_a_cell_for_every_name_and_theirs_stand_at_the_coarsest_layer():
    results = {
        ((9,), "supervised"): [row((0.1,), of_hidden=float("nan"))],
        ((9, 4), "HNMF"): [row((0.1, 0.2)), row((0.12, 0.4), of_given=0.5)],
    }
    lines = synthetic.error_table(results, LEAST)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith(
        "| (9,) | supervised | 0 | 0.10000 | 0.10000 (+0.00 %) | 0.10000 (+0.00 %) | 0.0237 |"
    )
    assert "| 0 | 0.10000 | 0.11000 (+10.00 %) | 0.12000 (+20.00 %) | - |" in lines[3]
    assert "| 1 | 0.20000 | 0.30000 (+50.00 %) | 0.40000 (+100.00 %) | 0.336 |" in lines[4]
    lines = synthetic.label_table(results)
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2].endswith("| 9 | 1.000 | 1.000 | - | - | 1.0 | 1.00 | 1-7 hours |")
    assert lines[3].endswith("| 4 | 0.750 | 0.500 | 1.000 | 1.000 | - | 1.00 | - |")


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (row((0.1005,)), "error of the coarsest layer"),
        (row(nonnegative=False), "negative factors"),
        (row(of_hidden=0.99), "accuracy"),
    ],
)
def test_one_bad_seed_is_missed(bad, expected):
    results = {((9,), "unsupervised"): [row(), bad], ((9,), "HNMF"): [row((9.0,), 0.0)]}
    assert synthetic.shortfalls(results, LEAST) == [f"(9,), unsupervised: {expected}"]


def test_labels_may_add_a_hundredth_to_the_error_of_the_same_seed():
    plain, name = [row((0.1, 0.2)), row((0.1, 0.2))], "supervised"
    for most, expected in ((0.109, []), (0.111, ["(9, 4), supervised: error with labels"])):
        labelled = [row((most, 0.2), of_hidden=float("nan")), row((0.1, 0.2))]
        results = {((9, 4), "unsupervised"): plain, ((9, 4), name): labelled}
        assert synthetic.shortfalls(results, LEAST) == expected


def test_a_mosaic_holds_every_picture_at_its_own_brightness_and_empty_ones_black():
    topics = np.zeros((3, 64))
    topics[0, 0], topics[1, 63] = 0.5, 20
    found = reproduce_digits.mosaic(topics)
    assert found.shape == (18, 18)
    assert (found[0, 0], found[7, 16]) == (1, 1)
    edges = np.zeros((18, 18), bool)
    edges[8::9], edges[:, 8::9] = True, True
    assert (found[edges] == 1).all()
    assert found[~edges].sum() == 2


def test_the_table_of_images_starts_with_the_bounds():
    X = np.diag([2.0, 1.0, 1.0]).repeat(2, axis=0)
    A, S = np.eye(3)[:, :1], X.T[:1]
    lines = reproduce_digits.error_table(X, {"some": [Fit([A], [S], np.empty(0), 2.0)]}, (1,))
    assert lines[2] == "| SVD bound | 0.5774 | |"
    assert lines[3] == "| some | 0.5774 ± 0.0000 | 2.0 ± 0.0 |"
    assert len({line.count("|") for line in lines}) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_labels_that_are_not_known_change_nothing():
    X, y = reproduce_digits.images(60)
    known = synthetic.stratified(y, 0.5, 0)
    changed = np.where(known, y, 0)
    for name, train in reproduce_digits.classifiers((6, 3), 3, 0).items():
        told = [train(X, labels, known).predict(X) for labels in (y, changed)]
        np.testing.assert_array_equal(*told, err_msg=name)


def test_the_drawn_experiment_runs_and_misses_nothing(capsys, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(synthetic, "DEPTHS", ((9, 4),))
    synthetic.main(["--seeds", "1", "--output", str(tmp_path / "new")])
    assert "missed for some seed: nothing" in capsys.readouterr().out
    pictures = {path.name for path in (tmp_path / "new").iterdir()}
    assert pictures == {"synthetic_9_4.png"}


def test_the_images_run(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    small = ["--samples", "100", "--widths", "6", "3", "--passes", "3", "--label-passes", "3"]
    reproduce_digits.main([*small, "--seeds", "1", "--output", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("| 10% |") for line in lines) == 4
    assert (tmp_path / "digits.png").stat().st_size > 0


def test_without_matplotlib_that_is_said(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    found = synthetic.draw(tmp_path / "a.png", [[("X", np.eye(2))]], "gray")
    assert found == "no a.png: matplotlib is not installed"
    assert not (tmp_path / "a.png").exists()
