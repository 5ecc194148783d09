"""The loss of a corpus as a function of the factors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.losses import squared_norm
from nnmf_topics.memory import Memory
from nnmf_topics.network import Evaluation, evaluate, forward
from nnmf_topics.nnls import Grams, grams_of
from nnmf_topics.placement import Codes, PlacedChunks, Work
from nnmf_topics.supervision import UNKNOWN, Head, Target, added, solved

_CHUNKS_OF_A_BLOCK = 16


class Objective:
    """The loss of all documents, those of a corpus and those of a memory.

    Parameters
    ----------
    chunks : re-iterable of host Matrix (terms, documents)
    loss : {"layerwise", "energy", "reconstruction"}
    device : Device
        To be active whenever this is called.
    memory : Memory, optional
        Documents seen before; on the device.
    in_memory : bool
        Whether the chunks are the same objects in every pass.
    targets : sequence of Target
        Labels of the corpus; with any, the chunks are read twice, the first time for the heads.
    apart : bool
        Whether the evaluation of the corpus alone is kept too, of the size of the terms.

    Attributes
    ----------
    documents : int
        Of the corpus, once it was called.
    grams : list of Grams
        Of the factors that it was called with last.
    heads : tuple of Head
        Those of least loss at these factors.
    share : float
        What the corpus has of the loss at these factors, 1 without a memory.
    apart : bool
        As given; may be changed from call to call.
    corpus : Evaluation or None
        That of the corpus alone, if it is kept.
    """

    def __init__(
        self,
        chunks: Iterable[Matrix],
        loss: LossName,
        device: Device,
        memory: Memory | None,
        in_memory: bool,
        targets: Sequence[Target] = (),
        apart: bool = False,
    ) -> None:
        self.loss, self.memory, self.targets = loss, memory, targets
        self.documents = 0
        self.grams: list[Grams] = []
        self.heads: tuple[Head, ...] = ()
        self.share, self.apart = 1.0, apart
        self.corpus: Evaluation | None = None
        self._labelled, self._scale = len(targets[0].labels) if targets else 0, 0.0
        # Several threads make products sooner. But one that reads a stream has no time to spare for
        # them, and an update, of few chunks, little memory.
        self._as_summands = not in_memory or memory is not None
        self._placed = PlacedChunks(chunks, device, in_memory)

    def __call__(self, factors: Sequence[Array]) -> Evaluation:
        """Return the evaluation of all documents."""
        self.corpus = None
        self.grams = [grams_of(A) for A in factors]
        if self.targets:
            self.heads = self._solved_heads(factors)
        self.documents = 0
        corpus = _sum_of(self._evaluations(factors))
        if corpus is None:
            raise ValueError("the corpus has no documents, or can be read only once: give a list")
        for target in self.targets:
            if len(target.labels) != self.documents:
                raise ValueError(f"{len(target.labels)} labels for {self.documents} documents")
        if self.heads:
            penalty = sum(head.penalty for head in self.heads)
            corpus = replace(corpus, value=corpus.value + penalty)
        self.corpus = corpus if self.apart else None
        return corpus if self.memory is None else self._joined(corpus, self.memory(factors))

    def of_chunks(self, factors: list[Array]) -> Iterator[tuple[Evaluation, int]]:
        """Yield the evaluation of every chunk, and its size.

        The list of factors may be given other ones from chunk to chunk.
        """
        for number, on_host, documents in self._placed.numbered():
            work = self._evaluating(list(factors), [grams_of(A) for A in factors])
            yield self._placed.one(work, number, on_host, documents).whole(), on_host.shape[1]

    def _joined(self, corpus: Evaluation, remembered: Evaluation) -> Evaluation:
        of_corpus = float(corpus.value)
        if self.apart:
            corpus = corpus + remembered
        else:
            corpus += remembered
        total = float(corpus.value)
        self.share = of_corpus / total if total > 0 else 1.0
        return corpus

    def _evaluations(self, factors: Sequence[Array]) -> Iterator[Evaluation]:
        for part, documents in self._placed.map(self._evaluating(factors, self.grams)):
            self.documents += documents
            yield part

    def _evaluating(self, factors: Sequence[Array], grams: Sequence[Grams]) -> Work:
        def work(X: Matrix, near: Codes | None, documents: slice) -> tuple[Evaluation, Codes]:
            more = partial(added, self.heads, documents=documents) if self.heads else None
            norm, as_summand = squared_norm(X), self._as_summands
            return evaluate(factors, X, norm, self.loss, near, grams, more, as_summand)

        return work

    def _solved_heads(self, factors: Sequence[Array]) -> tuple[Head, ...]:
        """Return the heads of least loss at these factors."""

        def work(X: Matrix, near: Codes | None, documents: slice) -> tuple[Any, Codes]:
            codes = forward(factors, X, near, self.grams).codes
            known = [
                to_host(codes[target.layer])[:, target.labels[documents] != UNKNOWN]
                for target in self.targets
            ]
            # Lists add up to longer lists, should the documents be taken in parts.
            return [(float(squared_norm(X)) / self._labelled, known)], codes

        found = [part for parts, _ in self._placed.map(work) for part in parts]
        if not self._scale:
            self._scale = sum(share for share, _ in found)
        codes = zip(*(known for _, known in found), strict=True)
        return tuple(
            solved(target, np.concatenate(parts, axis=1), self._scale)
            for target, parts in zip(self.targets, codes, strict=True)
        )


def _sum_of(parts: Iterable[Evaluation]) -> Evaluation | None:
    """Add up the evaluations of chunks, in blocks: what is small is lost beside a large sum."""
    total: Evaluation | None = None
    block: Evaluation | None = None
    for number, part in enumerate(parts, 1):
        block = _plus(block, part)
        if number % _CHUNKS_OF_A_BLOCK == 0:
            total, block = _plus(total, block), None
    return total if block is None else _plus(total, block)


def _plus(total: Evaluation | None, part: Evaluation) -> Evaluation:
    if total is None:
        return part.whole()
    total += part
    return total
