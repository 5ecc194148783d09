import csv
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import reproduce_survey
from reproduce_survey import Case, Fit, Groups, Split

from nnmf_topics.datasets import Survey, make_survey
from nnmf_topics.supervision import UNKNOWN

SMALL = ["--patients", "90", "--repeats", "1", "--widths", "4", "2"]


@pytest.fixture
def undrawn(monkeypatch):
    """As where Matplotlib is not installed, which is much faster."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)


@pytest.fixture
def table(tmp_path):
    """Write a survey, with the groups that are asked for, and return its path."""

    def write(groups=None):
        survey = make_survey(90, random_state=1)
        path = tmp_path / "table.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["group", *survey.symptoms])
            for group, row in zip(groups or survey.groups, survey.severities, strict=True):
                writer.writerow([group or "", *row])
        return path

    return write


def rows_of(text):
    """The cells of the table of results, the header first."""
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


# --- What is known and what is hidden ------------------------------------------------------------


def test_a_split_hides_a_quarter_and_knows_a_share_of_the_others_and_never_an_unknown():
    numbers = np.tile([0, 1, UNKNOWN, 2, 0], 40)
    draw = reproduce_survey.split(numbers, 0.25, seed=0)
    assert [len(part) for part in draw] == [40, 120, 30]
    assert not set(draw.hidden) & set(draw.all)
    assert set(draw.some) <= set(draw.all)
    assert set(draw.hidden) | set(draw.all) == set(np.flatnonzero(numbers != UNKNOWN))
    for part in draw:
        assert list(part) == sorted(part)
        counts = np.bincount(numbers[part])
        np.testing.assert_allclose(counts / len(part), [0.5, 0.25, 0.25], atol=0.02)


def test_a_split_is_decided_by_its_seed():
    numbers = np.tile([0, 1], 50)
    first, again, other = (reproduce_survey.split(numbers, 0.2, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.hidden, again.hidden)
    np.testing.assert_array_equal(first.some, again.some)
    assert set(first.hidden) != set(other.hidden)


def test_of_the_smallest_groups_some_are_hidden_and_some_known():
    numbers = np.repeat([0, 1, 2], reproduce_survey.LEAST)
    for seed in range(20):
        for part in reproduce_survey.split(numbers, 0.01, seed):
            assert set(numbers[part]) == {0, 1, 2}


def test_groups_of_too_few_patients_are_unknown_and_named():
    groups = ["a"] * 8 + ["b"] * 8 + ["c"] * 7 + [None]
    kept, notes = reproduce_survey.usable_groups(groups)
    assert kept == ["a"] * 8 + ["b"] * 8 + [None] * 8
    assert notes == ["Groups of fewer than 8 patients count as unknown: 'c' (7)."]


@pytest.mark.parametrize("groups", [[None] * 20, ["a"] * 20, ["a"] * 20 + ["b"] * 7])
def test_with_fewer_than_two_groups_there_is_no_supervision(groups):
    kept, notes = reproduce_survey.usable_groups(groups)
    assert kept == []
    assert "nothing is supervised" in notes[-1]
    assert reproduce_survey.groups_of(kept, 0.2, 3).splits == []


def test_training_sees_the_groups_that_its_name_says_and_never_a_hidden_one():
    draw = Split(np.array([0, 3]), np.array([1, 2, 4]), np.array([2]))
    groups = Groups(np.array(["a", "b"]), np.array([0, 1, 0, 1, 1, UNKNOWN]), [draw])
    expected = {
        "unsupervised": None,
        "semi-supervised": [None, None, "a", None, None, None],
        "supervised": [None, "b", "a", None, "b", None],
    }
    for training, labels in expected.items():
        case = Case((2,), training, "nnmf_topics")
        assert reproduce_survey.seen(case, groups, 0) == labels


def test_accuracy_is_told_only_for_what_training_saw():
    draw = reproduce_survey.split(np.tile([0, 1], 40), 0.3, seed=0)
    groups = Groups(np.array(["a", "b"]), np.tile([0, 1], 40), [draw])
    options = reproduce_survey.arguments_of([])
    codes = [np.eye(2)[:, groups.numbers]]
    expected = {"unsupervised": {"some", "all"}, "semi-supervised": {"some"}, "supervised": {"all"}}
    for training, columns in expected.items():
        B = None if training == "unsupervised" else np.eye(2)
        fit = Fit([np.eye(2)], codes, B)
        scores = reproduce_survey.accuracies(fit, training, groups, 0, options)
        assert scores == dict.fromkeys(columns, 1)
    wrong = Fit([np.eye(2)], codes, np.eye(2)[::-1])
    assert reproduce_survey.accuracies(wrong, "supervised", groups, 0, options) == {"all": 0}


def test_the_head_is_read_off_the_known_patients_alone():
    numbers = np.tile([0, 1, UNKNOWN], 20)
    known = np.flatnonzero(numbers != UNKNOWN)[:20]
    codes = np.eye(2)[:, np.maximum(numbers, 0)]
    groups = Groups(np.array(["a", "b"]), numbers, [])
    B = reproduce_survey.read_off(codes, groups, known)
    told = numbers != UNKNOWN
    np.testing.assert_array_equal((B @ codes[:, told]).argmax(axis=0), numbers[told])
    others = np.setdiff1d(np.flatnonzero(told), known)
    turned = numbers.copy()
    turned[others] = 1 - turned[others]
    again = reproduce_survey.read_off(codes, Groups(groups.names, turned, []), known)
    np.testing.assert_array_equal(again, B)


# --- Measures and tables -------------------------------------------------------------------------

PARENTS = {"a": "x", "b": "x", "c": "y", "d": "z", "x": "left", "y": "left", "z": "right"}
PLANTED = Survey(np.ones((4, 4)), ["a", "b", "c", "d"], [None] * 4, PARENTS)
FACTORS = [
    np.array([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]),
]


def test_planted_factors_are_recovered_and_blind_ones_are_not():
    assert reproduce_survey.recovery(PLANTED, FACTORS) == {"syndromes": 1, "systems": 1}
    assert reproduce_survey.recovery(PLANTED, FACTORS[:1]) == {"syndromes": 1}
    blind = [np.ones((4, 3)), np.ones((3, 2))]
    assert reproduce_survey.recovery(PLANTED, blind) == {"syndromes": 0, "systems": 0}


def test_without_a_planted_hierarchy_there_is_nothing_to_recover():
    survey = Survey(PLANTED.severities, PLANTED.symptoms, PLANTED.groups)
    assert reproduce_survey.recovery(survey, FACTORS) == {}


def test_keywords_are_the_heaviest_symptoms_of_each_topic_and_its_parent():
    fit = Fit(FACTORS, [np.ones((3, 4)), np.ones((2, 4))])
    text = reproduce_survey.keywords(Case((3, 2), "unsupervised", "mine"), fit, PLANTED.symptoms)
    rows = rows_of(text)
    assert text.startswith("## depth 2, unsupervised, mine\n")
    assert [row[:3] for row in rows[1:]] == [
        *(["0", "0", "1"], ["0", "1", "1"], ["0", "2", "0"]),
        *(["1", "0", ""], ["1", "1", ""]),
    ]
    assert rows[2][3].startswith("a 0.67, b 0.33")
    assert rows[5][3].startswith("c 0.50, a 0.33, b 0.17")


def test_every_depth_has_every_training_and_peers_where_no_labels_are_seen():
    found = reproduce_survey.cases((5, 3), supervised=True)
    assert {case.widths for case in found} == {(5,), (5, 3)}
    peers = {case.training for case in found if case.method in reproduce_survey.HNMF}
    assert peers == {"unsupervised"}
    assert len(found) == 2 * (3 + 2)
    assert len(reproduce_survey.cases((5, 3), supervised=False)) == 2 * 3


def test_a_layer_that_a_shallow_hierarchy_lacks_is_its_coarsest():
    found = [reproduce_survey.layer_of(layer, 2) for layer in (-1, 0, 1, 2)]
    assert found == [-1, 0, 1, 1]


# --- The whole -----------------------------------------------------------------------------------


def test_without_a_table_the_first_line_says_that_all_is_synthetic(tmp_path, capsys):
    reproduce_survey.main([*SMALL, "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.startswith("SYNTHETIC data: 90 patients, 40 symptoms, generated")
    assert "REAL data: none." in printed
    header, *rows = rows_of(printed)
    assert header[3:] == [
        *("error 0", "error 1", "accuracy, some known", "accuracy, all known"),
        *("syndromes", "systems"),
    ]
    methods = [row[2] for row in rows]
    assert len(rows) == 2 * 5 + 1 + 3
    assert methods.count("nnmf_topics") == 6
    bound = [float(cell) for cell in rows[10][3:5]]
    for row in rows[:10]:
        errors = [float(cell.split(" ")[0]) for cell in row[3:5] if cell]
        assert len(errors) == len(row[0].split(","))
        assert all(error >= least - 1e-4 for error, least in zip(errors, bound, strict=False))
    assert (tmp_path / "results.md").read_text(encoding="utf-8").strip() in printed
    words = (tmp_path / "keywords.md").read_text(encoding="utf-8")
    assert words.startswith("SYNTHETIC data")
    assert words.count("## depth") == 10
    pictures = {path.name for path in tmp_path.glob("*.png")}
    trainings = ("unsupervised", "semi-supervised", "supervised")
    assert "matplotlib is not installed" in printed or pictures == {
        f"depth{depth}-{training}.png" for depth in (1, 2) for training in trainings
    }


@pytest.mark.usefixtures("undrawn")
def test_a_table_of_one_s_own_is_named_and_without_matplotlib_all_but_heat_maps_is_written(
    table, tmp_path, capsys
):
    path, folder = table(), tmp_path / "made" / "folder"
    options = ["--widths", "4", "--repeats", "1"]
    reproduce_survey.main([*options, "--data", str(path), "--output", str(folder)])
    printed = capsys.readouterr().out
    assert printed.startswith("REAL data, as far as the file is: 90 patients, 40 symptoms, read f")
    assert "SYNTHETIC data: none" in printed
    header, *_ = rows_of(printed)
    assert "syndromes" not in header
    assert "accuracy, all known" in header
    assert (folder / "keywords.md").read_text(encoding="utf-8").startswith("REAL data")
    assert "no heat maps: matplotlib is not installed" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["keywords.md", "results.md"]


@pytest.mark.usefixtures("undrawn")
def test_a_table_without_groups_is_factorised_without_accuracies(table, tmp_path, capsys):
    path = table([None] * 90)
    reproduce_survey.main([*SMALL, "--data", str(path), "--output", str(tmp_path)])
    printed = capsys.readouterr().out
    header, *rows = rows_of(printed)
    assert "nothing is supervised" in printed
    assert header[3:] == ["error 0", "error 1"]
    assert {row[1] for row in rows} == {"unsupervised", ""}


def test_a_table_that_is_wrong_ends_in_one_line_that_names_the_cell(tmp_path):
    path = tmp_path / "wrong.csv"
    path.write_text("fatigue,fever\n1,-2\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"wrong\.csv, line 2: column 'fever' .*negative"):
        reproduce_survey.main(["--data", str(path), "--output", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"none\.csv"):
        reproduce_survey.main(["--data", str(tmp_path / "none.csv"), "--output", str(tmp_path)])


def test_more_topics_than_symptoms_or_patients_are_refused(tmp_path):
    for options in (["--widths", "41"], ["--patients", "7"]):
        with pytest.raises(SystemExit, match="give smaller --widths"):
            reproduce_survey.main([*options, "--output", str(tmp_path)])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--widths", "3", "5"], "--widths must not grow"),
        (["--widths", "3", "0"], "--widths and --repeats must be positive"),
        (["--repeats", "0"], "--widths and --repeats must be positive"),
        (["--known", "1"], "--known must be between 0 and 1"),
        (["--label-weight", "0"], "--label-weight must be positive"),
        (["--label-layer", "3"], "--label-layer must be -1 or"),
    ],
)
def test_an_option_without_a_meaning_is_refused(options, told, capsys):
    with pytest.raises(SystemExit):
        reproduce_survey.arguments_of(options)
    assert told in capsys.readouterr().err
