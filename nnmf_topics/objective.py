"""The loss of a corpus as a function of the factors: chunk by chunk, however small the device."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnmf_topics._backend import Device, namespace
from nnmf_topics._typing import Array, LossName, Matrix
from nnmf_topics.initializers import in_parts, squared_norm
from nnmf_topics.memory import Memory
from nnmf_topics.network import Evaluation, evaluate
from nnmf_topics.nnls import Grams, grams_of

logger = logging.getLogger(__name__)


@dataclass
class _Chunk:
    """What is known of a chunk from one pass to the next."""

    documents: int
    placed: Matrix | None = None
    codes: list[Array] | None = None


class Objective:
    """The loss of all documents, those of a corpus and those of a memory.

    Chunks that are in memory are kept on the device too, while they fit. Where the memory of the
    device does not suffice they are brought there one at a time, and then in ever smaller parts.

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
    """

    def __init__(
        self,
        chunks: Iterable[Matrix],
        loss: LossName,
        device: Device,
        memory: Memory | None,
        in_memory: bool,
    ) -> None:
        self.chunks, self.loss, self.device, self.memory = chunks, loss, device, memory
        self.in_memory = self._keeps_placed = in_memory
        self._known: dict[int, _Chunk] = {}
        self._most: float = float("inf")

    def __call__(self, factors: Sequence[Array]) -> tuple[Evaluation, float]:
        """Return the evaluation of all documents, and the share of the corpus in their loss."""
        grams = [grams_of(A) for A in factors]

        def part(item: tuple[int, Matrix]) -> Evaluation:
            return self.of_chunk(factors, grams, *item)

        total: Evaluation | None = None
        for evaluation in self.device.map(part, enumerate(self.chunks)):
            total = evaluation if total is None else total + evaluation
        if total is None:
            raise ValueError("the corpus has no documents, or can be read only once")
        if self.memory is None:
            return total, 1.0
        everything = total + self.memory(factors)
        return everything, float(total.value) / max(float(everything.value), 1e-300)

    def of_chunk(
        self, factors: Sequence[Array], grams: Sequence[Grams], number: int, on_host: Matrix
    ) -> Evaluation:
        """Evaluate one chunk of the corpus, given by its number and its documents."""
        documents = on_host.shape[1]
        chunk = self._known.get(number) or _Chunk(documents)
        if chunk.documents != documents:
            raise ValueError(f"chunk {number} of the corpus changed from one pass to the next")
        X = self._placed(chunk, on_host)
        evaluation, codes = self._in_parts(factors, grams, X, chunk.codes)
        if self.in_memory:
            chunk.codes = codes
            chunk.placed = X if self._keeps_placed else None
            self._known[number] = chunk
        return evaluation

    def _placed(self, chunk: _Chunk, on_host: Matrix) -> Matrix:
        if chunk.placed is not None:
            return chunk.placed
        try:
            placed = self.device.put(on_host)
        except MemoryError:
            if not self._keeps_placed:
                raise
            placed = None
        if placed is None:
            self._let_go()
            placed = self.device.put(on_host)
        return placed

    def _let_go(self) -> None:
        """Keep no chunk on the device any more."""
        logger.info("the corpus does not fit on %s: streaming it", self.device.name)
        self._keeps_placed = False
        for chunk in self._known.values():
            chunk.placed = None
        self.device.release()

    def _in_parts(
        self,
        factors: Sequence[Array],
        grams: Sequence[Grams],
        X: Matrix,
        near: Sequence[Array] | None,
    ) -> tuple[Evaluation, list[Array]]:
        """Evaluate as many documents at a time as there is memory for."""
        documents = X.shape[1]
        if documents <= self._most:
            try:
                return evaluate(factors, X, squared_norm(X), self.loss, near, grams)
            except MemoryError:
                if documents == 1:
                    raise
            # Not before the exception, and all that it holds, is gone.
            self._make_room(documents)
        half = -(-documents // 2)
        results = []
        for number, part in enumerate(in_parts(X, half)):
            mine = slice(number * half, min((number + 1) * half, documents))
            start = None if near is None else [S[:, mine] for S in near]
            results.append(self._in_parts(factors, grams, part, start))
        (first, left), (second, right) = results
        xp = namespace(left[0])
        joined = [xp.concat([a, b], axis=1) for a, b in zip(left, right, strict=True)]
        return first + second, joined

    def _make_room(self, documents: int) -> None:
        if self._keeps_placed and self.device.is_gpu:
            self._let_go()
        half = -(-documents // 2)
        if half < self._most:
            logger.warning(
                "%s has too little memory for %d documents at a time: going on with %d; a smaller "
                "chunksize avoids this",
                *(self.device.name, documents, half),
            )
            self._most = half
        self.device.release()
