"""Where training on new documents starts: from the topics as they are, or made for old and new.

Topics that are all in use cannot leave their place step by step when documents of another kind
arrive. So a second start is made from scratch, from the new documents together with the topics of
the old ones as if they were documents. It is taken if a few passes show that it is far better: the
present topics are what readers know.
"""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.optimize
import scipy.sparse as sp

from nnmf_topics._backend import Device
from nnmf_topics._typing import LossName, Matrix
from nnmf_topics.initializers import layerwise
from nnmf_topics.memory import Memory
from nnmf_topics.optimizers import unit_columns
from nnmf_topics.trained import Trained
from nnmf_topics.training import State

_TRIAL_PASSES = 3
_FAR_BETTER = 2.0

Trial = Callable[[Memory, int], State]


def best_start(
    known: Trained,
    sample: Matrix,
    trial: Trial,
    loss: LossName,
    device: Device,
    random_state: np.random.RandomState,
) -> Memory:
    """Return a memory of what is known, in terms of the factors to start from.

    Parameters
    ----------
    known : Trained
    sample : Matrix (terms, documents) on the host
        New documents.
    trial : callable
        Trains on them from the factors of a memory, for some passes.
    loss : {"layerwise", "energy", "reconstruction"}
    device : Device
    random_state : numpy.random.RandomState
    """
    fresh = _from_scratch(known, sample, random_state)
    # One memory at a time in the trials: each is of the size of the terms.
    before, stay = _losses(trial(_present(known, loss, device), _TRIAL_PASSES))
    with device.active():
        other = _present(known, loss, device).rebased([device.put(A) for A in fresh])
    _, move = _losses(trial(other, _TRIAL_PASSES))
    if before - move > _FAR_BETTER * (before - stay):
        return other
    del other
    return _present(known, loss, device)


def _from_scratch(
    known: Trained, sample: Matrix, random_state: np.random.RandomState
) -> list[np.ndarray]:
    """Return factors for the new documents and the topics of the old ones together."""
    widths = [A.shape[1] for A in known.factors]
    both = sp.hstack([sp.csc_array(_as_documents(known)), sample], format="csc")
    with Device("cpu").active():
        # By energy, whatever the model was started from: an old topic stands for many documents,
        # and holds most words. Restarts are tried on some documents, which could leave it out.
        fresh = layerwise(both, widths, random_state, rare_first=False, evenness=0, restarts=0)
        return _numbered_as(known.factors, fresh)


def _present(known: Trained, loss: LossName, device: Device) -> Memory:
    with device.active():
        factors = [device.put(A) for A in known.factors]
        return Memory(factors, known.evaluation.mapped(device.put), loss)


def _losses(state: State) -> tuple[float, float]:
    """Loss at the start of a training and at its end; of all else, which is large, no more."""
    norm = float(state.evaluation.norm)
    return state.history.start_loss * norm, float(state.evaluation.value)


def _as_documents(known: Trained) -> np.ndarray:
    """Topics of every layer as columns, as long as all that their documents had of them."""
    columns, topics = [], known.factors[0]
    for layer, H in enumerate(known.evaluation.curvature):
        topics = topics @ known.factors[layer] if layer else topics
        squares = np.diagonal(H) / (len(known.factors) * (1 if layer else 2))
        columns.append(topics * np.sqrt(squares))
    return np.concatenate(columns, axis=1)


def _numbered_as(old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Give new topics the numbers of the old ones that they are most like, layer by layer."""
    numbered: list[np.ndarray] = []
    order = np.arange(new[0].shape[0])
    topics: list[np.ndarray] = []
    for layer, (A, B) in enumerate(zip(old, new, strict=True)):
        B = B[order]
        topics = [topics[0] @ A, topics[1] @ B] if layer else [A, B]
        cosines = unit_columns(topics[0]).T @ unit_columns(topics[1])
        _, order = scipy.optimize.linear_sum_assignment(cosines, maximize=True)
        numbered.append(B[:, order])
        topics[1] = topics[1][:, order]
    return numbered
