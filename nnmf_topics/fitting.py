"""From a corpus and what is known already to what training leaves behind."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnmf_topics import training
from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import InitName, LossName
from nnmf_topics.corpus import Corpus, Source
from nnmf_topics.initializers import initialize
from nnmf_topics.memory import Memory
from nnmf_topics.trained import Trained
from nnmf_topics.training import State
from nnmf_topics.weighting import Statistics, WeightingName, fit_weighting, survey

logger = logging.getLogger("nnmf_topics.model")

INIT_SAMPLE = 20_000
"""The initial factors are made from about so many documents at most."""


@dataclass(frozen=True)
class Plan:
    """How a corpus is fitted: the options of the model that matter here."""

    widths: tuple[int, ...]
    num_terms: int
    chunksize: int
    passes: int | None
    loss: LossName
    weighting: WeightingName
    init: InitName
    tol: float
    dtype: type[np.floating[Any]]
    device: Device
    random_state: np.random.RandomState
    progress: bool


def fit(
    corpus: Source,
    plan: Plan,
    known: Trained | None,
    *,
    on_start: Callable[[Trained], None] | None,
    on_pass: Callable[[Trained], bool],
) -> Trained | None:
    """Train on a corpus, from what is known already if anything is.

    Parameters
    ----------
    corpus : gensim corpus or SciPy sparse matrix (terms, documents)
    plan : Plan
    known : Trained, optional
        Its documents count on in the loss, see `Memory`.
    on_start : callable, optional
        Called with the factors that training starts from.
    on_pass : callable
        Called after every pass; training stops when it returns True.

    Returns
    -------
    Trained, or None if the corpus has no documents.

    Raises
    ------
    TypeError, ValueError
        Naming the first bad document; or if no document has a word.
    """
    chunks = Corpus(corpus, plan.num_terms, plan.chunksize, plan.dtype)
    statistics = survey(chunks, plan.num_terms)
    if statistics.documents == 0:
        return None
    logger.info(
        "training %s topics on %d documents on %s",
        *(", ".join(map(str, plan.widths)), statistics.documents, plan.device.name),
    )
    chunks, statistics = _weighted(chunks, statistics, plan, known)

    def result(state: State) -> Trained:
        factors = tuple(map(_kept, state.factors))
        evaluation = state.evaluation.mapped(_kept)
        return Trained(factors, evaluation, statistics, plan.weighting, state.history)

    final = training.train(
        chunks,
        _start(chunks, statistics, plan) if known is None else known.factors,
        loss=plan.loss,
        memory=None if known is None else _memory(known, plan.device),
        passes=plan.passes,
        tol=plan.tol,
        device=plan.device,
        on_start=on_start and (lambda state: on_start(result(state))),
        on_pass=lambda state: on_pass(result(state)),
        progress=plan.progress,
    )
    return result(final)


def _weighted(
    chunks: Corpus, statistics: Statistics, plan: Plan, known: Trained | None
) -> tuple[Corpus, Statistics]:
    """Return the corpus with its words weighted, and the statistics of all documents."""
    if not statistics.document_frequency.any():
        raise ValueError("the corpus has no words: all its documents are empty")
    if known is not None:
        statistics = statistics + known.statistics
    weighting = fit_weighting(plan.weighting, statistics)
    if weighting.drops_all(statistics):
        raise ValueError('all words are too rare to be weighted; give weighting="none"')
    return chunks.weighted(weighting), statistics


def _start(chunks: Corpus, statistics: Statistics, plan: Plan) -> list[np.ndarray]:
    sample = chunks.sample(INIT_SAMPLE, statistics.documents, plan.random_state)
    return initialize(plan.init, sample, plan.widths, plan.random_state)


def _memory(known: Trained, device: Device) -> Memory:
    with device.active():
        factors = [device.put(A) for A in known.factors]
        return Memory(factors, known.evaluation.mapped(device.put))


def _kept(array: Any) -> np.ndarray:
    # In the order of a file: sums in another order would not be bit-equal after a load.
    return np.asarray(to_host(array), order="C")
