"""From a corpus and what is known already to what training leaves behind."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nnmf_topics import training
from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import Array, InitChoice, InitName, LossName, Matrix
from nnmf_topics.corpus import Source, is_one_shot
from nnmf_topics.initializers import initialize
from nnmf_topics.labels import Classifier, Labelling, Labels
from nnmf_topics.memory import Memory
from nnmf_topics.products import in_parts
from nnmf_topics.rehearsal import rehearsed
from nnmf_topics.rereading import Corpus
from nnmf_topics.sampling import Sample
from nnmf_topics.spool import Spool
from nnmf_topics.supervision import Target
from nnmf_topics.trained import Trained
from nnmf_topics.training import History, State
from nnmf_topics.updating import best_start
from nnmf_topics.weighting import Statistics, Weighting, WeightingName, fit_weighting, survey

logger = logging.getLogger("nnmf_topics.model")

INIT_SAMPLE = 20_000
"""The initial factors are made from so many documents at most."""


@dataclass(frozen=True)
class Plan:
    """How a corpus is fitted: the options of the model that matter here."""

    widths: tuple[int, ...]
    num_terms: int
    chunksize: int
    online: bool
    passes: int | None
    loss: LossName
    weighting: WeightingName
    init: InitChoice
    tol: float
    dtype: type[np.floating[Any]]
    device: Device
    random_state: np.random.RandomState
    progress: bool
    spool: bool | str
    labelling: Labelling


def fit(
    corpus: Source,
    plan: Plan,
    known: Trained | None,
    labels: Labels | None = None,
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
    labels : Labels, optional
        Of the documents; for a first training only.
    on_start : callable, optional
        Called with the factors that training starts from.
    on_pass : callable
        Called after every pass; training stops when it returns True.

    Returns
    -------
    Trained, or None if there are no documents.

    Raises
    ------
    TypeError, ValueError
        Naming the first bad document; or if no document has a word.
    """
    with _spool(plan.spool) as spool:
        if is_one_shot(corpus) and spool is None:
            logger.info("reading the corpus, which is kept in memory: it can be read only once")
        chunks = Corpus(corpus, plan.num_terms, plan.chunksize, plan.dtype, spool=spool)
        return _fitted(chunks, plan, known, labels, on_start, on_pass)


def _spool(option: bool | str) -> AbstractContextManager[Spool | None]:
    if option is False:
        return nullcontext()
    return closing(Spool(None if option is True else option))


def _fitted(
    chunks: Corpus,
    plan: Plan,
    known: Trained | None,
    labels: Labels | None,
    on_start: Callable[[Trained], None] | None,
    on_pass: Callable[[Trained], bool],
) -> Trained | None:
    sample = Sample(INIT_SAMPLE, plan.random_state)
    read = sample.of(chunks)
    if not chunks.in_memory:
        logger.info("reading the corpus for the frequencies of words, and documents to start from")
        if known is None:
            layers = len(plan.widths)
            read = rehearsed(read, plan.init, layers, plan.loss, plan.dtype, plan.device)
    new = survey(read, plan.num_terms)
    if new.documents == 0:
        return None
    targets: list[Target] = []
    classes: list[np.ndarray] = []
    if labels is not None:
        targets, classes = plan.labelling.targets(labels, new.documents, len(plan.widths))
    logger.info(
        "training %s topics on %d new documents on %s",
        *(", ".join(map(str, plan.widths)), new.documents, plan.device.name),
    )
    if not new.document_frequency.any():
        if known is not None:
            logger.warning("the new documents have no words: they are only counted")
            return replace(known, statistics=new + known.statistics)
        raise ValueError("the corpus has no words: all its documents are empty")
    weighting, statistics = _weighting(new, plan, known)
    if weighting.drops_all(new):
        if known is not None:
            logger.warning("no word of the new documents has a weight yet: they are only counted")
            return replace(known, statistics=statistics)
        raise ValueError(
            'all words are too rare to be weighted: give more documents, or weighting="none"'
        )
    if known is None and new.documents < max(plan.widths):
        logger.warning(
            "%d topics for %d document%s: some will be copies, or of no document",
            *(max(plan.widths), new.documents, "s" if new.documents > 1 else ""),
        )
    if rare := weighting.without_weight(new):
        words = int(np.count_nonzero(new.document_frequency))
        logger.info("%d of %d words are in too few documents to have a weight", rare, words)
    chunks = chunks.weighted(weighting)

    def result(state: State) -> Trained:
        # Views: queries make them read-only, and Numba would compile its loops anew for arrays so.
        factors = tuple(_kept(A).view() for A in state.factors)
        evaluation = state.evaluation.mapped(_kept)
        told = tuple(map(Classifier.of, state.heads, classes))
        return Trained(factors, evaluation, statistics, weighting, state.history, told)

    drawn = sample.matrix(weighting)
    start, memory = _start(drawn, new.documents, plan, known, weighting)
    del drawn  # the training needs the memory
    if not chunks.in_memory:
        logger.info("reading the corpus for the loss of the start, then for every pass")
    final = training.train(
        chunks,
        start,
        loss=plan.loss,
        memory=memory,
        passes=plan.passes,
        tol=plan.tol,
        device=plan.device,
        in_memory=chunks.in_memory,
        online=plan.online,
        targets=targets,
        on_start=(lambda state: on_start(result(state))) if on_start else None,
        on_pass=lambda state: on_pass(result(state)),
        progress=plan.progress,
    )
    _log_end(final.history)
    return result(final)


def _log_end(history: History) -> None:
    loss = history.loss[-1] if history.loss else history.start_loss
    errors = ", ".join(f"{error:.4f}" for error in history.errors[-1]) if history.errors else "-"
    logger.info(
        "trained %d passes, loss %.6f, errors %s: %s",
        *(history.passes, loss, errors, history.stop_reason),
    )


def _start(
    sample: Matrix, documents: int, plan: Plan, known: Trained | None, weighting: Weighting
) -> tuple[Sequence[Array], Memory | None]:
    """Return the factors to start from, and the memory of the documents seen before."""
    if known is None:
        # What the model weighs itself is coherent enough to give up some of it; see RESULTS.md.
        by_default: InitName = "layerwise" if weighting.name == "none" else "clusters"
        name = by_default if plan.init == "auto" else plan.init
        logger.info("words weighted: %s; start: %s", weighting.name, name)
        state = plan.random_state
        return initialize(name, sample, plan.widths, state, plan.device), None
    # A sample has to weigh as much as the corpus, beside the documents seen before.
    sample = sample * np.sqrt(documents / max(sample.shape[1], 1), dtype=sample.dtype)
    chunks = in_parts(sample, plan.chunksize)

    def trial(memory: Memory, passes: int) -> State:
        return training.train(
            chunks, memory.factors, memory=memory, loss=plan.loss, passes=passes, device=plan.device
        )

    memory = best_start(known, sample, trial, plan.loss, plan.device, plan.random_state)
    return memory.factors, memory


def _weighting(new: Statistics, plan: Plan, known: Trained | None) -> tuple[Weighting, Statistics]:
    """Return the weighting of words, and the statistics of all documents."""
    if known is None:
        weighting, total = fit_weighting(plan.weighting, new), new
    else:
        counted = known.weighting.name != "none"
        if plan.weighting == "auto" and new.counts != counted:
            logger.warning(
                "the new documents hold %s and those of the first training %s: convert them alike",
                *(("counts", "weights") if new.counts else ("weights", "counts")),
            )
        total = new + known.statistics
        weighting = known.weighting.extended(new, total)
    return weighting, total


def _kept(array: Any) -> np.ndarray:
    # In the order of a file: sums in another order would not be bit-equal after a load.
    return np.asarray(to_host(array), order="C")
