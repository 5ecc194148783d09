"""Online training: a step after every chunk, for few passes over very large corpora.

The loss of the documents met last, those of about one pass, is known from sums of the size of the
factors (`Memory`), in which older documents fade. Each chunk is added to it, and the step is that
of the exact training on the sum. (The idea is that of Mairal et al., "Online learning for matrix
factorization and sparse coding", 2010.)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from tqdm.auto import tqdm

from nnmf_topics._backend import Device
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.memory import Memory
from nnmf_topics.network import Evaluation
from nnmf_topics.nnls import grams_of
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import GramDescent, unit_columns
from nnmf_topics.training import MOST_PASSES, History, State, StopReason, extended, relative_loss


class _Recent:
    """The loss of the documents met last, as many as the corpus has."""

    def __init__(self, documents: int, loss: LossName) -> None:
        self.documents, self.loss = documents, loss
        self._model: Memory | None = None
        self._weight = 0.0

    def add(self, factors: Sequence[Array], evaluation: Evaluation, documents: int) -> None:
        """Take in documents that were evaluated at some factors."""
        kept = max(1 - documents / self.documents, 0.0)
        if self._model is not None:
            evaluation = self._model(factors).mapped(lambda total: kept * total) + evaluation
        self._model = Memory(factors, evaluation, self.loss)
        self._weight = kept * self._weight + documents

    def __call__(self, factors: Sequence[Array]) -> Evaluation:
        """Return the evaluation of the whole corpus at some factors, so far as it is known."""
        if self._model is None:
            raise ValueError("the corpus has no documents, or can be read only once")
        scale = self.documents / self._weight
        return self._model(factors).mapped(lambda total: scale * total)


def train_online(
    chunks: Iterable[Matrix],
    factors: Sequence[Array],
    *,
    documents: int,
    loss: LossName = "layerwise",
    memory: Memory | None = None,
    passes: int | None = None,
    tol: float = 1e-5,
    device: Device | None = None,
    in_memory: bool = False,
    on_start: Callable[[State], None] | None = None,
    on_pass: Callable[[State], bool | None] | None = None,
    progress: bool = False,
) -> State:
    """Minimise a loss over the factors, a step after every chunk.

    Parameters
    ----------
    documents : int
        Number of documents of the corpus.
    chunks, factors, loss, memory, passes, tol, device, in_memory, on_start, on_pass, progress
        As in `nnmf_topics.training.train`. The start is evaluated on the first chunk only.

    Returns
    -------
    State
        Its evaluation and history are those of the documents as they were met.

    Raises
    ------
    ValueError
        If there are no documents.
    """
    device = device or Device("cpu")
    limit = MOST_PASSES if passes is None else passes
    with device.active(), tqdm(total=limit, disable=not progress, unit="pass") as bar:
        objective = Objective(chunks, loss, device, None, in_memory)
        optimizer, recent = GramDescent(), _Recent(documents, loss)
        current = [unit_columns(device.put(A)) for A in factors]

        def known() -> Evaluation:
            return recent(current) if memory is None else recent(current) + memory(current)

        history, reason = History(), None
        while reason is None:
            for number, chunk in enumerate(chunks):
                grams = [grams_of(A) for A in current]
                evaluation = objective.of_chunk(current, grams, number, chunk)
                recent.add(current, evaluation, chunk.shape[1])
                if history.passes == number == 0:
                    history = History(start_loss=relative_loss(known()))
                    if on_start is not None:
                        on_start(State(tuple(current), known(), history))
                current = optimizer.propose(current, known())
            history = extended(history, known())
            state = State(tuple(current), known(), history)
            bar.set_postfix(loss=f"{history.loss[-1]:.5f}", refresh=False)
            bar.update()
            if on_pass is not None and on_pass(state):
                reason = StopReason.CALLBACK
            elif history.passes > 1 and history.loss[-2] * (1 - tol) < history.loss[-1]:
                reason = StopReason.TOLERANCE
            elif history.passes >= limit:
                reason = StopReason.PASSES
        bar.total = bar.n
    return replace(state, history=replace(history, stop_reason=reason))
