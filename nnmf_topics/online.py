"""Online steps: one after every chunk, each from the loss of all documents as far as it is known.

A sweep starts from the exact evaluation of the corpus, of which a model goes along (`Memory`). In
it older documents fade by the share that the chunk has of the corpus, and the chunk takes their
place. (The idea is that of Mairal et al., "Online learning for matrix factorization and sparse
coding", 2010.) The sweep is but a proposal: training takes it only if the exact loss did not rise.
"""

from collections.abc import Sequence

from nnmf_topics._typing import Array
from nnmf_topics.memory import Memory
from nnmf_topics.network import Evaluation
from nnmf_topics.objective import Objective
from nnmf_topics.optimizers import GramDescent


def online_sweep(
    objective: Objective, optimizer: GramDescent, factors: Sequence[Array], corpus: Evaluation
) -> list[Array]:
    """Return the factors after a step for every chunk.

    Parameters
    ----------
    objective : Objective
        Called before, so that it knows the number of documents.
    optimizer : GramDescent
        Makes the steps.
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l), in normal form
    corpus : Evaluation
        Of the corpus at these factors, without earlier documents.
    """
    current = list(factors)
    recent = Memory(factors, corpus, objective.loss)
    for part, documents in objective.of_chunks(current):
        known = _faded(recent(current), 1 - documents / objective.documents)
        known += part
        recent = Memory(current, known, objective.loss)
        if objective.memory is not None:
            known += objective.memory(current)
        current[:] = optimizer.propose(current, known)
    return current


def _faded(evaluation: Evaluation, share: float) -> Evaluation:
    return evaluation.mapped(lambda total: share * total)
