import sys
from itertools import chain
from pathlib import Path
from time import sleep

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import benchmark_streaming as streaming
from benchmark_streaming import COLUMNS, PlantedStream, Result, Setting

MIB = 2**20
SMALL = Setting(documents=1100, tokens=20, terms=500, passes=2, batch=400)


def samples(*mib):
    return [(float(second), size * MIB) for second, size in enumerate(mib)]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_peak_is_the_most_that_was_seen_above_the_start_up_to_each_tenth():
    found = samples(100, 110, 105, 130, 120, 90, 90, 90, 90, 90, 140)
    expected = [10, 10, 30, 30, 30, 30, 30, 30, 30, 40]
    assert streaming.running_peaks(found, 100 * MIB) == expected


def test_memory_that_only_falls_has_no_peak_above_the_start():
    assert streaming.running_peaks(samples(90, 80, 70), 100 * MIB) == [0] * 10


def test_memory_that_is_flat_after_the_first_tenth_does_not_grow():
    result = Result(60 * MIB, 100 * MIB, samples(100, 150, *[150] * 9), 6, 0.5)
    line = dict(zip(COLUMNS, cells(streaming.row("file", SMALL, result)), strict=True))
    assert list(line.values()) == [
        *("file", "60", "100", "50", "50", "0", "0.00", "10.0", "220", "6", "0.50", "30 %")
    ]


def test_growth_is_what_the_peak_rises_after_the_first_tenth():
    result = Result(60 * MIB, 100 * MIB, samples(100, 150, *[150] * 8, 157), 6, 0.5)
    line = dict(zip(COLUMNS, cells(streaming.row("file", SMALL, result)), strict=True))
    assert (line["peak above start, MiB"], line["growth after it"]) == ("57", "7")


def test_the_slope_is_that_of_the_line_through_what_is_resident_after_the_first_tenth():
    found = samples(100, 150, *[150 + 3 * tenth for tenth in range(1, 10)])
    assert streaming.slope(found, 1_000_000) == pytest.approx(3)
    assert streaming.slope(found, 500_000) == pytest.approx(6)


def test_a_planted_stream_has_its_sizes_and_is_the_same_in_every_reading():
    stream = PlantedStream(SMALL)
    documents = list(stream)
    assert len(documents) == SMALL.documents
    assert {sum(count for _, count in document) for document in documents} == {SMALL.tokens}
    assert all(list(dict(document)) == sorted(dict(document)) for document in documents)
    ids = [term for term, _ in chain.from_iterable(documents)]
    assert min(ids) >= 0
    assert max(ids) < SMALL.terms
    assert list(stream) == documents
    assert stream.readings == 2


def test_a_planted_document_is_mostly_of_one_group_of_topics(monkeypatch):
    monkeypatch.setattr(streaming, "BACKGROUND", 0.0)
    for document in PlantedStream(SMALL):
        groups = {term % 50 // 5 for term, _ in document}
        assert len(groups) == 1


def test_words_are_as_frequent_as_their_ranks_say():
    shares = np.diff(streaming._zipf(100), prepend=0)
    assert shares.sum() == pytest.approx(1)
    assert shares[0] / shares[9] == pytest.approx(11.7 / 2.7)


def test_memory_that_is_taken_and_touched_is_resident():
    before = streaming.resident()
    taken = np.ones(64 * MIB, np.uint8)
    assert streaming.resident() - before > 32 * MIB
    assert taken.all()


def test_samples_are_taken_until_the_end():
    with streaming.sampled() as found:
        sleep(0.2)
    seconds = [second for second, _ in found]
    assert seconds == sorted(seconds)
    assert seconds[-1] >= 0.2
    assert all(size > 0 for _, size in found)


def test_one_command_prints_a_line_for_each_way(monkeypatch, capsys):
    sizes = ["--documents", "600", "--tokens", "20", "--terms", "500", "--batch", "250"]
    monkeypatch.setattr(sys, "argv", ["benchmark_streaming.py", *sizes, "--passes", "1"])
    streaming.main()
    lines = capsys.readouterr().out.splitlines()
    rows = [cells(line) for line in lines if line.startswith("| ")][1:]
    assert [line[0] for line in rows] == list(streaming.WAYS)
    assert {len(line) for line in rows} == {len(COLUMNS)}
    assert [int(line[COLUMNS.index("readings")]) for line in rows] == [3, 3, 1, 3, 1, 1]
