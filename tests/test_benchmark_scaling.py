import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_scaling
from benchmark_scaling import HOST, PHASES, Work, exponent, fit, per_doubling, planted

OPTIONS = Namespace(
    documents=50, most_documents=2000, terms=200, tokens=20, most_topics=20, repeats=1
)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_the_exponent_of_a_power_law_is_its_power(power):
    sizes = np.array([1.0, 2.0, 5.0, 10.0])
    assert exponent(sizes, 3 * sizes**power) == pytest.approx(power, abs=1e-12)
    assert per_doubling(sizes, 3 * sizes**power) == pytest.approx([2**power] * 3)


def test_a_fit_holds_the_aims_of_documents_and_k_and_the_worst_doubling():
    sizes, seconds = [10, 20, 40], [1.0, 2.0, 8.0]
    found = fit("k", sizes, seconds)
    assert "(k)^1.50" in found
    assert "twice k: 2.83 times the time (aim <= 3), 4.00 from one size" in found
    assert "twice the documents: 2.83 times the time (aim <= 2.1)" in fit(
        "documents", sizes, seconds
    )
    assert "aim" not in fit("terms", sizes, seconds)


def test_documents_have_their_tokens_few_topics_and_words_by_zipfs_law():
    X = planted(2500, 3000, 100)
    assert X.shape == (3000, 2500)
    np.testing.assert_array_equal(X.sum(axis=0), 100)
    assert X.nnz < 2500 * 100
    assert X.nnz > 2500 * 50
    frequency = np.sort(np.asarray(X.sum(axis=1)))[::-1]
    assert frequency[:300].sum() > 2 * frequency[-1500:].sum()


def test_pairs_of_documents_differ_more_in_shared_words_than_with_words_drawn_alone(monkeypatch):
    monkeypatch.setattr(benchmark_scaling, "PLANTED", 5)
    monkeypatch.setattr(benchmark_scaling, "OF_A_DOCUMENT", 1)
    held = planted(400, 2000, 100).toarray() > 0
    alone = np.random.default_rng(0).permuted(held, axis=1)
    pairs = np.triu_indices(400, 1)
    topical, chance = ((words.T.astype(int) @ words)[pairs] for words in (held, alone))
    assert topical.std() > 1.5 * chance.std()


def test_a_corpus_is_made_again_as_it_was_and_starts_a_longer_one():
    shorter, longer = planted(2000, 100, 10), planted(4000, 100, 10)
    assert (shorter != longer[:, :2000]).nnz == 0


def test_sizes_are_one_two_and_five_times_powers_of_ten():
    assert benchmark_scaling.one_two_five(10, 200) == [10, 20, 50, 100, 200]
    assert benchmark_scaling.one_two_five(1000, 1999) == [1000]


@pytest.mark.parametrize(
    ("dimension", "sizes"),
    [
        ("documents", [1000, 2000]),
        ("terms", [50, 100, 200, 400, 800]),
        ("k", [10, 20]),
        ("layers", [1, 2, 3, 4]),
    ],
)
def test_a_dimension_varies_alone(dimension, sizes):
    found = list(benchmark_scaling.cases(dimension, OPTIONS))
    assert [case.size for case in found] == sizes
    terms = sizes if dimension == "terms" else [200] * len(sizes)
    documents = sizes if dimension == "documents" else [50] * len(sizes)
    assert [case.X.shape for case in found] == list(zip(terms, documents, strict=True))
    assert all(case.X.sum() == 20 * case.X.shape[1] for case in found)
    depths = [len(case.widths) for case in found]
    assert depths == (sizes if dimension == "layers" else [2] * len(sizes))


def test_the_size_of_a_document_is_its_non_zeros():
    for case in benchmark_scaling.cases("non-zeros of a document", OPTIONS):
        assert case.size == case.X.nnz / 50


def test_the_work_of_a_small_pass_is_that_counted_by_hand():
    """5 terms, 3 documents, 7 non-zeros, widths 4, 2; two supports of 2 topics, one of 3."""
    found = benchmark_scaling.work_of_pass(5, 3, 7, (4, 2), np.array([2, 2, 3]))
    # 7 values and 7 indices, 20 numbers of A_0, 12 codes; 28 gathered; 28 multiply-adds.
    product = Work(4 * (14 + 20 + 12), 4 * 28, 56)
    assert found["A^T X"] == found["X V^T"] == product
    # Codes of 4 + 2 topics, read and written; 8/6 + 8 twice and 27/6 + 18 multiply-adds.
    assert found["solve"].streamed == 4 * 2 * 18
    assert found["solve"].flops == pytest.approx(2 * (2 * (8 / 6 + 8) + 27 / 6 + 18))
    # A document: 3 (16 + 4) in the layers, 2 * 16 in the upper error, 6 products with A_1.
    assert found["rest"] == Work(0, 0, 2 * 3 * (60 + 32 + 6 * 8))
    assert found["step"] == Work(4 * 60, 0, 2 * 5 * 5 * 16)


def test_the_least_time_is_that_of_the_bytes_or_of_the_arithmetic():
    speed = Work(100.0, 200.0, 1000.0)
    assert Work(50, 100, 10).seconds(speed) == 1
    assert Work(50, 100, 3000).seconds(speed) == 3


def test_the_phases_of_a_pass_have_times_and_every_layer_its_supports():
    X = planted(60, 100, 20).astype(np.float32)
    start = [np.random.default_rng(0).random(shape, np.float32) for shape in ((100, 6), (6, 2))]
    taken, supports = benchmark_scaling.time_pass([X[:, :40], X[:, 40:]], start, HOST, 1)
    assert tuple(taken) == PHASES
    assert all(taken[phase] > 0 for phase in PHASES if phase != "rest")
    assert supports.shape == (2 * 60,)
    assert 0 <= supports.min() <= supports.max() <= 6


def test_every_table_the_aims_and_the_plot_come_from_one_command(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(benchmark_scaling, "ROOFLINE", {"documents": 60, "terms": 90, "tokens": 20})
    monkeypatch.setattr(benchmark_scaling, "LARGE", 1000)
    monkeypatch.setattr(benchmark_scaling, "GEMM", 20)
    monkeypatch.setattr(benchmark_scaling, "WIDTHS", (6, 2))
    monkeypatch.setattr(benchmark_scaling, "DEPTHS", (6, 4, 3, 2))
    path = tmp_path / "curves.png"
    sizes = "--most-documents 2000 --documents 60 --terms 90 --tokens 20 --most-topics 20"
    benchmark_scaling.main([*sizes.split(), "--repeats", "1", "--plot", str(path)])
    printed = capsys.readouterr().out
    assert "twice the documents: " in printed
    assert "twice k: " in printed
    tables = [block for block in printed.split("\n\n") if block.startswith("| ")]
    assert [len(table.splitlines()) - 2 for table in tables] == [2, 5, 5, 2, 4, len(PHASES) + 1]
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert path.exists() or "matplotlib is not installed" in printed


def test_a_gpu_that_does_not_work_is_a_line_and_the_cpu_goes_on(monkeypatch, capsys):
    def refuse(name):
        raise RuntimeError(f"{name} is not there")

    monkeypatch.setattr(benchmark_scaling, "resolve_device", refuse)
    monkeypatch.setattr(benchmark_scaling, "DIMENSIONS", ())
    called = []
    monkeypatch.setattr(benchmark_scaling, "roofline", lambda device, _: called.append(device))
    benchmark_scaling.main(["--device", "cuda:0"])
    assert "the CPU alone: cuda:0 is not there" in capsys.readouterr().out
    assert called == [HOST]


def test_the_cells_of_a_gpu_are_its_time_the_ratio_and_its_share_of_the_bandwidth():
    (case,) = list(benchmark_scaling.cases("k", Namespace(**{**vars(OPTIONS), "most_topics": 10})))
    work = benchmark_scaling.work_of_pass(*case.X.shape, case.X.nnz, (10, 2), np.zeros(0))
    moved = 6 * sum(part.streamed + part.gathered for part in work.values())
    cells = benchmark_scaling.row(case, 3.0, [10], [[2.0], [0.5]], speed=4 * moved)
    assert cells[-3:] == ["0.500", "4.0", "50.0%"]
    assert cells[3:6] == ["2.000", "", ""]
