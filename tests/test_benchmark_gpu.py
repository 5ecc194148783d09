import os
import sys
from pathlib import Path

import pytest
from conftest import NotTheHost

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_gpu
from benchmark_gpu import HOST, RUNS, Run, compared, planted


@pytest.mark.parametrize("row", [benchmark_gpu.passes_of, benchmark_gpu.training_of])
def test_the_same_work_on_both_sides_ends_with_the_same_loss(row):
    found = row(planted(400, 300, 20), (6, 3), 2, NotTheHost("cpu"))
    cells = dict(zip(RUNS, found, strict=True))
    assert (cells["documents"], cells["widths"], cells["passes"]) == ("400", "6, 3", "2")
    assert cells["loss, CPU"] == cells["loss, GPU"]
    assert cells["apart"] == "0e+00"


def test_a_row_has_the_ratio_of_the_medians_and_how_far_losses_are_apart():
    host, gpu = [Run(8, 2.0)], [Run(2, 2.1), Run(9, 2.1), Run(4, 2.2)]
    found = dict(zip(RUNS, compared("passes", 9, (3,), 1, (host, gpu)), strict=True))
    assert (found["CPU, s"], found["GPU, s"], found["CPU / GPU"]) == ("8.00", "4.000", "2.0")
    assert found["apart"] == "1e-01"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_the_cpu_has_two_cores_at_most_and_all_of_them_afterwards():
    before = os.sched_getaffinity(0)
    with benchmark_gpu.two_cores(HOST):
        assert os.sched_getaffinity(0) == set(benchmark_gpu.two_of(before))
        assert len(os.sched_getaffinity(0)) == min(2, len(before))
    assert os.sched_getaffinity(0) == before


def test_two_threads_of_one_core_are_not_two_cores_where_there_are_others(monkeypatch, tmp_path):
    assert benchmark_gpu.two_of({7}) == [7]
    monkeypatch.setattr(benchmark_gpu, "CORES", tmp_path)
    assert benchmark_gpu.two_of({5, 4, 7}) == [4, 5]  # the system does not tell
    for number in range(8):
        (topology := tmp_path / f"cpu{number}" / "topology").mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
        (topology / "core_id").write_text(f"{number // 2}\n")
    assert benchmark_gpu.two_of(set(range(8))) == [0, 2]
    assert benchmark_gpu.two_of({4, 5}) == [4, 5]


def test_without_a_gpu_there_is_nothing_to_measure(monkeypatch, capsys):
    def none(_name):
        raise RuntimeError("no GPU")

    monkeypatch.setattr(benchmark_gpu, "resolve_device", none)
    with pytest.raises(SystemExit) as end:
        benchmark_gpu.main([])
    assert end.value.code == 0
    assert "nothing to measure: no GPU" in capsys.readouterr().err
