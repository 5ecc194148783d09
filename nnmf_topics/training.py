"""The loop: passes over the corpus, steps that do not raise the loss, and when to stop."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from tqdm.auto import tqdm

from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.grouping import Grouped
from nnmf_topics.memory import Memory
from nnmf_topics.network import Evaluation
from nnmf_topics.objective import Objective
from nnmf_topics.online import online_sweep
from nnmf_topics.optimizers import GramDescent, unit_columns
from nnmf_topics.supervision import Head, Target

MOST_PASSES = 200


class StopReason(StrEnum):
    """Why training ended."""

    TOLERANCE = "the loss fell by less than tol"
    PASSES = "all passes were made"
    STALLED = "no step in the proposed direction lowers the loss any more"
    CALLBACK = "a callback asked for it"
    INTERRUPTED = "an error or an interrupt ended it after a whole pass"


@dataclass(frozen=True)
class History:
    """What happened in training; one entry a pass.

    Attributes
    ----------
    loss : tuple of float
        Loss after each pass, as a share of ||X||_F^2. It never rises. Documents of earlier
        trainings count, as they are remembered; in `errors` as they were when last seen.
    errors : tuple of tuple of float
        Relative error ||X - A_0 ... A_l S_l|| / ||X|| of every layer, after each pass.
    start_loss : float
        Loss of the initial factors.
    stop_reason : StopReason or None
        None while training goes on.
    """

    loss: tuple[float, ...] = ()
    errors: tuple[tuple[float, ...], ...] = ()
    start_loss: float = float("nan")
    stop_reason: StopReason | None = None

    @property
    def passes(self) -> int:
        """Number of passes made."""
        return len(self.loss)


@dataclass(frozen=True)
class State:
    """The factors at the end of a pass, their evaluation, and the history so far.

    The evaluation is that of all documents: those of the corpus, and those of the memory. The heads
    are those of least loss at these factors, one for each target.
    """

    factors: tuple[Array, ...]
    evaluation: Evaluation
    history: History
    heads: tuple[Head, ...] = ()


def train(
    chunks: Iterable[Matrix],
    factors: Sequence[Array],
    *,
    loss: LossName = "layerwise",
    memory: Memory | None = None,
    passes: int | None = None,
    tol: float = 1e-5,
    device: Device | None = None,
    in_memory: bool | None = None,
    online: bool = False,
    targets: Sequence[Target] = (),
    on_start: Callable[[State], None] | None = None,
    on_pass: Callable[[State], bool | None] | None = None,
    progress: bool = False,
) -> State:
    """Minimise a loss over the factors by passes over a corpus.

    A pass reads the corpus once. It evaluates a proposed step with its exact gradient, and takes
    the step only if the loss did not rise.

    Parameters
    ----------
    chunks : re-iterable of host Matrix (terms, documents)
    factors : A_0 (terms, k_0), A_l (k_{l-1}, k_l), host arrays
        The start.
    loss : {"layerwise", "energy", "reconstruction"}
    memory : Memory, optional
        Documents seen before, whose loss counts too; on the device.
    passes : int, optional
        Passes at most; None means on to `tol`, but at most MOST_PASSES.
    tol : float
        Stop when a pass lowers the loss by less than this share of that of the corpus, and a
        shorter step does too; by less still where steps had to be shortened.
    device : Device, optional
        Default: the host.
    in_memory : bool, optional
        Whether the chunks stay in memory from pass to pass, so that they may be kept on the device
        and encoded from their last codes: faster, for k_0 + k_1 + ... numbers a document. By
        default that of lists and tuples.
    online : bool
        Propose a step after every chunk instead of one for all (`online_sweep`), until the first
        time that the loss rises by it. Such a pass reads the corpus twice.
    targets : sequence of Target
        Labels of the corpus that the codes shall tell. The corpus is read twice in a pass then.
    on_start : callable, optional
        Called with the `State` of the start, before the first pass.
    on_pass : callable, optional
        Called with the `State` after every pass; training stops when it returns True.
    progress : bool
        Show a progress bar.

    Returns
    -------
    State

    Raises
    ------
    ValueError
        If there are no documents.
    """
    device = device or Device("cpu")
    limit = MOST_PASSES if passes is None else passes
    with device.active(), tqdm(total=limit, disable=not progress, unit="pass") as bar:
        if in_memory is None:
            in_memory = isinstance(chunks, (list, tuple))
        if device.is_gpu and not online:  # steps are taken after every chunk there
            chunks = Grouped(chunks)
        objective = Objective(chunks, loss, device, memory, in_memory, targets, apart=online)
        optimizer = GramDescent()
        current = [unit_columns(device.put(A)) for A in factors]
        best = objective(current)
        gram, heads, corpus = objective.grams[0].gram, objective.heads, objective.corpus
        state = State(tuple(current), best, History(start_loss=_relative(best)), heads)
        if on_start is not None:
            on_start(state)
        reason, doubted = StopReason.PASSES, False
        while state.history.passes < limit:
            if corpus is not None:
                trial = online_sweep(objective, optimizer, state.factors, corpus)
            else:
                trial = optimizer.propose(state.factors, best, gram)
            evaluation = objective(trial)
            fallen = float(best.value - evaluation.value) / max(float(best.value), 1e-300)
            if fallen >= 0:
                # A short step lowers the loss by little wherever it starts.
                least = tol * objective.share * min(optimizer.scale, 1.0)
                little = fallen < least
                # A step that has become too long lowers it by little too: a shorter one decides.
                doubted = little and not doubted and optimizer.scale > 1
                stop = StopReason.TOLERANCE if little and not doubted else None
                best, current = evaluation, trial
                gram, heads, corpus = objective.grams[0].gram, objective.heads, objective.corpus
                optimizer.accept(too_long=doubted)
            elif corpus is not None:
                stop, corpus = None, None  # no sweep any more, and nothing to begin one from
                objective.apart = False
            else:
                stop = None if optimizer.reject() else StopReason.STALLED
            del trial, evaluation  # of the size of the terms, if they were not taken
            state = State(tuple(current), best, _extended(state.history, best), heads)
            bar.set_postfix(loss=f"{state.history.loss[-1]:.5f}", refresh=False)
            bar.update()
            if on_pass is not None and on_pass(state):
                stop = StopReason.CALLBACK
            if stop is not None:
                reason = stop
                break
        bar.total = bar.n
    history = replace(state.history, stop_reason=reason)
    return replace(state, history=history)


def _relative(evaluation: Evaluation) -> float:
    return float(evaluation.value) / max(float(evaluation.norm), 1e-300)


def _extended(history: History, evaluation: Evaluation) -> History:
    norm = max(float(evaluation.norm), 1e-300)
    errors = tuple(float(e) for e in np.sqrt(to_host(evaluation.errors) / norm))
    loss = (*history.loss, _relative(evaluation))
    return History(loss, (*history.errors, errors), history.start_loss)
