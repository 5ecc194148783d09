import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import TfidfVectorizer

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_large
from _setting import Posts, hnmf
from benchmark_large import BASE, OURS, Result, Speed

from nnmf_topics.datasets import load_lee

TRACE = [(1.0, (0.95, 0.97)), (2.0, (0.9, 0.99)), (3.0, (0.9, 0.96)), (4.0, (0.89, 0.96))]


def result(seconds=1.0, errors=(), trace=(), mebibytes=None):
    layers = max(len(errors), 1)
    scores = [0.25] * layers
    return Result(seconds, mebibytes, [50, 10][:layers], list(errors), scores, 0.5, trace)


def cells_of(*given):
    return dict(zip(benchmark_large.TRAINING, benchmark_large.training_row(*given), strict=True))


def test_the_errors_are_reached_by_the_first_pass_that_reaches_both():
    assert benchmark_large.time_to_errors(TRACE, (0.95, 0.98)) == 1
    assert benchmark_large.time_to_errors(TRACE, (0.9, 0.98)) == 3
    assert benchmark_large.time_to_errors(TRACE, (0.89, 0.95)) is None
    assert benchmark_large.time_to_errors([], (1.0, 1.0)) is None


def test_only_the_finest_error_has_some_slack():
    assert benchmark_large.time_to_errors(TRACE, (0.9 / 1.0004, 0.96)) == 3
    assert benchmark_large.time_to_errors(TRACE, (0.9 / 1.0006, 0.96)) == 4
    assert benchmark_large.time_to_errors(TRACE, (0.9, 0.96 / 1.0004)) is None


def test_the_ratio_is_our_median_time_by_its():
    ours = [result(seconds) for seconds in (1.0, 9.0, 2.0)]
    cells = cells_of("Nmf", [result(seconds) for seconds in (4.0, 3.0, 50.0)], ours)
    assert (cells["seconds"], cells["our time / its"]) == ("4.00", "0.50")
    cells = cells_of(OURS, ours, ours)
    assert (cells["seconds"], cells["our time / its"]) == ("2.00", "-")


def test_our_time_to_the_errors_is_in_the_row_of_the_hierarchy_with_these_errors():
    column = "our seconds to its errors"
    faster = [(seconds / 4, errors) for seconds, errors in TRACE]
    ours = [result(4.0, (0.89, 0.96), trace) for trace in (TRACE, faster, TRACE)]
    assert cells_of("HNMF", [result(9.0, (0.9, 0.98))], ours)[column] == "3.00"
    assert cells_of("HNMF", [result(9.0, (0.8, 0.98))], ours)[column] == "never"
    assert cells_of("Nmf", [result(9.0, (0.9,))], ours)[column] == "-"
    assert cells_of(OURS, ours, ours)[column] == "-"


def test_a_flat_method_has_no_coarse_measures_and_lda_no_errors():
    flat = cells_of("Nmf", [result(1.0, (0.9,))], [result()])
    assert [flat[name] for name in ("topics", "err1", "err2")] == ["50", "0.9000", "-"]
    assert [flat[name] for name in ("npmi1", "npmi2", "diversity")] == ["0.250", "-", "0.500"]
    assert [cells_of(BASE, [result()], [result()])[name] for name in ("err1", "err2")] == ["-"] * 2


def test_memory_is_the_growth_of_the_peak_in_mebibytes():
    status = "Name:\tpython\nVmPeak:\t  9999 kB\nVmHWM:\t    3072 kB\nVmRSS:\t    1024 kB\n"
    assert benchmark_large.peak_of(status) == 3072
    assert benchmark_large.peak_of("Name:\tpython\n") is None
    assert benchmark_large.above(1024, 3072) == 2
    assert benchmark_large.above(None, 3072) is None
    cells = cells_of(OURS, [result(mebibytes=1234.4)], [result()])
    assert cells["peak memory, MiB"] == "1,234"


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only on Linux")
def test_a_peak_before_the_meter_hides_none_inside():
    np.ones(2**23).sum()  # 64 MiB, and gone
    with benchmark_large.Meter() as meter:
        np.ones(2**22).sum()
    assert 30 < meter.mebibytes < 40


def test_a_slow_method_runs_once():
    for seconds, expected in ((60.0, 3), (61.0, 1)):
        runs = benchmark_large.repeated(lambda seconds=seconds: result(seconds), 3)
        assert len(runs) == expected


def test_faster_than_lda_is_a_ratio_above_one():
    speeds = [Speed("all", 300.0, 0.5), Speed("matrix", 900.0, None)]
    rows = benchmark_large.inference_rows(OURS, speeds, Speed("all", 100.0, 2.0))
    assert rows == [
        [OURS, "all", "300", "3.0", "0.500", "4.0"],
        [OURS, "matrix", "900", "9.0", "-", "-"],
    ]
    (row,) = benchmark_large.inference_rows(OURS, speeds[:1], None)
    assert row == [OURS, "all", "300", "-", "0.500", "-"]


def test_a_missing_package_is_named_in_a_whole_row():
    row = benchmark_large.missing_row("PA", "tomotopy", benchmark_large.TRAINING)
    assert row[:2] == ["PA", "tomotopy is not installed"]
    assert len(row) == len(benchmark_large.TRAINING)


def test_words_are_counted_and_weighed_as_scikit_learn_does():
    documents = ["the cat sat on the cat", "a dog", "dog and cat", "of the"]
    data = benchmark_large.prepared(documents, ["cat bird", ""])
    vectorizer = TfidfVectorizer(stop_words="english")
    np.testing.assert_allclose(data.tfidf.toarray(), vectorizer.fit_transform(documents).toarray())
    assert data.words == dict(enumerate(vectorizer.get_feature_names_out()))
    assert benchmark_large.texts(data) == [["cat", "cat", "sat"], ["dog"], ["cat", "dog"], []]
    np.testing.assert_array_equal(data.queries.toarray(), [[1, 0, 0], [0, 0, 0]])


def test_bags_are_the_rows_in_numbers_of_python():
    found = benchmark_large.bags(sp.csr_array([[0, 2, 1], [0, 0, 0], [3, 0, 0]]))
    assert found == [[(1, 2), (2, 1)], [], [(0, 3)]]
    assert {type(number) for bow in found for pair in bow for number in pair} == {int}


def test_a_draw_keeps_the_order_and_begins_from_its_seed():
    documents = [f"{number:03}" for number in range(100)]
    first, again, other = (benchmark_large.drawn(documents, 20, seed) for seed in (0, 0, 1))
    assert first == again == sorted(set(first))
    assert len(first) == len(other) == 20
    assert first != other
    assert benchmark_large.drawn(documents, None, 0) == documents


def test_hierarchical_nmf_has_the_widths_asked_for():
    X = sp.csc_array(np.random.default_rng(0).random((30, 20)))
    factors, codes = hnmf(X, (6, 3), "nndsvda", unit_columns=True, seed=0)
    assert [A.shape for A in factors] == [(30, 6), (6, 3)]
    assert [S.shape for S in codes] == [(6, 20), (3, 20)]
    np.testing.assert_allclose(np.linalg.norm(factors[0], axis=0), 1)


def test_the_layers_of_tomotopy_are_topics_then_super_topics():
    distributions = np.eye(6)
    pachinko = SimpleNamespace(
        k1=2,
        k2=3,
        get_topic_word_dist=lambda topic: distributions[topic],
        get_sub_topics=lambda topic, top_n: [(2, 0.75), (topic, 0.25)][:top_n],
    )
    fine, coarse = benchmark_large.pa_layers(pachinko)
    np.testing.assert_array_equal(fine, distributions[:3])
    np.testing.assert_array_equal(coarse[:, :3], [[0.25, 0, 0.75], [0, 0.25, 0.75]])
    fine, coarse = benchmark_large.hpa_layers(pachinko)
    np.testing.assert_array_equal(fine, distributions[3:])
    np.testing.assert_array_equal(coarse, distributions[1:3])
    tree = SimpleNamespace(
        k=5,
        depth=3,
        level=[0, 1, -1, 2, 2].__getitem__,
        is_live_topic=lambda topic: topic != 2,
        get_topic_word_dist=lambda topic: distributions[topic],
    )
    fine, coarse = benchmark_large.hlda_layers(tree)
    np.testing.assert_array_equal(fine, distributions[3:5])
    np.testing.assert_array_equal(coarse, distributions[1:2])


def test_both_tables_of_a_small_run_are_whole(monkeypatch, capsys):
    documents = load_lee().documents
    posts = Posts(documents[:200], np.array([]))
    monkeypatch.setattr(benchmark_large, "train_posts", lambda: posts)
    monkeypatch.setattr(
        benchmark_large,
        "fetch_20newsgroups",
        lambda *_, **__: SimpleNamespace(documents=documents[200:]),
    )
    peers = [name for name in benchmark_large.METHODS if name != OURS]
    benchmark_large.main(["--documents", "120", "--repeats", "1", "--skip", *peers])
    printed = capsys.readouterr().out
    lines = [line for line in printed.splitlines() if line.startswith("|")]
    widths = [len(benchmark_large.TRAINING)] * 3 + [len(benchmark_large.INFERENCE)] * 4
    assert [line.count("|") - 1 for line in lines] == widths
    assert lines[2].startswith(f"| {OURS} | 50, 10 | ")
    assert lines[5].startswith(f"| {OURS} | model[corpus] | ")
    assert "120 documents" in printed
    assert "100 test documents" in printed
