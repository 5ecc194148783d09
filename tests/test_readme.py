"""What README.md shows is run as it stands there."""

import re
import shlex
from pathlib import Path

from nnmf_topics.cli import main
from nnmf_topics.cli.arguments import parse

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(*languages):
    """(line of the first line, text) of every block in these languages."""
    text = README.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(2)) + 1, match[2])
        for match in BLOCK.finditer(text)
        if match[1] in languages
    ]


def test_every_python_block_runs_after_those_before_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert blocks("python")
    namespace = {"__name__": "__main__"}
    for line, code in blocks("python"):
        # The blank lines make tracebacks tell the line of README.md.
        exec(compile("\n" * (line - 1) + code, str(README), "exec"), namespace)


def test_the_first_bash_block_is_two_commands_to_install_and_to_test():
    _, first = blocks("bash")[0]
    commands = [line for line in first.splitlines() if line.strip()]
    assert len(commands) == 2
    install, test = commands
    assert "pip install ." in install
    assert "nnmf-topics demo" in install
    assert "pytest" in test


def test_every_command_of_the_package_is_understood():
    commands = [
        command
        for _, script in blocks("bash", "sh")
        for command in re.findall(r"^nnmf-topics .*$", script, re.MULTILINE)
    ]
    assert len(commands) >= 2
    for command in commands:
        options = parse(shlex.split(command, comments=True)[1:])  # or exits
        assert callable(options.run)


def test_every_link_into_the_repository_leads_to_a_file():
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    assert [link for link in links if not (README.parent / link).exists()] == []


def test_the_picture_of_the_demo_has_lines_that_it_prints(capsys):
    ((_, picture),) = blocks("text")
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out.splitlines()
    shown = [line for line in picture.splitlines() if line.strip() != "..."]
    assert len(shown) > 5

    # The last digits depend on the machine's BLAS, and so do shares and close ranks.
    def words(line):
        return set(re.sub(r"^\s*\d+\s+\d+ %", "", line).split())

    for line in shown:
        assert max(len(words(line) & words(other)) for other in printed) >= 8, line
