"""The command line: ``nnmf-topics demo | train | show | datasets``."""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeGuard

from gensim.models import CoherenceModel

from nnmf_topics import NeuralNMFModel, TopicHierarchy, __version__, datasets

EPILOG = """\
start here:
  nnmf-topics demo                                      300 news stories, in seconds
  nnmf-topics train stories.txt --topics 20,5 --output news.nnmf
  nnmf-topics show news.nnmf
"""

TRAIN = """\
Train on a text file and save the model. Every line is a document; blank lines are skipped. Words
are runs of 2 to 15 letters or underscores, in lower case; digits and punctuation only separate
them. English stop words (gensim's list) and words in fewer than 2 documents are dropped; nothing is
stemmed. The model weighs the counts by itself.
"""

_LAYERS = "separate layers with commas, finest first: --topics 20,5"
_READING = (
    "coherence: higher is better; relative error: 1 explains nothing, .85-.95 is usual for text"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 with one line on stderr, 2 for wrong usage."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        options.run(options)
        print(end="", flush=True)  # unlike sys.stdout.flush() also where stdout is closed
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()  # and need not be told so when Python flushes stdout at exit
    except (OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        text = f"{error.filename}: {error.strerror}" if _names_a_file(error) else str(error)
        print(f"nnmf-topics: {text}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nnmf-topics: interrupted", file=sys.stderr)
        return 130
    return 0


def _names_a_file(error: Exception) -> TypeGuard[OSError]:
    return isinstance(error, OSError) and error.filename is not None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments, or exit with 2."""
    parser = _parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        # In `--topics 20 5 stories.txt` the 5 is taken for the file, and the file is left over.
        stray = [*unknown, str(getattr(options, "file", ""))]
        widths = "topics" in options and any(word.strip(",").isdecimal() for word in stray)
        hint = f"; {_LAYERS}" if widths else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nnmf-topics",
        description="Find a hierarchy of topics in texts: fine topics under coarse ones.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    _add_verbose(parser, default=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str, more: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=more or text)
        added.set_defaults(run=run)
        _add_verbose(added, default=argparse.SUPPRESS)  # without it, what was given before counts
        return added

    demo = command("demo", _demo, "Train on 300 real news stories and show their topics.")
    _add_training_options(demo, topics="20,5")
    train = command("train", _train, "Train on a text file and save the model.", TRAIN)
    train.add_argument("file", type=Path, help="UTF-8 text, one document a line; - for stdin")
    train.add_argument("--output", type=Path, required=True, help="where to write the model")
    _add_training_options(train, topics="50,10")
    show = command("show", _show, "Print the topics of a saved model or hierarchy.")
    show.add_argument("model", type=Path, help="a file of train, model.save or hierarchy.save")
    show.add_argument("--words", type=_positive, default=10, help="words a topic (default 10)")
    command("datasets", _datasets, "List the data sets that the package can load.")
    return parser


def _add_verbose(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--verbose", action="store_true", default=default, help="log what is done")


def _add_training_options(parser: argparse.ArgumentParser, topics: str) -> None:
    parser.add_argument(
        "--topics",
        type=_widths,
        default=topics,
        metavar="N[,N...]",
        help="topics of each layer, finest first, such as 50,10,3; a single N stands for N topics "
        f"under about sqrt(N) coarser ones, and 'N,' for N topics alone (default {topics})",
    )
    parser.add_argument("--passes", type=_positive, help="passes at most (default: to convergence)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument("--words", type=_positive, default=10, help="words a topic (default 10)")


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _widths(text: str) -> int | tuple[int, ...]:
    """Read --topics as Python would: ``20`` is an int, ``20,`` and ``20,5`` are tuples."""
    try:
        widths = tuple(_positive(width) for width in text.removesuffix(",").split(","))
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of numbers from 1 up; {_LAYERS}"
        ) from None
    if list(widths) != sorted(widths, reverse=True):
        raise argparse.ArgumentTypeError(
            f"{text!r} has a layer wider than the one below; {_LAYERS}"
        )
    return widths if "," in text else widths[0]


def _demo(options: argparse.Namespace) -> None:
    data = datasets.load_lee()
    _print_result(_fit(data, options), data, options.words)


def _train(options: argparse.Namespace) -> None:
    _check_output(options.output, options.file)
    with _text_file(options.file) as path:
        data = _load_texts(path)
    model = _fit(data, options)
    model.save(options.output)  # before anything is printed, as the reader may have gone
    _print_result(model, data, options.words)
    print(f"\nsaved to {options.output}; look at it again with: nnmf-topics show {options.output}")


def _check_output(output: Path, text: Path) -> None:
    """Refuse before the training what could not be saved after it."""
    if not output.parent.is_dir():
        raise FileNotFoundError(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise IsADirectoryError(f"{output}: is a folder; give --output the name of a file")
    if output.exists() and not output.is_file():
        return  # a pipe or a device is written into, and nothing is made beside it
    if output.exists() and text.exists() and output.samefile(text):
        raise ValueError(f"{output}: is the text itself; give --output another name")
    try:
        with contextlib.suppress(FileNotFoundError):
            output.stat()  # an error for a name that no file can have
        with tempfile.NamedTemporaryFile(prefix=".", suffix=".part", dir=output.resolve().parent):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(output)) from error


@contextlib.contextmanager
def _text_file(file: Path) -> Iterator[Path]:
    """Give a file as it is, and standard input for ``-`` as a file that lasts for the context."""
    if file != Path("-"):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "standard input")
        path.write_bytes(sys.stdin.buffer.read())
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(os.fspath(path), path.name)) from error


def _load_texts(path: Path) -> datasets.TopicCorpus:
    """Load a text file, with the remedies that there are on the command line."""
    try:
        return datasets.load_texts(path)
    except ValueError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            raise ValueError(f"{error}; convert it with iconv") from error
        if "no_below" in str(error.__cause__):
            raise ValueError(
                f"{path}: no word is in 2 documents (stop words do not count); "
                "write one document a line, and more of them"
            ) from error
        raise


def _fit(data: datasets.TopicCorpus, options: argparse.Namespace) -> NeuralNMFModel:
    with contextlib.suppress(BrokenPipeError):  # a model is wanted even if nobody reads
        print(f"{data.name}: {len(data)} documents, {len(data.dictionary)} words", flush=True)
    return NeuralNMFModel(
        data.corpus,
        options.topics,
        data.dictionary,
        passes=options.passes,
        random_state=options.seed,
        # A bar into a pipe would stop the training with its reader.
        progress=bool(sys.stderr and sys.stderr.isatty()),
    )


def _print_result(model: NeuralNMFModel, data: datasets.TopicCorpus, words: int) -> None:
    _print_hierarchy(model.hierarchy, words)
    _print_layers(model, data)


def _print_layers(model: NeuralNMFModel, data: datasets.TopicCorpus) -> None:
    """Print how well the words of each layer's topics go together, and how well the layer fits."""
    print("\nlayer  topics  coherence (c_npmi)  relative error")
    for layer, error in enumerate(model.history.errors[-1]):
        coherence = CoherenceModel(
            model.level(layer),
            texts=data.texts,
            dictionary=data.dictionary,
            coherence="c_npmi",
            processes=1,
        ).get_coherence()
        print(f"{layer:5}  {model.widths[layer]:6}  {coherence:18.3f}  {error:14.3f}")
    print(_READING)


def _show(options: argparse.Namespace) -> None:
    with options.model.open("rb") as file:
        start = file.read(8)  # of a model a small number in 8 bytes, some of which are zero
    if start.lstrip().startswith(b"{") and b"\0" not in start:
        hierarchy = TopicHierarchy.load(options.model)
    else:
        hierarchy = NeuralNMFModel.load(options.model).hierarchy
    _print_hierarchy(hierarchy, options.words)


def _print_hierarchy(hierarchy: TopicHierarchy, words: int) -> None:
    print("\ntopic, its share of the corpus or of the topic above, its strongest words\n")
    hierarchy.print(topn=words)


def _datasets(_options: argparse.Namespace) -> None:
    for data in datasets.available():
        print(f"{data.name}: {data.description}")
        print(f"    size     {data.size}")
        print(f"    source   {data.source}")
        print(f"    licence  {data.licence}")
        print(f"    load     nnmf_topics.datasets.{data.loader}\n")
