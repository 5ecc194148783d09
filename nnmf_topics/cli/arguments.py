"""What may be written on the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nnmf_topics import __version__
from nnmf_topics.cli import saved, tables, training

EPILOG = """\
start here:
  nnmf-topics demo                                      300 news stories, in seconds
  nnmf-topics train stories.txt --topics 20,5 --output news.nnmf
  nnmf-topics show news.nnmf
  nnmf-topics infer news.nnmf today.txt
"""

TRAIN = """\
Train on a text file and save the model. Every line is a document; blank lines are skipped. Words
are runs of 2 to 15 letters or underscores, in lower case; digits and punctuation only separate
them. English stop words (gensim's list) and words in fewer than 2 documents are dropped; nothing is
stemmed. The model weighs the counts by itself.
"""

INFER = """\
Print the topics of each line of a text file, one line for a line: TOPIC:SHARE for every topic with
at least a hundredth of the document's (weighted) words, the largest first; an empty line where the
model knows no word. Words are found as by train, and counted.
"""

EVALUATE = """\
Print how good the topics of a saved model are for the documents of a text file, one a line: of
every layer the coherence of its topics (NPMI of their ten strongest words in whole documents, -1
for a pair that is never together), their diversity (distinct words among these) and the perplexity.
Best on some hundreds of documents that the model was not trained on.
"""

_LAYERS = "separate layers with commas, finest first: --topics 20,5"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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

    demo = command("demo", training.demo, "Train on 300 real news stories and show their topics.")
    _add_training_options(demo, topics="20,5")
    train = command("train", training.train, "Train on a text file and save the model.", TRAIN)
    _add_text(train)
    train.add_argument("--output", type=Path, required=True, help="where to write the model")
    _add_training_options(train, topics="50,10")
    show = command("show", saved.show, "Print the topics of a saved model or hierarchy.")
    _add_saved(show)
    infer = command("infer", saved.infer, "Print the topics of every line of a text file.", INFER)
    _add_model(infer)
    _add_text(infer)
    infer.add_argument(
        "--layer", type=int, default=0, help="0 the finest (default), -1 the coarsest"
    )
    evaluate = command("evaluate", saved.evaluate, "Print how good a model's topics are.", EVALUATE)
    _add_model(evaluate)
    _add_text(evaluate)
    report = command("report", saved.report, "Write the topics as a page of HTML, to be opened.")
    _add_saved(report)
    report.add_argument("--output", type=Path, required=True, help="where to write the page")
    command(
        "datasets",
        lambda _: tables.print_datasets(),
        "List the data sets that the package can load.",
    )
    return parser


def _add_verbose(parser: argparse.ArgumentParser, default: object) -> None:
    parser.add_argument("--verbose", action="store_true", default=default, help="log what is done")


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="UTF-8 text, one document a line; - for stdin")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a file of train or model.save")


def _add_saved(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a file of train, model.save or hierarchy.save")
    _add_words(parser)


def _add_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--words", type=_positive, default=10, help="words a topic (default 10)")


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
    parser.add_argument("--seed", type=_seed, default=0, help="random seed (default 0)")
    _add_words(parser)


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.strip().isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be from 0 to 2**32 - 1, not {text!r}")
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
