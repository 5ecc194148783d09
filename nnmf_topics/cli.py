"""The command line: ``nnmf-topics demo | train | show | datasets``."""

import argparse
import logging
import sys
from collections.abc import Sequence
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0, 1 with one line on stderr, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        sys.stderr.close()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nnmf-topics",
        description="Find a hierarchy of topics in texts: fine topics under coarse ones.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--verbose", action="store_true", help="log what is done")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    demo = command("demo", _demo, "Train on 300 real news stories and show their topics.")
    _add_training_options(demo, topics="20,5")
    train = command("train", _train, "Train on a text file and save the model.")
    train.add_argument("file", type=Path, help="UTF-8 text, one document a line")
    train.add_argument("--output", type=Path, required=True, help="where to write the model")
    _add_training_options(train, topics="50,10")
    show = command("show", _show, "Print the topics of a saved model.")
    show.add_argument("model", type=Path, help="a file written by train or by model.save")
    show.add_argument("--words", type=_positive, default=10, help="words a topic (default 10)")
    command("datasets", _datasets, "List the data sets that the package can load.")
    return parser


def _add_training_options(parser: argparse.ArgumentParser, topics: str) -> None:
    parser.add_argument(
        "--topics",
        type=_widths,
        default=topics,
        help=f"topics of each layer, finest first, such as 50,10,3 (default {topics})",
    )
    parser.add_argument("--passes", type=_positive, help="passes at most (default: to convergence)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    parser.add_argument("--words", type=_positive, default=10, help="words a topic (default 10)")


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_positive(width) for width in text.split(","))


def _demo(options: argparse.Namespace) -> None:
    _train_and_show(datasets.load_lee(), options)


def _train(options: argparse.Namespace) -> None:
    if not options.output.parent.is_dir():
        raise FileNotFoundError(f"{options.output}: there is no folder {options.output.parent}")
    model = _train_and_show(datasets.load_texts(options.file), options)
    model.save(options.output)
    print(f"\nsaved to {options.output}; look at it again with: nnmf-topics show {options.output}")


def _train_and_show(data: datasets.TopicCorpus, options: argparse.Namespace) -> NeuralNMFModel:
    print(f"{data.name}: {len(data.corpus)} documents, {len(data.dictionary)} words", flush=True)
    model = NeuralNMFModel(
        data.corpus,
        options.topics,
        data.dictionary,
        passes=options.passes,
        random_state=options.seed,
        progress=True,
    )
    _print_hierarchy(model.hierarchy, options.words)
    _print_layers(model, data)
    return model


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


def _show(options: argparse.Namespace) -> None:
    _print_hierarchy(NeuralNMFModel.load(options.model).hierarchy, options.words)


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
