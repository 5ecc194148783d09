"""The loss of a corpus as a function of the factors: chunk by chunk, however small the device."""

import contextlib
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

    Attributes
    ----------
    documents : int
        Of the corpus, once it was called.
    grams : list of Grams
        Of the factors that it was called with last.
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
        self.documents = 0
        self.grams: list[Grams] = []
        self._known: dict[int, _Chunk] = {}
        self._most: float = float("inf")

    def __call__(self, factors: Sequence[Array]) -> tuple[Evaluation, Evaluation]:
        """Return the evaluation of all documents, and that of the corpus alone."""
        grams = self.grams = [grams_of(A) for A in factors]

        def evaluated(item: tuple[int, Matrix]) -> tuple[Evaluation, int]:
            return self.of_chunk(factors, grams, *item), item[1].shape[1]

        corpus: Evaluation | None = None
        self.documents = 0
        for part, documents in self.device.map(evaluated, enumerate(self.chunks)):
            corpus = part if corpus is None else corpus + part
            self.documents += documents
        if corpus is None:
            raise ValueError("the corpus has no documents, or can be read only once")
        return corpus if self.memory is None else corpus + self.memory(factors), corpus

    def of_chunk(
        self, factors: Sequence[Array], grams: Sequence[Grams], number: int, on_host: Matrix
    ) -> Evaluation:
        """Evaluate one chunk of the corpus, given by its number and its documents."""
        documents = on_host.shape[1]
        chunk = self._known.get(number) or _Chunk(documents)
        if chunk.documents != documents:
            raise ValueError(f"chunk {number} of the corpus changed from one pass to the next")
        found = self._kept_on_device(factors, grams, chunk, on_host)
        if found is None:
            found = self._in_parts(factors, grams, on_host, chunk.codes)
        evaluation, codes = found
        if self.in_memory:
            chunk.codes = codes
            self._known[number] = chunk
        if not self._keeps_placed:
            chunk.placed = None
        return evaluation

    def _kept_on_device(
        self, factors: Sequence[Array], grams: Sequence[Grams], chunk: _Chunk, on_host: Matrix
    ) -> tuple[Evaluation, list[Array]] | None:
        """Evaluate a chunk that stays on the device; None if there is no room for it to stay."""
        if not self._keeps_placed:
            return None
        with contextlib.suppress(MemoryError):
            if chunk.placed is None:
                chunk.placed = self.device.put(on_host)
            return self._evaluated(factors, grams, chunk.placed, chunk.codes)
        logger.info("the corpus does not fit on %s: streaming it", self.device.name)
        self._keeps_placed = False
        for known in (chunk, *self._known.values()):
            known.placed = None
        self.device.release()
        return None

    def _in_parts(
        self,
        factors: Sequence[Array],
        grams: Sequence[Grams],
        on_host: Matrix,
        near: Sequence[Array] | None,
    ) -> tuple[Evaluation, list[Array]]:
        """Evaluate as many documents at a time as there is memory for."""
        documents = on_host.shape[1]
        if documents <= self._most:
            try:
                return self._evaluated(factors, grams, self.device.put(on_host), near)
            except MemoryError:
                if documents == 1:
                    raise
            # Not before the exception, and all that it holds, is gone.
            self._halve(documents)
        half = -(-documents // 2)
        results = []
        for number, part in enumerate(in_parts(on_host, half)):
            mine = slice(number * half, min((number + 1) * half, documents))
            start = None if near is None else [S[:, mine] for S in near]
            results.append(self._in_parts(factors, grams, part, start))
        (first, left), (second, right) = results
        xp = namespace(left[0])
        joined = [xp.concat([a, b], axis=1) for a, b in zip(left, right, strict=True)]
        return first + second, joined

    def _evaluated(
        self,
        factors: Sequence[Array],
        grams: Sequence[Grams],
        X: Matrix,
        near: Sequence[Array] | None,
    ) -> tuple[Evaluation, list[Array]]:
        return evaluate(factors, X, squared_norm(X), self.loss, near, grams)

    def _halve(self, documents: int) -> None:
        half = -(-documents // 2)
        if half < self._most:
            logger.warning(
                "%s has too little memory for %d documents at a time: going on with %d; a smaller "
                "chunksize avoids this",
                *(self.device.name, documents, half),
            )
            self._most = half
        self.device.release()
