import os
import subprocess
import sys
from unicodedata import normalize

import numpy as np
import pytest
from command_line import BAD_TEXTS, PYTHON, call, run
from gensim.matutils import corpus2csc
from gensim.models import TfidfModel

from nnmf_topics import NeuralNMFModel, TopicHierarchy, datasets, evaluation

LEE = datasets.load_lee()


@pytest.fixture(scope="module")
def model():
    return NeuralNMFModel(LEE.corpus[:200], (6, 2), LEE.dictionary, passes=3, random_state=0)


@pytest.fixture
def saved(model, tmp_path):
    path = tmp_path / "news.nnmf"
    model.save(path)
    return path


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "today.txt"
    path.write_text("\n".join([*LEE.documents[200:], "", "zzz qqq"]) + "\n", encoding="utf-8")
    return path


def assert_one_line_that_names(path, answer):
    status, out, err = answer
    assert (status, out.strip()) == (1, "")
    assert err.startswith("nnmf-topics: ")
    assert len(err.splitlines()) == 1
    assert str(path) in err


@pytest.mark.parametrize("layer", [0, 1, -1])
def test_infer_prints_the_topics_of_every_line_the_largest_first(layer, model, saved, texts):
    status, out, err = call("infer", saved, texts, "--layer", layer)
    assert (status, err) == (0, "")
    found = [[pair.split(":") for pair in line.split()] for line in out.splitlines()]
    shares = [{int(number): float(share) for number, share in pairs} for pairs in found]
    expected = [dict(topics) for topics in model.level(layer)[LEE.corpus[200:]]] + [{}, {}]
    assert len(shares) == len(expected)
    for mine, other in zip(shares, expected, strict=True):
        assert mine == pytest.approx(other, abs=6e-4)
        assert list(mine.values()) == sorted(mine.values(), reverse=True)


def test_infer_reads_standard_input_as_it_reads_a_file(saved, texts):
    done = run("infer", saved, "-", input=texts.read_text("utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == call("infer", saved, texts)[1]


def test_train_infer_and_evaluate_have_one_notion_of_a_line(tmp_path):
    text = "flood\u2028crews\x0bflood\r\ncrews\fdrought flood\r\ndrought crews\n" * 5
    (tmp_path / "odd.txt").write_bytes(text.encode())
    path = tmp_path / "out"
    trained = call("train", tmp_path / "odd.txt", "--topics", 2, "--output", path)[1]
    assert trained.startswith("odd.txt: 15 documents, 3 words")
    assert len(call("infer", path, tmp_path / "odd.txt")[1].splitlines()) == 15
    evaluated = call("evaluate", path, tmp_path / "odd.txt")[1]
    assert evaluated.startswith(f"{tmp_path / 'odd.txt'}: 15 documents, 40 known words")


@pytest.mark.parametrize("form", ["dictionary", "dict"])
def test_words_are_found_whatever_form_the_vocabulary_has(form, saved, texts, tmp_path):
    id2word = LEE.dictionary if form == "dictionary" else dict(LEE.dictionary.items())
    other = NeuralNMFModel(LEE.corpus[:200], (6, 2), id2word, passes=3, random_state=0)
    other.save(tmp_path / "other.nnmf")
    assert call("infer", tmp_path / "other.nnmf", texts) == call("infer", saved, texts)


def test_evaluate_prints_the_measures_of_every_layer(model, saved, texts):
    status, out, err = call("evaluate", saved, texts)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    corpus = [*LEE.corpus[200:], []]  # the blank line is no document
    weights = model.term_weights
    corpus = [[(term, count) for term, count in bow if weights[term] > 0] for bow in corpus]
    words = sum(int(count) for bow in corpus for _, count in bow)
    assert lines[0] == f"{texts}: 101 documents, {words} known words"
    rows = [line.split() for line in lines[3:5]]
    occurrence = corpus2csc(corpus, num_terms=model.num_terms).T.tocsc() > 0
    for layer, row in enumerate(rows):
        tops = evaluation.top_words(model.factors, layer)
        expected = (
            *(layer, model.widths[layer]),
            *(evaluation.npmi(tops, occurrence), evaluation.diversity(tops)),
            2 ** -model.level(layer).log_perplexity(corpus),
        )
        np.testing.assert_allclose([float(value) for value in row], expected, rtol=1e-4, atol=6e-4)


@pytest.mark.parametrize("kind", ["model", "hierarchy"])
def test_report_writes_the_page_of_a_model_or_hierarchy(kind, model, saved, tmp_path):
    model.hierarchy.save(tmp_path / "hierarchy")
    path, page = saved if kind == "model" else tmp_path / "hierarchy", tmp_path / "page.html"
    status, out, err = call("report", path, "--output", page, "--words", 5)
    assert (status, err) == (0, "")
    assert str(page) in out
    assert page.read_text("utf-8") == model.hierarchy.to_html(topn=5)


def test_report_refuses_to_write_over_what_it_reads(saved, tmp_path):
    before = saved.read_bytes()
    for output in (saved, tmp_path, tmp_path / "absent" / "page.html", "-"):
        assert_one_line_that_names(output, call("report", saved, "--output", output))
    assert saved.read_bytes() == before


UNANSWERABLE = {**BAD_TEXTS, "unknown": b"zzz\nqqq xxx\n"}


@pytest.mark.parametrize("command", ["infer", "evaluate"])
@pytest.mark.parametrize("content", UNANSWERABLE.values(), ids=UNANSWERABLE)
def test_a_bad_text_is_one_line_on_stderr_that_names_it(command, content, saved, tmp_path):
    path = tmp_path / "stories.txt"
    if content is not None:
        path.write_bytes(content)
    assert_one_line_that_names(path, call(command, saved, path))


@pytest.mark.parametrize("text", ["", "zzz\n"])
def test_bad_standard_input_is_one_line_on_stderr_that_names_it(text, saved):
    done = run("infer", saved, "-", input=text)
    assert_one_line_that_names("standard input", (done.returncode, done.stdout, done.stderr))


@pytest.mark.parametrize("command", ["infer", "evaluate", "report"])
@pytest.mark.parametrize("content", [None, b"", b"text", b"\x80\x04N.", bytes(10_000), b"{}"])
def test_a_bad_model_is_one_line_on_stderr_that_names_it(command, content, texts, tmp_path):
    path = tmp_path / "broken.nnmf"
    if content is not None:
        path.write_bytes(content)
    rest = ("--output", tmp_path / "page.html") if command == "report" else (texts,)
    assert_one_line_that_names(path, call(command, path, *rest))
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("command", ["infer", "evaluate"])
def test_a_hierarchy_in_the_place_of_a_model_is_told_to_know_no_documents(
    command, model, texts, tmp_path
):
    model.hierarchy.save(tmp_path / "hierarchy")
    answer = call(command, tmp_path / "hierarchy", texts)
    assert_one_line_that_names(tmp_path / "hierarchy", answer)
    assert "is no model" in answer[2]
    assert TopicHierarchy.load(tmp_path / "hierarchy").roots


@pytest.mark.parametrize("layer", [2, -3])
def test_a_layer_that_is_not_there_is_one_line_on_stderr(layer, saved, texts):
    assert_one_line_that_names(
        f"layer {layer} does not exist", call("infer", saved, texts, "--layer", layer)
    )


def test_words_that_a_dictionary_has_got_since_the_training_are_unknown(saved, texts, tmp_path):
    model = NeuralNMFModel.load(saved)
    model.id2word.add_documents([["zzz", "qqq"]])
    model.save(tmp_path / "grown.nnmf")
    for command in ("infer", "evaluate"):
        assert call(command, tmp_path / "grown.nnmf", texts) == call(command, saved, texts)


def test_infer_prints_the_same_whatever_the_model_shows_of_documents(saved, texts, tmp_path):
    model = NeuralNMFModel.load(saved)
    model.minimum_probability, model.per_word_topics = 0.7, True
    model.save(tmp_path / "other.nnmf")
    assert call("infer", tmp_path / "other.nnmf", texts) == call("infer", saved, texts)


def test_a_model_without_words_is_one_line_on_stderr(texts, tmp_path):
    NeuralNMFModel(LEE.corpus, (4, 2), passes=1, random_state=0).save(tmp_path / "ids.nnmf")
    assert_one_line_that_names("without id2word", call("infer", tmp_path / "ids.nnmf", texts))


def test_a_model_of_other_weights_than_counts_warns(texts, tmp_path):
    corpus = TfidfModel(LEE.corpus)[LEE.corpus]
    path = tmp_path / "tfidf.nnmf"
    NeuralNMFModel(corpus, (4, 2), LEE.dictionary, passes=1, random_state=0).save(path)
    done = run("infer", path, texts)
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 102)
    [warning] = done.stderr.splitlines()
    assert f"{path} was trained on weights such as tf-idf, and is asked about counts" in warning


@pytest.mark.parametrize("command", [("infer",), ("evaluate",), ("train", "--output", "out")])
def test_a_closed_standard_input_is_one_line_on_stderr(command, saved, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.chdir(tmp_path)
    model = () if command[0] == "train" else (saved,)
    assert_one_line_that_names("standard input is closed", call(*command, *model, "-"))


def test_a_model_may_come_through_a_pipe(saved):
    command = [*PYTHON, "show", "/dev/stdin"]
    with saved.open("rb") as file, subprocess.Popen(["cat"], stdin=file, stdout=-1) as cat:
        done = subprocess.run(
            command, stdin=cat.stdout, capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", call("show", saved)[1])


def test_letters_may_be_composed_or_not(tmp_path):
    text = "müll abfuhr bürger\ndüsseldorf bürger müll\ndüsseldorf abfuhr nahverkehr\n" * 9
    for form in ("NFC", "NFD"):
        (tmp_path / form).write_text(normalize(form, text), encoding="utf-8")
        call("train", tmp_path / form, "--topics", 2, "--output", tmp_path / f"{form}.nnmf")
    shown = {call("show", tmp_path / f"{form}.nnmf") for form in ("NFC", "NFD")}
    assert len(shown) == 1
    answers = {call("infer", tmp_path / "NFC.nnmf", tmp_path / form) for form in ("NFC", "NFD")}
    assert len(answers) == 1


def test_letters_that_the_output_lacks_are_one_line_on_stderr_with_a_remedy(tmp_path):
    (tmp_path / "a.txt").write_text("მზე ზღვა\nზღვა მზე მთა\nმთა\n" * 9, "utf-8")
    call("train", tmp_path / "a.txt", "--topics", 2, "--output", tmp_path / "out")
    done = run("show", tmp_path / "out", env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "PYTHONIOENCODING=utf-8" in line


def test_show_begins_with_a_line_that_says_something(saved):
    assert call("show", saved)[1].startswith("topic, ")
