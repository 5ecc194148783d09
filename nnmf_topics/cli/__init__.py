"""The command line, ``nnmf-topics``: one function that runs a command and tells its errors."""

import logging
import sys
from collections.abc import Sequence

from nnmf_topics.cli.arguments import parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 with one line on stderr, 2 for wrong usage."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        options.run(options)
        print(end="", flush=True)  # unlike sys.stdout.flush() also where stdout is closed
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()  # and need not be told so when Python flushes stdout at exit
    except (OSError, ValueError, TypeError, IndexError, RuntimeError, ImportError) as error:
        print(f"nnmf-topics: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nnmf-topics: interrupted", file=sys.stderr)
        return 130
    return 0


def _told(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        letter = ascii(error.object[error.start])
        return f"{error.encoding} has no {letter}; set PYTHONIOENCODING=utf-8 for the output"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
