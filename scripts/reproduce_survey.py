"""Run the paper's symptom-survey experiment: on a table of one's own, or on a generated survey.

The survey of the paper (MyLymeData) is private. Who has a table of severities, one row a patient,
names the file; `nnmf_topics.datasets.load_survey` says what it looks like. Without one, a survey
with planted syndromes is generated. Depths 1, 2, 3; without labels, with some, and with all but
those of the patients that are asked about; beside hierarchical NMF, scikit-learn's NMF once a
layer.

    pip install -e .
    pip install matplotlib    # for the heat maps
    python scripts/reproduce_survey.py
    python scripts/reproduce_survey.py --data table.csv --output folder

All methods see the severities of all patients. In each repeat, the groups of a quarter of the
patients are hidden from all; the accuracy is that on these. Where training saw no labels, the
groups are read off the codes afterwards by the head that Neural NMF has, from the same known
patients.
"""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from _setting import environment, hnmf
from benchmark_quality import summary
from benchmark_scaling import table
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import StratifiedShuffleSplit

from nnmf_topics import NeuralNMF
from nnmf_topics.datasets import Survey, load_survey, make_survey
from nnmf_topics.evaluation import relative_error, svd_bound
from nnmf_topics.labels import Labelling, numbered
from nnmf_topics.supervision import UNKNOWN, Target, solved
from nnmf_topics.topics import strongest_parent, top_terms, topic_term

HIDDEN = 0.25
LEAST = 8  # patients of a group: two are hidden, and of the others some are known
OURS = "nnmf_topics"
HNMF = {"HNMF, nndsvda": "nndsvda", "HNMF, random start": "random"}
KEYWORDS = 5


class Split(NamedTuple):
    """Numbers of the patients whose group is hidden, and of those where it is known."""

    hidden: np.ndarray
    all: np.ndarray
    some: np.ndarray


class Groups(NamedTuple):
    """Names of the groups, the number of each patient's, UNKNOWN where there is none, and splits.

    There is a split for each repeat; without groups there are none at all, and no splits.
    """

    names: np.ndarray
    numbers: np.ndarray
    splits: list[Split]


class Fit(NamedTuple):
    """Factors and codes of a hierarchy, and its head if labels trained it."""

    factors: list[np.ndarray]
    codes: list[np.ndarray]
    B: np.ndarray | None = None


class Case(NamedTuple):
    """A row of the table: what was trained, and how."""

    widths: tuple[int, ...]
    training: str
    method: str

    @property
    def title(self) -> str:
        """The name in words."""
        return f"depth {len(self.widths)}, {self.training}, {self.method}"


Scores = dict[str, float]


def split(numbers: np.ndarray, share: float, seed: int) -> Split:
    """Draw a quarter to hide, and a share of the others to know, stratified."""
    labelled = np.flatnonzero(numbers != UNKNOWN)
    rest, hidden = _drawn(labelled, numbers, HIDDEN, seed)
    _, some = _drawn(rest, numbers, share, seed)
    return Split(hidden, rest, some)


def _drawn(
    patients: np.ndarray, numbers: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the patients that are left, and those drawn."""
    # At least one of each group, as far as the size decides it.
    drawn = max(round(share * len(patients)), len(np.unique(numbers[patients])))
    shuffle = StratifiedShuffleSplit(1, test_size=drawn, random_state=seed)
    left, right = next(shuffle.split(patients, numbers[patients]))
    return np.sort(patients[left]), np.sort(patients[right])


def usable_groups(groups: Sequence[str | None]) -> tuple[list[str | None], list[str]]:
    """Return the groups, those of too few patients unknown; and what is to be said of it."""
    known = [group for group in groups if group is not None]
    counts = {name: known.count(name) for name in sorted(set(known))}
    small = [f"{name!r} ({count})" for name, count in counts.items() if count < LEAST]
    kept: list[str | None] = [
        group if group is not None and counts[group] >= LEAST else None for group in groups
    ]
    notes = (
        [f"Groups of fewer than {LEAST} patients count as unknown: {', '.join(small)}."]
        if small
        else []
    )
    if len(counts) - len(small) < 2:
        return [], [*notes, "Fewer than two groups are known: nothing is supervised, no accuracy."]
    return kept, notes


def groups_of(groups: Sequence[str | None], share: float, repeats: int) -> Groups:
    """Return usable groups as numbers, with a split for each repeat."""
    if not groups:
        return Groups(np.array([]), np.array([]), [])
    names, numbers = numbered("group", groups, len(groups))
    return Groups(names, numbers, [split(numbers, share, seed) for seed in range(repeats)])


def fit_neural(
    survey: Survey, widths: Sequence[int], y: Any, seed: int, options: argparse.Namespace
) -> Fit:
    """Train this package, its options at their default unless asked otherwise."""
    model = NeuralNMF(
        widths,
        label_layer=layer_of(options.label_layer, len(widths)),
        label_weight=options.label_weight,
        device="cpu",
        random_state=seed,
    )
    model.fit(survey.severities, y)
    codes = model.encode(survey.severities)
    return Fit(list(model.factors_), codes, None if y is None else model.coef_)


def fit_hnmf(X: sp.csc_array, widths: Sequence[int], init: str, seed: int) -> Fit:
    """Train hierarchical NMF, with columns of unit length."""
    with warnings.catch_warnings():
        # After 1,000 iterations it is as good as it gets, whatever its tolerance says.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return Fit(*hnmf(X, widths, init, True, seed))


def layer_of(layer: int, depth: int) -> int:
    """Return the layer that tells the groups: of a hierarchy less deep than asked, its coarsest."""
    return layer if layer < 0 else min(layer, depth - 1)


def read_off(codes: np.ndarray, groups: Groups, known: np.ndarray) -> np.ndarray:
    """Return the head of Neural NMF for codes that labels did not train, from known patients."""
    how = Labelling()
    numbers, classes = groups.numbers[known], len(groups.names)
    target = Target(0, numbers, classes, how.head, how.weight, how.ridge)
    scale = float((codes**2).sum()) / codes.shape[1]
    return solved(target, codes[:, known], scale).B


def accuracy(B: np.ndarray, codes: np.ndarray, groups: Groups, hidden: np.ndarray) -> float:
    """Share of the hidden patients whose group a head tells from their codes."""
    found = (B @ codes[:, hidden]).argmax(axis=0)
    return float(np.mean(found == groups.numbers[hidden]))


def accuracies(
    fit: Fit, training: str, groups: Groups, number: int, options: argparse.Namespace
) -> Scores:
    """Return the accuracies of a fit on a split: those for which its training is no cheat."""
    if not groups.splits:
        return {}
    draw = groups.splits[number]
    codes = fit.codes[layer_of(options.label_layer, len(fit.codes))]
    if fit.B is not None:
        column = "some" if training == "semi-supervised" else "all"
        return {column: accuracy(fit.B, codes, groups, draw.hidden)}
    return {
        column: accuracy(read_off(codes, groups, known), codes, groups, draw.hidden)
        for column, known in (("some", draw.some), ("all", draw.all))
    }


def ceilings(survey: Survey, groups: Groups) -> dict[str, list[Scores]]:
    """Return what is told without topics: the largest group, and regression on all symptoms."""
    rows: dict[str, list[Scores]] = {}
    for repeat, draw in enumerate(groups.splits):
        truth = groups.numbers[draw.hidden]
        for column, known in (("some", draw.some), ("all", draw.all)):
            numbers = groups.numbers[known]
            told: dict[str, Any] = {"the largest group": np.bincount(numbers).argmax()}
            B = read_off(survey.severities.T, groups, known)
            told["severities, the same head"] = (B @ survey.severities[draw.hidden].T).argmax(0)
            regression = LogisticRegression(C=0.1, max_iter=5000)
            regression.fit(survey.severities[known], numbers)
            told["severities, logistic regression"] = regression.predict(
                survey.severities[draw.hidden]
            )
            for name, found in told.items():
                scores = rows.setdefault(name, [{} for _ in groups.splits])
                scores[repeat][column] = float(np.mean(found == truth))
    return rows


def recovery(survey: Survey, factors: Sequence[np.ndarray]) -> Scores:
    """Compare the strongest topic of each symptom with what was planted: 1 is all, 0 is chance."""
    if survey.hierarchy is None:
        return {}
    syndromes = [survey.hierarchy[symptom] for symptom in survey.symptoms]
    systems = [survey.hierarchy[syndrome] for syndrome in syndromes]
    finest, coarsest = (topic_term(factors, layer).argmax(axis=0) for layer in (0, -1))
    scores = {"syndromes": float(adjusted_rand_score(syndromes, finest))}
    if len(factors) > 1:
        scores["systems"] = float(adjusted_rand_score(systems, coarsest))
    return scores


def cases(widths: tuple[int, ...], supervised: bool) -> list[Case]:
    """Return what is trained: every depth, each training, each method."""
    rows = []
    for depth in range(1, len(widths) + 1):
        rows += [Case(widths[:depth], "unsupervised", method) for method in (OURS, *HNMF)]
        if supervised:
            rows += [
                Case(widths[:depth], training, OURS)
                for training in ("semi-supervised", "supervised")
            ]
    return rows


def run_case(
    case: Case, survey: Survey, groups: Groups, options: argparse.Namespace
) -> Iterator[tuple[Fit, Scores]]:
    """Yield the fit and the measures of each repeat."""
    X = sp.csc_array(survey.severities.T)
    for seed in range(options.repeats):
        if case.method == OURS:
            fit = fit_neural(survey, case.widths, seen(case, groups, seed), seed, options)
        else:
            fit = fit_hnmf(X, case.widths, HNMF[case.method], seed)
        scores = {
            f"error {layer}": relative_error(X, fit.factors, fit.codes, layer)
            for layer in range(len(case.widths))
        }
        scores |= accuracies(fit, case.training, groups, seed, options)
        yield fit, scores | recovery(survey, fit.factors)


def seen(case: Case, groups: Groups, number: int) -> list[str | None] | None:
    """Return the groups that training sees."""
    if case.training == "unsupervised":
        return None
    draw = groups.splits[number]
    known = set((draw.some if case.training == "semi-supervised" else draw.all).tolist())
    return [
        str(groups.names[group]) if patient in known else None
        for patient, group in enumerate(groups.numbers.tolist())
    ]


def columns_of(depth: int, survey: Survey, groups: Groups) -> list[str]:
    """Return the names of the measures that there are."""
    columns = [f"error {layer}" for layer in range(depth)]
    columns += ["some", "all"] if groups.splits else []
    return columns + (["syndromes", "systems"] if survey.hierarchy else [])


def cells(found: Sequence[Scores], columns: Sequence[str]) -> list[str]:
    """Return mean and deviation of each measure as text, nothing where there is none."""
    return [
        summary([scores[column] for scores in found], 4 if column.startswith("error") else 3)
        if column in found[0]
        else ""
        for column in columns
    ]


def bounds(survey: Survey, widths: Sequence[int], columns: Sequence[str]) -> list[str]:
    """Return the least errors that any factors of these widths have, where SVD tells them."""
    X = sp.csc_array(survey.severities.T)
    least = {
        f"error {layer}": f"{svd_bound(X, k):.4f}"
        for layer, k in enumerate(widths)
        if k < min(X.shape)
    }
    return [least.get(column, "") for column in columns]


def keywords(case: Case, fit: Fit, symptoms: Sequence[str]) -> str:
    """Return the table of the top symptoms of each topic of each layer, and of its parent."""
    rows = []
    for layer, width in enumerate(case.widths):
        topics = topic_term(fit.factors, layer)
        above = layer + 1 < len(case.widths)
        parents = strongest_parent(fit.factors, layer + 1) if above else None
        for topic in range(width):
            top = (
                f"{symptoms[number]} {topics[topic, number]:.2f}"
                for number in top_terms(topics[topic], KEYWORDS)
            )
            parent = "" if parents is None else str(parents[topic])
            rows.append((str(layer), str(topic), parent, ", ".join(top)))
    return f"## {case.title}\n\n{table(('layer', 'topic', 'parent', 'top symptoms'), rows)}\n"


def heat_maps(path: Path, fit: Fit, survey: Survey, names: Sequence[str]) -> bool:
    """Draw symptoms by topics for each layer, the upper factors, and the head; False if it cannot.

    Rows and columns are in order of the finest topics.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    products = [reduce(np.matmul, fit.factors[: layer + 1]) for layer in range(len(fit.factors))]
    strongest = topic_term(fit.factors, 0).argmax(axis=0)
    order = np.lexsort((-products[0].max(axis=1), strongest))
    labels = [survey.symptoms[number] for number in order]
    panels = [
        (f"symptoms x topics of layer {layer}", product[order], labels)
        for layer, product in enumerate(products)
    ]
    panels += [
        (f"topics of layer {layer} x those of {layer + 1}", A, [])
        for layer, A in enumerate(fit.factors[1:])
    ]
    if fit.B is not None:
        panels.append(("groups x topics", fit.B, list(names)))
    figure = Figure(figsize=(4 * len(panels), max(4, 0.18 * len(labels))), layout="constrained")
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (title, matrix, rows) in zip(places, panels, strict=True):
        most = np.abs(matrix).max() or 1.0
        signed = matrix.min() < 0
        limits = {"vmin": -most if signed else 0.0, "vmax": most}
        image = place.imshow(matrix, aspect="auto", cmap="RdBu_r" if signed else "Reds", **limits)
        place.set_title(title, fontsize=9)
        place.set_xticks(range(matrix.shape[1]))
        place.set_yticks(range(len(matrix)), rows or list(range(len(matrix))), fontsize=7)
        figure.colorbar(image, ax=place)
    figure.savefig(path)
    return True


def about(survey: Survey, data: str | None) -> list[str]:
    """Say first what is real and what is synthetic."""
    size = f"{len(survey)} patients, {len(survey.symptoms)} symptoms"
    if data is None:
        return [
            f"SYNTHETIC data: {size}, generated by make_survey; nothing below is about patients.",
            "REAL data: none. The survey of the paper (MyLymeData) is private; these are not its "
            "figures. Who has a real table names it by --data.",
        ]
    return [
        f"REAL data, as far as the file is: {size}, read from {data}.",
        "SYNTHETIC data: none; but with --missing zero, empty cells were read as 0.",
    ]


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="CSV", help="a table; default: a generated survey")
    parser.add_argument("--missing", choices=["error", "zero"], default="error")
    parser.add_argument("--output", metavar="FOLDER", default="survey", help="default: survey")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 5, 3], help="finest first")
    parser.add_argument("--repeats", type=int, default=5, help="seeds, each with a split")
    parser.add_argument(
        "--known", type=float, default=0.2, help="share of labels that semi-supervision sees"
    )
    parser.add_argument(
        "--label-layer", type=int, default=-1, help="that tells the groups; default: the coarsest"
    )
    parser.add_argument("--label-weight", type=float, default=0.1)
    parser.add_argument("--patients", type=int, default=500, help="of the generated survey")
    options = parser.parse_args(arguments)
    if any(above > below for below, above in zip(options.widths, options.widths[1:], strict=False)):
        parser.error("--widths must not grow from finest to coarsest")
    if options.widths[-1] < 1 or options.repeats < 1:
        parser.error("--widths and --repeats must be positive")
    if not 0 < options.known < 1:
        parser.error("--known must be between 0 and 1")
    if options.label_weight <= 0:
        parser.error("--label-weight must be positive")
    if options.label_layer not in range(-1, len(options.widths)):
        parser.error("--label-layer must be -1 or the number of a layer")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it, keywords and heat maps into the folder."""
    options = arguments_of(arguments)
    warnings.simplefilter("once", ConvergenceWarning)
    try:
        survey = (
            make_survey(options.patients, random_state=0)
            if options.data is None
            else load_survey(options.data, missing=options.missing)
        )
    except (OSError, ValueError) as error:
        raise SystemExit(f"reproduce_survey: {error}") from error
    widths = tuple(options.widths)
    if widths[0] > min(survey.severities.shape):
        raise SystemExit(
            f"reproduce_survey: {widths[0]} topics are too many for {len(survey.symptoms)} "
            f"symptoms of {len(survey)} patients; give smaller --widths"
        )
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    usable, notes = usable_groups(survey.groups)
    groups = groups_of(usable, options.known, options.repeats)
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    for line in (*about(survey, options.data), environment(), *notes, explained(options, groups)):
        say(f"{line}\n")
    columns = columns_of(len(widths), survey, groups)
    names = ["widths", "training", "method", *map(heading, columns)]
    say("\n".join(table(names, []).splitlines()))
    texts, drawn = [], True
    for case in cases(widths, bool(groups.splits)):
        found: list[Scores] = []
        for fit, scores in run_case(case, survey, groups, options):
            if not found:
                texts.append(keywords(case, fit, survey.symptoms))
                if case.method == OURS:
                    picture = folder / f"depth{len(case.widths)}-{case.training}.png"
                    drawn = heat_maps(picture, fit, survey, groups.names.tolist())
            found.append(scores)
        label = ", ".join(map(str, case.widths))
        say(f"| {' | '.join([label, case.training, case.method, *cells(found, columns)])} |")
    say(f"| {' | '.join(['', '', 'bound by SVD', *bounds(survey, widths, columns)])} |")
    for method, found in ceilings(survey, groups).items():
        say(f"| {' | '.join(['', '', method, *cells(found, columns)])} |")
    (folder / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    first = about(survey, options.data)[0]
    (folder / "keywords.md").write_text(
        f"{first} The first seed of each.\n\n" + "\n".join(texts), encoding="utf-8"
    )
    maps = "*.png, " if drawn else "no heat maps: matplotlib is not installed; "
    print(f"\nin {folder}: {maps}results.md, keywords.md")


def heading(column: str) -> str:
    """Return the title of a measure."""
    return f"accuracy, {column} known" if column in ("some", "all") else column


def explained(options: argparse.Namespace, groups: Groups) -> str:
    """Return what the columns are."""
    text = (
        f"Mean ± sd of {options.repeats} seeds. error l: relative error of layer l, 0 the finest. "
        "syndromes, systems: adjusted Rand index of planted and strongest topics (finest, "
        "coarsest), 0 is chance."
    )
    if not groups.splits:
        return text
    draw = groups.splits[0]
    return (
        f"{text} accuracy: on {len(draw.hidden)} patients whose group was hidden, from the codes "
        f"of layer {options.label_layer} (-1: the coarsest); the groups of {len(draw.all)} (all) "
        f"or {len(draw.some)} (some) others are known; {len(groups.names)} groups."
    )


if __name__ == "__main__":
    main()
