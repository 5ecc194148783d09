"""The chunks of a corpus on a device: kept there while they fit, else streamed."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nnmf_topics._backend import Device, namespace
from nnmf_topics._typing import Array, Matrix
from nnmf_topics.grouping import Group
from nnmf_topics.products import in_parts

logger = logging.getLogger(__name__)

Codes: TypeAlias = Sequence[Array]
Work: TypeAlias = Callable[[Matrix, Codes | None, slice], tuple[Any, Codes]]
"""From documents, codes to start from and their place in the corpus: a summand, and codes."""


@dataclass
class _Chunk:
    """What is known of a chunk from one pass to the next."""

    documents: slice
    placed: Matrix | None = None
    codes: Codes | None = None


class PlacedChunks:
    """Chunks that work is done on, pass by pass.

    Those in memory are kept on the device too, while they fit. Where the memory of the device does
    not suffice they are brought there one at a time, the next while the device works on the last,
    and then in ever smaller parts.

    Parameters
    ----------
    chunks : re-iterable of host Matrix (terms, documents)
    device : Device
        To be active whenever work is done.
    in_memory : bool
        Whether the chunks are the same objects in every pass.
    """

    def __init__(self, chunks: Iterable[Matrix], device: Device, in_memory: bool) -> None:
        self.chunks, self.device = chunks, device
        self.in_memory = self._keeps_placed = in_memory
        self._known: dict[int, _Chunk] = {}
        self._most: float = float("inf")
        self._has_room_beside = True
        self._beside: dict[int, Matrix | None] = {}

    def map(self, work: Work) -> Iterator[tuple[Any, int]]:
        """Yield what the work returns for every chunk, in order, and its number of documents."""

        def done(item: tuple[int, Matrix, slice]) -> tuple[Any, int]:
            return self.one(work, *item), item[1].shape[1]

        if self._keeps_placed or not self._has_room_beside:
            return self.device.map(done, self.numbered())
        return self.device.map_ahead(done, self._placed_beside())

    def _placed_beside(self) -> Iterator[tuple[int, Matrix, slice]]:
        """Yield what `numbered` does, each chunk on the device already where it has room."""
        for number, on_host, documents in self.numbered():
            if self._has_room_beside and on_host.shape[1] <= self._most:
                self._beside[number] = self.device.put_beside(on_host)
                if not self._has_room_beside:  # as has turned out meanwhile
                    self._beside.clear()
            yield number, on_host, documents

    def numbered(self) -> Iterator[tuple[int, Matrix, slice]]:
        """Yield the number of every chunk, the chunk, and its place in the corpus."""
        first = 0
        for number, on_host in enumerate(self.chunks):
            documents = slice(first, first + on_host.shape[1])
            first = documents.stop
            yield number, on_host, documents

    def one(self, work: Work, number: int, on_host: Matrix, documents: slice) -> Any:
        """Do the work on one chunk, as `numbered` yields it."""
        chunk = self._known.get(number) or _Chunk(documents)
        if chunk.documents != documents:
            raise ValueError(f"chunk {number} of the corpus changed from one pass to the next")
        found = self._kept_on_device(work, chunk, on_host)
        if found is None:
            found = self._placed_before(work, chunk, number)
        if found is None:
            found = self._in_parts(work, on_host, chunk.codes, documents)
        summand, codes = found
        if self.in_memory:
            chunk.codes = codes
            self._known[number] = chunk
        if not self._keeps_placed:
            chunk.placed = None
        return summand

    def _kept_on_device(
        self, work: Work, chunk: _Chunk, on_host: Matrix
    ) -> tuple[Any, Codes] | None:
        """Do the work on a chunk that stays on the device; None if there is no room to stay."""
        if not self._keeps_placed:
            return None
        with contextlib.suppress(MemoryError):
            if chunk.placed is None:
                chunk.placed = self.device.put(on_host)
            return work(chunk.placed, chunk.codes, chunk.documents)
        logger.info("the corpus does not fit on %s: streaming it", self.device.name)
        self._keeps_placed = False
        for known in (chunk, *self._known.values()):
            known.placed = None
        self.device.release()
        return None

    def _placed_before(self, work: Work, chunk: _Chunk, number: int) -> tuple[Any, Codes] | None:
        """Do the work on a chunk that was placed beside; None if it was not, or lacks the room."""
        placed = self._beside.pop(number, None)
        if placed is None:
            return None
        try:
            return work(placed, chunk.codes, chunk.documents)
        except MemoryError:
            logger.info("no room on %s for the next documents beside the work", self.device.name)
        finally:
            self.device.wait()
        del placed
        self._has_room_beside = False
        self._beside.clear()
        self.device.release()
        return None

    def _in_parts(
        self, work: Work, on_host: Matrix, near: Codes | None, documents: slice
    ) -> tuple[Any, Codes]:
        """Do the work on as many documents at a time as there is memory for."""
        count = on_host.shape[1]
        if count <= self._most:
            try:
                return work(self.device.put(on_host), near, documents)
            except MemoryError:
                if count == 1:
                    raise
            # Not before the exception, and all that it holds, is gone.
            self._halve(on_host)
        half = -(-count // 2)
        results = []
        for number, part in enumerate(in_parts(on_host, half)):
            mine = slice(number * half, min((number + 1) * half, count))
            start = None if near is None else [S[:, mine] for S in near]
            place = slice(documents.start + mine.start, documents.start + mine.stop)
            results.append(self._in_parts(work, part, start, place))
        (first, left), (second, right) = results
        xp = namespace(left[0])
        joined = [xp.concat([a, b], axis=1) for a, b in zip(left, right, strict=True)]
        return first + second, joined

    def _halve(self, on_host: Matrix) -> None:
        documents = on_host.shape[1]
        half = -(-documents // 2)
        if half < self._most:
            remedy = "" if isinstance(on_host, Group) else "; a smaller chunksize avoids this"
            logger.warning(
                "%s has too little memory for %d documents at a time: going on with %d%s",
                *(self.device.name, documents, half, remedy),
            )
            self._most = half
        self.device.release()
