"""Commands in this process and in one of their own."""

import contextlib
import io
import subprocess
import sys

from nnmf_topics.cli import main

PYTHON = [sys.executable, "-m", "nnmf_topics"]

BAD_TEXTS = {
    "missing": None,
    "empty": b"",
    "blank": b"\n \n\t\n",
    "not_utf8": b"caf\xe9 au lait\n",
    "binary": bytes(range(256)) * 10,
}
"""What is no text, whatever is done with it; of the missing there is no file."""


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
