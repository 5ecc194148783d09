import contextlib
import importlib.metadata
import io
import logging
import os
import subprocess
import sys

import pytest
from models import trained

import nnmf_topics
from nnmf_topics import NeuralNMFModel, datasets
from nnmf_topics.cli import main

COMMANDS = ("demo", "train", "show", "datasets")
PYTHON = [sys.executable, "-m", "nnmf_topics"]


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


def call(*arguments):
    """Exit status, stdout and stderr of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(list(map(str, arguments)))
        except SystemExit as stop:
            status = stop.code
    return status, out.getvalue(), err.getvalue()


def run(*arguments, **options):
    return subprocess.run(
        [*PYTHON, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


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
        ("demo", "--words", "-1"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2_and_says_why(arguments):
    status, out, err = call(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("usage: nnmf-topics")
    assert "Traceback" not in err


def test_demo_shows_topics_and_how_good_they_are():
    status, out, _ = call("demo", "--topics", "6,2", "--words", "4", "--passes", "3")
    lines = out.splitlines()
    assert status == 0
    assert lines[0] == "lee: 300 documents, 3281 words"
    topics = [line for line in lines if "%" in line]
    assert sum(not line.startswith(" ") for line in topics) == 2
    assert sum(line.startswith("    ") for line in topics) == 6
    assert all(len(line.split("%")[1].split()) == 4 for line in topics)
    assert [line.split()[:2] for line in lines[-2:]] == [["0", "6"], ["1", "2"]]


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


def test_datasets_lists_what_can_be_loaded():
    status, out, err = call("datasets")
    assert (status, err) == (0, "")
    for data in datasets.available():
        assert f"{data.name}: {data.description}" in out
        assert data.loader in out
        assert data.licence in out


BAD_TEXTS = {
    "missing": None,
    "empty": b"",
    "blank": b"\n \n\t\n",
    "not_utf8": b"caf\xe9 au lait\n",
    "binary": bytes(range(256)) * 10,
    "no_word_twice": b"one apple\ntwo pears\n",
    "stop_words_only": b"the of and\nthe of and\n",
}


@pytest.mark.parametrize("content", BAD_TEXTS.values(), ids=BAD_TEXTS)
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


def test_verbose_logs_what_is_done(texts, tmp_path):
    done = run("--verbose", "train", texts, "--topics", "3", "--output", tmp_path / "out")
    assert done.returncode == 0
    assert "INFO:nnmf_topics" in done.stderr
    assert "INFO" not in done.stdout


def test_widths_that_rise_are_an_error_without_a_traceback(texts, tmp_path):
    status, _, err = call("train", texts, "--topics", "5,10", "--output", tmp_path / "out")
    assert status != 0
    assert "finest to coarsest" in err
    assert "Traceback" not in err


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
