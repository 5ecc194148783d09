import importlib.metadata
import logging
import os
import subprocess
import sys

import pytest
from command_line import BAD_TEXTS, PYTHON, call, run
from models import trained

import nnmf_topics
from nnmf_topics import NeuralNMFModel, TopicHierarchy, datasets
from nnmf_topics.cli import main

COMMANDS = ("demo", "train", "show", "infer", "evaluate", "report", "datasets")


@pytest.fixture(autouse=True)
def _root_logger_as_it_was():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "stories.txt"
    lines = datasets.load_lee().documents[:60]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "news.nnmf"
    trained().save(path)
    return path


def test_version_is_that_of_the_package():
    assert call("--version") == (0, f"{nnmf_topics.__version__}\n", "")


def test_help_names_every_command_and_how_to_start():
    status, out, err = call("--help")
    assert (status, err) == (0, "")
    assert all(command in out for command in COMMANDS)
    assert "nnmf-topics train stories.txt --topics 20,5 --output news.nnmf" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    status, out, err = call(command, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: nnmf-topics {command}")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("show",),
        ("train", "x.txt"),
        ("show", "x", "--colour"),
        ("demo", "--topics", "ten"),
        ("demo", "--topics", ""),
        ("demo", "--topics", "20,,5"),
        ("demo", "--topics", "20,-5"),
        ("demo", "--topics", "0"),
        ("demo", "--passes", "0"),
        ("demo", "--passes", "1.5"),
        ("demo", "--seed", "x"),
        ("demo", "--seed", "-1"),
        ("demo", "--seed", str(2**32)),
        ("demo", "--words", "-1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_why(arguments):
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: nnmf-topics")
    assert "Traceback" not in err


TOPICS_REMEDY = "separate layers with commas, finest first: --topics 20,5"


@pytest.mark.parametrize(
    "widths",
    [("20 5",), ("20", "5"), ("20,", "5"), ("5,20",), ("20,,5",), ("0",), (",",)],
    ids=" ".join,
)
@pytest.mark.parametrize("file_comes", ["first", "last"])
def test_wrong_widths_are_told_how_to_be_written(widths, file_comes):
    options = ("--topics", *widths)
    words = ("x.txt", *options) if file_comes == "first" else (*options, "x.txt")
    status, out, err = call("train", "--output", "y.nnmf", *words)
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].endswith(f"; {TOPICS_REMEDY}")


def test_other_unknown_arguments_are_not_told_about_widths():
    for arguments in (("show", "x", "5"), ("train", "x", "y", "--output", "z")):
        status, _, err = call(*arguments)
        assert status == 2
        assert "unrecognized arguments" in err
        assert "commas" not in err


@pytest.mark.parametrize(
    ("argument", "num_topics"), [("9", 9), ("3", 3), ("9,", (9,)), ("6,4,2", (6, 4, 2))]
)
def test_widths_mean_what_they_mean_in_python(argument, num_topics, texts, tmp_path):
    call("train", texts, "--topics", argument, "--passes", 1, "--output", tmp_path / "out")
    expected = NeuralNMFModel(num_topics=num_topics, id2word={0: "a"}).widths
    assert NeuralNMFModel.load(tmp_path / "out").widths == expected


@pytest.mark.parametrize("command", ["demo", "train"])
def test_help_tells_what_a_single_width_means(command):
    text = " ".join(call(command, "--help")[1].split())
    assert "a single N stands for N topics under about sqrt(N) coarser ones" in text


def test_help_of_train_tells_what_becomes_of_the_text(tmp_path):
    text = " ".join(call("train", "--help")[1].split())
    for claim in (
        "Every line is a document; blank lines are skipped",
        "runs of 2 to 15 letters or underscores, in lower case",
        "digits and punctuation only separate them",
        "stop words (gensim's list) and words in fewer than 2 documents are dropped",
        "nothing is stemmed",
    ):
        assert claim in text
    long, longer = "l" * 15, "m" * 16
    line = f"The CATS' x o_x cats2dogs {long} {longer}"
    (tmp_path / "two.txt").write_text(f"{line}\n \n{line} once\n")
    call("train", tmp_path / "two.txt", "--topics", 1, "--output", tmp_path / "out")
    model = NeuralNMFModel.load(tmp_path / "out")
    assert model.num_documents == 2
    assert set(model.id2word.values()) == {"cats", "o_x", "dogs", long}


def test_demo_shows_topics_and_how_good_they_are():
    status, out, _ = call("demo", "--topics", "6,2", "--words", "4", "--passes", "3")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "lee: 300 documents, 3281 words"
    topics = [line for line in lines if "%" in line]
    assert sum(not line.startswith(" ") for line in topics) == 2
    assert sum(line.startswith("    ") for line in topics) == 6
    assert all(len(line.split("%")[1].split()) == 4 for line in topics)
    assert [line.split()[:2] for line in lines[-3:-1]] == [["0", "6"], ["1", "2"]]


def test_the_last_line_of_the_demo_tells_how_to_read_the_table_above():
    lines = call("demo", "--topics", "3", "--passes", "1")[1].splitlines()
    assert lines[-3].split("  ")[2:] == ["coherence (c_npmi)", "relative error"]
    assert "coherence: higher is better" in lines[-1]
    assert "relative error: 1 explains nothing, .85-.95 is usual" in lines[-1]


def test_train_saves_the_model_that_show_prints(texts, tmp_path):
    output = tmp_path / "news.nnmf"
    options = ("--topics", "5,2", "--output", output, "--seed", 3, "--words", 6)
    status, out, _ = call("train", texts, *options)
    assert status == 0
    assert out.splitlines()[0].startswith("stories.txt: 60 documents, ")
    assert out.splitlines()[-1].endswith(f"nnmf-topics show {output}")
    model = NeuralNMFModel.load(output)
    assert model.widths == (5, 2)
    status, shown, err = call("show", output, "--words", 6)
    assert (status, err) == (0, "")
    assert model.hierarchy.to_text(topn=6).strip() in shown
    assert model.hierarchy.to_text(topn=6).strip() in out


def test_train_with_the_same_seed_gives_the_same_topics(texts, tmp_path):
    shown = []
    for name in ("a", "b"):
        call("train", texts, "--topics", "4,2", "--output", tmp_path / name, "--seed", 1)
        shown.append(call("show", tmp_path / name)[1])
    assert shown[0] == shown[1]


def test_show_prints_every_topic_once(saved):
    status, out, err = call("show", saved)
    assert (status, err) == (0, "")
    assert out.count("%") == 6 + 3 + 2


@pytest.mark.parametrize("indent", [None, 0, 2, "save"])
def test_show_prints_a_saved_hierarchy_as_its_model(saved, tmp_path, indent):
    path, hierarchy = tmp_path / "hierarchy.json", trained().hierarchy
    if indent == "save":
        hierarchy.save(path)
    else:
        path.write_text(hierarchy.to_json(indent=indent), encoding="ascii")
    assert call("show", path) == call("show", saved)


def test_a_damaged_hierarchy_and_other_json_are_one_line_on_stderr(tmp_path):
    path = tmp_path / "hierarchy.json"
    TopicHierarchy.save(trained().hierarchy, path)
    path.write_text(path.read_text().replace('"index": 1', '"index": 7', 1))
    for message in ("damaged", "not a topic hierarchy"):
        status, out, err = call("show", path)
        assert (status, out) == (1, "")
        assert err.startswith(f"nnmf-topics: {path}: {message}")
        assert len(err.splitlines()) == 1
        path.write_text('{"format": "other"}')


def test_datasets_lists_what_can_be_loaded():
    status, out, err = call("datasets")
    assert (status, err) == (0, "")
    for data in datasets.available():
        assert f"{data.name}: {data.description}" in out
        assert data.loader in out
        assert data.licence in out


UNTRAINABLE = {
    **BAD_TEXTS,
    "no_word_twice": b"one apple\ntwo pears\n",
    "stop_words_only": b"the of and\nthe of and\n",
}


@pytest.mark.parametrize("content", UNTRAINABLE.values(), ids=UNTRAINABLE)
def test_a_bad_text_file_is_one_line_on_stderr_that_names_it(content, tmp_path):
    path = tmp_path / "stories.txt"
    if content is not None:
        path.write_bytes(content)
    status, out, err = call("train", path, "--output", tmp_path / "out")
    assert (status, out) == (1, "")
    assert err.startswith("nnmf-topics: ")
    assert len(err.splitlines()) == 1
    assert str(path) in err
    assert not (tmp_path / "out").exists()


def test_text_of_another_encoding_is_told_to_be_converted(tmp_path):
    (tmp_path / "latin.txt").write_bytes(BAD_TEXTS["not_utf8"])
    _, _, err = call("train", tmp_path / "latin.txt", "--output", tmp_path / "out")
    assert err.endswith("; convert it with iconv\n")


@pytest.mark.parametrize("name", ["no_word_twice", "stop_words_only"])
def test_text_without_a_common_word_is_told_what_is_missing(name, tmp_path):
    (tmp_path / "tiny.txt").write_bytes(UNTRAINABLE[name])
    _, _, err = call("train", tmp_path / "tiny.txt", "--output", tmp_path / "out")
    assert "tiny.txt: no word is in 2 documents" in err
    assert "one document a line" in err
    assert "no_below" not in err


@pytest.mark.parametrize("content", [None, b"", b"text", b"\x80\x04N.", bytes(10_000)])
def test_a_bad_model_file_is_one_line_on_stderr_that_names_it(content, tmp_path):
    path = tmp_path / "news.nnmf"
    if content is not None:
        path.write_bytes(content)
    status, out, err = call("show", path)
    assert (status, out) == (1, "")
    assert err.startswith("nnmf-topics: ")
    assert len(err.splitlines()) == 1
    assert str(path) in err


def test_a_folder_in_the_place_of_a_file_is_one_line_on_stderr(tmp_path, texts):
    for arguments in (("show", tmp_path), ("train", tmp_path, "--output", tmp_path / "out")):
        status, _, err = call(*arguments)
        assert status == 1
        assert str(tmp_path) in err.splitlines()[-1]
    status, _, err = call("train", texts, "--topics", "3", "--output", tmp_path)
    assert status == 1
    assert str(tmp_path) in err.splitlines()[-1]


def test_an_untrained_model_is_one_line_on_stderr(tmp_path):
    NeuralNMFModel(num_topics=2, id2word={0: "cat"}).save(tmp_path / "new.nnmf")
    status, _, err = call("show", tmp_path / "new.nnmf")
    assert status == 1
    assert len(err.splitlines()) == 1
    assert "not trained" in err


@pytest.mark.parametrize("place", [0, 1, 2, 6])
def test_verbose_anywhere_logs_what_is_done(texts, tmp_path, place):
    arguments = ["train", texts, "--topics", "3", "--output", tmp_path / "out"]
    arguments.insert(place, "--verbose")
    done = run(*arguments)
    assert done.returncode == 0
    assert "INFO:nnmf_topics" in done.stderr
    assert "INFO" not in done.stdout


# As processes


def test_a_pipe_gets_no_colour_no_cursor_movement_and_no_progress(texts, tmp_path):
    environment = {**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": ""}
    done = run("train", texts, "--topics", "4,2", "--output", tmp_path / "out", env=environment)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout
    assert "pass/s" not in done.stdout
    assert "\x1b" not in done.stderr


def test_an_error_as_a_process_is_one_line_without_a_traceback(tmp_path):
    done = run("show", tmp_path / "missing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"nnmf-topics: {tmp_path / 'missing'}: No such file or directory"
    ]


def test_a_missing_folder_for_the_model_is_an_error_before_training(tmp_path):
    (tmp_path / "stories.txt").write_text("cats and dogs\n" * 9)
    done = run("train", tmp_path / "stories.txt", "--output", tmp_path / "absent" / "model")
    assert (done.returncode, done.stdout) == (1, "")
    assert str(tmp_path / "absent" / "model") in done.stderr


def test_an_output_that_cannot_be_written_is_refused_before_the_training(texts, tmp_path):
    for output in (
        tmp_path,
        tmp_path / ("x" * 300),
        texts,
        texts / "model",
        "/proc/model",  # read-only even for root, or absent
    ):
        before = sorted(tmp_path.iterdir())
        status, out, err = call("train", texts, "--output", output)
        assert (status, out) == (1, "")
        assert err.startswith(f"nnmf-topics: {output}: ")
        assert len(err.splitlines()) == 1
        assert sorted(tmp_path.iterdir()) == before


def test_train_reads_standard_input(texts, tmp_path):
    options = ("--topics", "5,2", "--seed", 1)
    done = run("train", "-", *options, "--output", tmp_path / "a", input=texts.read_text("utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("standard input: 60 documents, ")
    call("train", texts, *options, "--output", tmp_path / "b")
    assert call("show", tmp_path / "a") == call("show", tmp_path / "b")


@pytest.mark.parametrize("text", ["", "one apple\ntwo pears\n"])
def test_bad_standard_input_is_one_line_on_stderr_that_names_it(text, tmp_path):
    done = run("train", "-", "--output", tmp_path / "out", input=text)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("nnmf-topics: standard input")
    assert len(done.stderr.splitlines()) == 1


def test_the_model_is_saved_even_if_nobody_reads_what_is_printed(texts, tmp_path):
    command = [*PYTHON, "train", str(texts), "--topics", "5,2", "--output", str(tmp_path / "out")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        process.stdout.close()  # before anything is written
        assert process.stderr.read() == b""
        assert process.wait(60) == 0
    assert NeuralNMFModel.load(tmp_path / "out").widths == (5, 2)


@pytest.mark.parametrize("redirection", ["", "2>&1"])
def test_train_into_head_saves_the_model(texts, tmp_path, redirection):
    command = " ".join([*PYTHON, "train", str(texts), "--topics", "9,3", "--words", "500"])
    command += f" --output {tmp_path / 'out'} {redirection} | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("stories.txt: 60 documents, ")
    assert len(done.stdout.splitlines()) == 1
    assert NeuralNMFModel.load(tmp_path / "out").widths == (9, 3)


def test_closed_streams_are_no_error(texts, tmp_path, monkeypatch):
    # Python gives None in the place of a closed stream. (Some versions of NumPy cannot be imported
    # without stderr, so that this is not tried in a process of its own.)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["train", str(texts), "--topics", "5,2", "--output", str(tmp_path / "out")]) == 0
    monkeypatch.undo()
    assert NeuralNMFModel.load(tmp_path / "out").widths == (5, 2)


def test_a_reader_that_stops_early_is_no_error(saved):
    with subprocess.Popen(
        [*PYTHON, "show", str(saved), "--words", "150"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()  # before anything is written
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_show_into_head_prints_one_line_and_no_error(saved):
    command = " ".join([*PYTHON, "show", str(saved)])
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -2 | tail -1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_the_console_script_is_the_module():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="nnmf-topics")
    assert script.load() is main
