"""The command line, ``nnmf-topics``: one function that runs a command and tells its errors."""

import logging
import sys
from collections.abc import Sequence
from typing import TypeGuard

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
    except UnicodeEncodeError as error:
        remedy = "set the environment variable PYTHONIOENCODING=utf-8"
        print(
            f"nnmf-topics: {error.encoding} has no {error.object[error.start]!a}; {remedy}",
            file=sys.stderr,
        )
        return 1
    except (OSError, ValueError, TypeError, IndexError, RuntimeError, ImportError) as error:
        text = f"{error.filename}: {error.strerror}" if _names_a_file(error) else str(error)
        print(f"nnmf-topics: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nnmf-topics: interrupted", file=sys.stderr)
        return 130
    return 0


def _names_a_file(error: Exception) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.filename is not None
