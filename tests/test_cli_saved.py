import numpy as np
import pytest
from command_line import call, run
from gensim.matutils import corpus2csc

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


def test_a_line_ends_at_a_line_feed_only(saved, tmp_path):
    (tmp_path / "odd.txt").write_bytes("fire\u2028rescue\x0bcrews\r\n\fdrought\n".encode())
    assert len(call("infer", saved, tmp_path / "odd.txt")[1].splitlines()) == 2


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
    for output in (saved, tmp_path, tmp_path / "absent" / "page.html"):
        assert_one_line_that_names(output, call("report", saved, "--output", output))
    assert saved.read_bytes() == before


BAD_TEXTS = {
    "missing": None,
    "empty": b"",
    "blank": b"\n \n\t\n",
    "not_utf8": b"caf\xe9 au lait\n",
    "binary": bytes(range(256)) * 10,
    "unknown": b"zzz\nqqq xxx\n",
}


@pytest.mark.parametrize("command", ["infer", "evaluate"])
@pytest.mark.parametrize("content", BAD_TEXTS.values(), ids=BAD_TEXTS)
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
