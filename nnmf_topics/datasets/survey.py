"""Tables of symptom severities: a file of one's own, and one generated from planted syndromes."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nnmf_topics import options as opt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

# Plausible names to read topics by, not medicine: system, syndrome, symptoms.
_SYSTEMS = {
    "locomotor": {
        "joints": ("joint pain", "joint swelling", "stiffness", "knee pain", "finger pain"),
        "muscles": ("muscle pain", "cramps", "weakness", "twitching", "tender spots"),
        "spine": ("neck pain", "back pain", "jaw pain", "shoulder pain", "hip pain"),
    },
    "nervous": {
        "cognition": ("forgetting", "word finding", "confusion", "slow thinking", "distraction"),
        "senses": ("light sensitivity", "sound sensitivity", "ringing ears", "floaters", "vertigo"),
        "nerves": ("tingling", "numbness", "burning skin", "tremor", "shooting pain"),
    },
    "general": {
        "exhaustion": ("fatigue", "poor sleep", "daytime sleep", "malaise", "slow recovery"),
        "fever": ("fevers", "sweats", "chills", "sore throat", "swollen glands"),
    },
}

# How much each group has of each system.
_GROUPS = {
    "mild": (0.3, 0.3, 0.3),
    "locomotor-led": (1.4, 0.5, 0.6),
    "nervous-led": (0.5, 1.4, 0.6),
    "general-led": (0.5, 0.6, 1.4),
}

_EXAMPLE = "such as 'id,group,fatigue,fever' and below it 'p1,well,0,2'"


@dataclass(frozen=True, repr=False, eq=False)
class Survey:
    """Severities of symptoms, with the group of each patient where it is known.

    Attributes
    ----------
    severities : ndarray of float64 (patients, symptoms)
        Nonnegative: the X of `NeuralNMF`.
    symptoms : list of str
    groups : list of (str or None)
        Of each patient, None where it is unknown: the y of `NeuralNMF`.
    hierarchy : dict of str to str, optional
        The planted parents of a generated survey: of each symptom its syndrome, of each syndrome
        its system.
    """

    severities: Numbers
    symptoms: list[str]
    groups: list[str | None]
    hierarchy: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self.severities)

    def __repr__(self) -> str:
        known = [group for group in self.groups if group is not None]
        return (
            f"<Survey: {len(self)} patients, {len(self.symptoms)} symptoms, "
            f"{len(set(known))} groups known of {len(known)} patients>"
        )


def load_survey(
    path: str | os.PathLike[str], *, missing: Literal["error", "zero"] = "error"
) -> Survey:
    """Read a table of symptom severities from a CSV file, one row a patient.

    The first line names the columns: `id` (optional; not kept, but no two patients may share one),
    `group` (optional; empty where it is unknown), in any case, and all others are symptoms. Cells
    of symptoms are numbers of at least 0 with a decimal point. Cells are separated by commas, the
    file is UTF-8, with or without the mark that Excel puts first; blanks around cells, and lines
    with nothing in any cell, are skipped::

        id,group,fatigue,fever
        p1,well,0,2
        p2,,3.5,4

    Parameters
    ----------
    path : path
    missing : {"error", "zero"}
        What an empty cell of a symptom is.

    Returns
    -------
    Survey
        Symptoms and patients in the order of the file, without `hierarchy`.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no such table; the message names file, line, column and remedy.
    """
    if missing not in ("error", "zero"):
        raise ValueError(f"missing={missing!r} must be 'error' or 'zero'")
    place = os.fspath(path)
    lines = _lines(place, _text(place, Path(path).read_bytes()))
    line, header = next(lines, (1, []))
    columns = _columns(place, line, header)
    ids: dict[str, int] = {}
    groups: list[str | None] = []
    rows = []
    for line, cells in lines:
        if len(cells) != len(header):
            raise _wrong(
                place,
                line,
                f"{len(cells)} cells for the {len(header)} columns of the header; separate cells "
                "by commas, and put text that holds a comma in double quotes",
            )
        if (name := cells[columns["id"]] if "id" in columns else "") in ids:
            raise _wrong(
                place,
                line,
                f"column 'id': {name!r} is on line {ids[name]} already; give each patient one row",
            )
        if name:
            ids[name] = line
        groups.append((cells[columns["group"]] or None) if "group" in columns else None)
        rows.append(
            [
                _severity(place, line, header[column], cell, missing)
                for column, cell in enumerate(cells)
                if column not in columns.values()
            ]
        )
    if not rows:
        raise ValueError(f"{place} has no patients; write one a line below the header, {_EXAMPLE}")
    symptoms = [cell for column, cell in enumerate(header) if column not in columns.values()]
    return Survey(np.array(rows, dtype=np.float64), symptoms, groups)


def _wrong(place: str, line: int, message: str) -> ValueError:
    return ValueError(f"{place}, line {line}: {message}")


def _text(place: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _wrong(
            place, line, f"not UTF-8 text ({error.reason}); save the table as 'CSV UTF-8'"
        ) from error


def _lines(place: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line with something in any of them, and where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _wrong(
            place, line, f"not CSV ({error}); close every double quote, and double those within"
        ) from error


def _columns(place: str, line: int, header: list[str]) -> dict[str, int]:
    """Check the names of the columns, and return where those are that are no symptoms."""
    if not header:
        raise ValueError(f"{place} is empty; name the columns in the first line, {_EXAMPLE}")
    if len(header) == 1 and (found := {";", "\t"} & set(header[0])):
        raise _wrong(
            place, line, f"cells are separated by {found.pop()!r}; separate them by commas"
        )
    seen: dict[str, int] = {}
    for column, cell in enumerate(header):
        if not cell:
            raise _wrong(place, line, f"column {column + 1} has no name; name the symptom")
        if (name := cell.casefold()) in seen:
            raise _wrong(
                place,
                line,
                f"columns {seen[name] + 1} and {column + 1} are both named {cell!r}; rename or "
                "remove one",
            )
        seen[name] = column
    columns: dict[str, int] = {name: seen[name] for name in ("id", "group") if name in seen}
    if len(columns) == len(header):
        raise _wrong(place, line, f"no symptoms; give each a column of its own, {_EXAMPLE}")
    return columns


def _severity(place: str, line: int, symptom: str, cell: str, missing: str) -> float:
    if not cell and missing == "zero":
        return 0.0
    try:
        # float takes 1_000 and nan, which no questionnaire means.
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        value = math.nan
    if not cell:
        wrong = "is empty; fill it in, or take missing='zero' to read it as 0"
    elif math.isnan(value):
        wrong = (
            f"holds {cell!r}, not a number; write severities such as 2 or 2.5, and leave the cell "
            "empty where it is unknown"
        )
    elif value < 0:
        wrong = f"holds {cell!r}, which is negative; severities begin at 0"
    elif value == math.inf:
        wrong = f"holds {cell!r}, which is infinite; write a finite severity"
    else:
        return value + 0.0  # no negative zero
    raise _wrong(place, line, f"column {symptom!r} {wrong}")


def make_survey(
    patients: int = 500,
    *,
    highest: int = 4,
    noise: float = 1.0,
    mixing: float = 0.3,
    unlabelled: float = 0.1,
    random_state: int | np.random.RandomState | None = None,
) -> Survey:
    """Generate a symptom survey with planted syndromes.

    There are 40 symptoms, five in each of eight syndromes, and those in three systems; the names
    are for reading, and no figure is taken from patients. A patient belongs to one of four groups:
    `mild` has little of everything, the others are led by one system. How much a patient has of a
    system is random around what the group has; how much of a syndrome, random around the system:
    so syndromes of one system go together. A severity is what the patient has of the symptom's
    syndrome, and `mixing` times what the patient has of those beside it in the system, by a weight
    of each symptom, with normal noise, rounded to the answers 0, 1, ..., `highest`.

    Parameters
    ----------
    patients : int
        The groups get equally many, give or take one.
    highest : int
        The highest answer.
    noise : float
        Standard deviation of the noise, in steps of a scale of 0 to 4.
    mixing : float in [0, 1]
    unlabelled : float in [0, 1]
        Share of patients whose group is None.
    random_state : int, numpy.random.RandomState or None
        Seed; the same seed gives the same survey.

    Returns
    -------
    Survey
        `hierarchy` is the planted truth, child to parent.

    Raises
    ------
    TypeError, ValueError
        Naming an option that is out of its range.
    """
    from sklearn.utils import check_random_state

    opt.whole("patients", patients, least=1)
    opt.whole("highest", highest, least=1)
    if noise != 0:
        opt.positive("noise", noise)
    opt.fraction("mixing", mixing)
    opt.fraction("unlabelled", unlabelled)

    rng = check_random_state(random_state)
    hierarchy, loadings, system_of = _planted(mixing)
    loadings *= rng.uniform(0.7, 1.3, loadings.shape[1])
    numbers = rng.permutation(np.arange(patients) % len(_GROUPS))
    systems = np.array(list(_GROUPS.values()))[numbers]
    systems = systems * rng.gamma(5, 1 / 5, systems.shape)
    syndromes = systems[:, system_of]
    syndromes = syndromes * rng.gamma(1.5, 1 / 1.5, syndromes.shape)
    felt = 2 * syndromes @ loadings
    felt += noise * rng.standard_normal(felt.shape)
    severities = np.clip(np.round(felt * highest / 4), 0, highest) + 0.0
    unknown = rng.permutation(patients) < round(unlabelled * patients)
    names = list(_GROUPS)
    return Survey(
        severities,
        [symptom for below in _SYSTEMS.values() for found in below.values() for symptom in found],
        [
            None if hidden else names[group]
            for group, hidden in zip(numbers.tolist(), unknown.tolist(), strict=True)
        ],
        hierarchy,
    )


def _planted(mixing: float) -> tuple[dict[str, str], Numbers, list[int]]:
    """Return parents, how much syndromes (rows) give symptoms, and the system of each syndrome."""
    hierarchy: dict[str, str] = {}
    system_of: list[int] = []
    own: list[int] = []
    beside: list[int] = []
    for number, (system, below) in enumerate(_SYSTEMS.items()):
        for syndrome, symptoms in below.items():
            hierarchy |= dict.fromkeys(symptoms, syndrome)
            hierarchy[syndrome] = system
            own += [len(system_of)] * len(symptoms)
            beside += [number] * len(symptoms)
            system_of.append(number)
    mine = np.arange(len(system_of))[:, None] == own
    near = np.array(system_of)[:, None] == beside
    return hierarchy, np.where(mine, 1.0, mixing * near), system_of
