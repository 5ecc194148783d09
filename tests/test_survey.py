import csv

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from nnmf_topics import NeuralNMF
from nnmf_topics.datasets import Survey, load_survey, make_survey
from nnmf_topics.topics import topic_term

TABLE = "id,group,fatigue,fever\np1,well,0,2\np2,,3.5,4\n"


@pytest.fixture
def written(tmp_path):
    """Write a table, and return its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def write_csv(path, survey):
    """Write a survey as a user would."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["group", *survey.symptoms])
        for group, row in zip(survey.groups, survey.severities, strict=True):
            writer.writerow([group or "", *row])


# --- A table of one's own ------------------------------------------------------------------------


def test_a_table_is_patients_by_symptoms_with_a_group_for_each_or_none(written):
    survey = load_survey(written(TABLE))
    assert isinstance(survey, Survey)
    np.testing.assert_array_equal(survey.severities, [[0, 2], [3.5, 4]])
    assert survey.severities.dtype == np.float64
    assert survey.symptoms == ["fatigue", "fever"]
    assert survey.groups == ["well", None]
    assert survey.hierarchy is None
    assert len(survey) == 2
    assert repr(survey) == "<Survey: 2 patients, 2 symptoms, 1 groups known of 1 patients>"


def test_a_survey_that_is_written_is_read_again(tmp_path):
    survey = make_survey(30, random_state=0)
    write_csv(tmp_path / "survey.csv", survey)
    again = load_survey(tmp_path / "survey.csv")
    np.testing.assert_array_equal(again.severities, survey.severities)
    assert again.symptoms == survey.symptoms
    assert again.groups == survey.groups
    assert None in again.groups


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\n\n") + ",,,\n",
        TABLE.replace(",", " , "),
        TABLE.replace("id,group", "ID,Group"),
        "fatigue,id,fever,group\n0,p1,2,well\n3.5,p2,4,\n",
        'id,group,fatigue,"fever"\n"p1","well","0",2.0\np2,,35e-1,4',
    ],
    ids=["mark", "crlf", "blank lines", "blanks", "case", "order", "quotes"],
)
def test_what_spreadsheets_write_in_other_ways_is_the_same_table(written, content):
    survey = load_survey(written(content))
    np.testing.assert_array_equal(survey.severities, [[0, 2], [3.5, 4]])
    assert survey.symptoms == ["fatigue", "fever"]
    assert survey.groups == ["well", None]


def test_id_and_group_may_be_absent_and_then_no_group_is_known(written):
    survey = load_survey(written("fatigue\n1\n-0\n"))
    assert survey.groups == [None, None]
    assert not np.signbit(survey.severities).any()


def test_a_name_of_a_symptom_may_hold_a_comma_a_quote_or_a_letter_that_is_not_ascii(written):
    survey = load_survey(written('"pain, ""sharp""",Müdigkeit\n1,2\n'))
    assert survey.symptoms == ['pain, "sharp"', "Müdigkeit"]


def test_an_empty_severity_is_zero_only_if_told_so(written):
    path = written("group,fatigue,fever\nwell,,2\n")
    with pytest.raises(ValueError, match=r"line 2: column 'fatigue' is empty; .*missing='zero'"):
        load_survey(path)
    np.testing.assert_array_equal(load_survey(path, missing="zero").severities, [[0, 2]])
    with pytest.raises(ValueError, match="missing='mean' must be 'error' or 'zero'"):
        load_survey(path, missing="mean")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("fatigue,fever\n1,2\n1\n", r"line 3: 1 cells for the 2 columns .*; separate cells by"),
        ("fatigue,fever\n1,2,3\n", r"line 2: 3 cells for the 2 columns .*double quotes"),
        ("fatigue,fever\n1,much\n", r"line 2: column 'fever' holds 'much', not a number; write"),
        ("fatigue,fever\n1,nan\n", r"line 2: column 'fever' holds 'nan', not a number; .*empty"),
        ("fatigue,fever\n1,1_0\n", r"line 2: column 'fever' holds '1_0', not a number"),
        ("fatigue,fever\n1,-1\n", r"line 2: column 'fever' holds '-1', .*negative; .*begin at 0"),
        ("fatigue,fever\n1,inf\n", r"line 2: column 'fever' holds 'inf', .*infinite; .*finite"),
        ("fatigue,fever\n1,-inf\n", r"line 2: column 'fever' holds '-inf', which is negative"),
        ("fatigue,fever\n1,1e999\n", r"line 2: column 'fever' holds '1e999', which is infinite"),
        ("a,fever,Fever\n1,2,3\n", r"line 1: columns 2 and 3 are both named 'Fever'; rename or"),
        ("group,Group,a\nx,y,3\n", r"line 1: columns 1 and 2 are both named 'Group'"),
        ("fatigue,,fever\n1,2,3\n", r"line 1: column 2 has no name; name the symptom"),
        ("id,group\np1,well\n", r"line 1: no symptoms; give each a column of its own, such as"),
        ("id,fever\n", r"table.csv has no patients; write one a line below the header, such as"),
        ("id,fever\n\n,\n", r"table.csv has no patients"),
        ("", r"table.csv is empty; name the columns in the first line, such as 'id,group"),
        ("\n\n", r"table.csv is empty"),
        ("id;fever\np1;1\n", r"line 1: cells are separated by ';'; separate them by commas"),
        ("id\tfever\np1\t1\n", r"line 1: cells are separated by '\\t'; separate them by commas"),
        ("id,a\np1,1\n\np1,2\n", r"line 4: column 'id': 'p1' is on line 2 already; give each"),
        ('fever\n1\n"2\n3\n', r"line 3: not CSV \(.*\); close every double quote"),
        ('fever\n"1"2\n', r"line 2: not CSV \(.*\); .*double those within"),
        ("fever\n1\nfieber: hoch, fühlt\n".encode("latin-1"), r"line 3: not UTF-8 .*'CSV UTF-8'"),
        ("fever\n1\n".encode("utf-16"), r"line 1: not UTF-8 text"),
        ('"fe\nver",a\n1,2\n1,x\n', r"line 4: column 'a' holds 'x'"),
    ],
)
def test_an_error_names_file_line_column_and_remedy(written, content, told):
    path = written(content)
    with pytest.raises(ValueError, match=told) as caught:
        load_survey(path)
    assert str(caught.value).startswith(str(path))


def test_patients_without_a_name_are_not_the_same_patient(written):
    assert len(load_survey(written("id,fever\n,1\n,1\n"))) == 2


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        load_survey(tmp_path / "none.csv")


# --- A survey that is generated ------------------------------------------------------------------


def test_a_generated_survey_holds_the_answers_of_a_questionnaire():
    survey = make_survey(203, random_state=0)
    assert survey.severities.shape == (203, 40) == (len(survey), len(survey.symptoms))
    assert set(np.unique(survey.severities)) == {0, 1, 2, 3, 4}
    assert not np.signbit(survey.severities).any()
    assert set(np.unique(make_survey(50, highest=10, random_state=0).severities)) == set(range(11))
    assert len(set(survey.symptoms)) == 40


def test_every_symptom_has_a_syndrome_and_every_syndrome_a_system():
    survey = make_survey(1, random_state=0)
    parents = survey.hierarchy
    syndromes = {parents[symptom] for symptom in survey.symptoms}
    systems = {parents[syndrome] for syndrome in syndromes}
    assert (len(syndromes), len(systems)) == (8, 3)
    assert parents.keys() == {*survey.symptoms, *syndromes}
    assert not systems & parents.keys()


def test_groups_are_of_equal_size_and_a_share_of_them_is_unknown():
    groups = make_survey(202, unlabelled=0, random_state=0).groups
    assert sorted(groups.count(name) for name in set(groups)) == [50, 50, 51, 51]
    assert make_survey(200, unlabelled=0.25, random_state=0).groups.count(None) == 50
    assert set(make_survey(20, unlabelled=1, random_state=0).groups) == {None}


def test_a_group_has_most_of_the_system_that_leads_it():
    survey = make_survey(800, unlabelled=0, random_state=0)
    parents = survey.hierarchy
    systems = np.array([parents[parents[symptom]] for symptom in survey.symptoms])
    groups = np.array(survey.groups)
    mild = survey.severities[groups == "mild"].mean()
    for system in np.unique(systems):
        led = survey.severities[groups == f"{system}-led"]
        means = {name: led[:, systems == name].mean() for name in np.unique(systems)}
        assert max(means, key=means.get) == system
        assert mild < min(means.values())


def test_symptoms_of_a_syndrome_go_together_more_than_those_of_a_system_and_those_than_others():
    survey = make_survey(2000, random_state=0)
    parents = survey.hierarchy
    syndromes = np.array([parents[symptom] for symptom in survey.symptoms])
    systems = np.array([parents[syndrome] for syndrome in syndromes])
    correlation = np.corrcoef(survey.severities.T)
    same, near = (names[:, None] == names for names in (syndromes, systems))
    apart = ~np.eye(40, dtype=bool)
    means = [correlation[mask & apart].mean() for mask in (same, near & ~same, ~near)]
    assert means[0] > means[1] + 0.05 > means[2] + 0.1


def test_without_noise_and_mixing_a_syndrome_is_one_pattern():
    survey = make_survey(300, highest=10_000, noise=0, mixing=0, random_state=0)
    first = survey.severities[:, :5]
    inside = first[(first.max(axis=1) < 10_000) & (first.min(axis=1) > 100)]
    shares = inside / inside.sum(axis=1, keepdims=True)
    assert len(inside) > 50
    assert shares.std(axis=0).max() < 2e-3


def test_the_seed_decides_the_survey():
    first, again, other = (make_survey(50, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.severities, again.severities)
    assert first.groups == again.groups
    assert (first.severities != other.severities).any()
    assert first.groups != other.groups


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"patients": 0}, "patients must be at least 1"),
        ({"patients": 2.5}, "patients must be an integer"),
        ({"highest": 0}, "highest must be at least 1"),
        ({"noise": -1}, "noise must be above 0"),
        ({"noise": float("inf")}, "noise must be above 0"),
        ({"mixing": 1.5}, "mixing must be from 0 to 1"),
        ({"unlabelled": -0.1}, "unlabelled must be from 0 to 1"),
    ],
)
def test_an_option_out_of_range_is_named(options, told):
    with pytest.raises((ValueError, TypeError), match=told):
        make_survey(**options)


@pytest.mark.parametrize("seed", range(3))
def test_planted_syndromes_and_systems_are_recovered_far_better_than_by_chance(seed):
    survey = make_survey(300, random_state=seed)
    model = NeuralNMF((8, 3), random_state=seed, device="cpu").fit(survey.severities)
    syndromes = [survey.hierarchy[symptom] for symptom in survey.symptoms]
    systems = [survey.hierarchy[syndrome] for syndrome in syndromes]
    random = np.random.default_rng(seed)
    for layer, planted in enumerate((syndromes, systems)):
        found = topic_term(model.factors_, layer).argmax(axis=0)
        by_chance = [adjusted_rand_score(planted, random.permutation(found)) for _ in range(100)]
        assert adjusted_rand_score(planted, found) > max(0.6, *by_chance)


def test_groups_of_a_survey_are_labels_of_the_estimator():
    survey = make_survey(300, random_state=0)
    model = NeuralNMF((8, 3), random_state=0, device="cpu").fit(survey.severities, survey.groups)
    known = [number for number, group in enumerate(survey.groups) if group is not None]
    truth = [survey.groups[number] for number in known]
    assert list(model.classes_) == sorted(set(truth))
    assert model.score(survey.severities[known], truth) > 0.4  # chance is 0.25
