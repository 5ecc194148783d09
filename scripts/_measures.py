"""The measures of a two-layer topic hierarchy of documents of known groups and super-groups."""

import numpy as np
import scipy.sparse as sp

from nnmf_topics.evaluation import (
    Factors,
    diversity,
    dominant_topics,
    edge_agreement,
    held_out_accuracy,
    label_nmi,
    npmi,
    relative_error,
    top_words,
)
from nnmf_topics.topics import strongest_parent

COLUMNS = (
    *("err1", "err2", "acc1", "acc2", "nmi1", "nmi2", "edge", "npmi1", "npmi2", "diversity"),
)


def measure(
    X: sp.csc_array,
    factors: Factors,
    codes: Factors,
    groups: np.ndarray,
    supers: np.ndarray,
    occurrence: sp.csc_array,
) -> dict[str, float]:
    """Return all `COLUMNS`; `occurrence` as in `npmi`, with the terms of X."""
    fine, coarse = (dominant_topics(factors, codes, layer) for layer in (0, 1))
    tops = [top_words(factors, layer) for layer in (0, 1)]
    values = (
        *(relative_error(X, factors, codes, layer) for layer in (0, 1)),
        *(held_out_accuracy(S, supers) for S in codes),
        label_nmi(groups, fine),
        label_nmi(supers, coarse),
        edge_agreement(strongest_parent(factors, 1), fine, coarse, groups, supers),
        *(npmi(top, occurrence) for top in tops),
        diversity(tops[0]),
    )
    return dict(zip(COLUMNS, values, strict=True))
