"""A corpus as chunks that are read again for every pass."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import scipy.sparse as sp

from nnmf_topics._threads import HOST_THREADS
from nnmf_topics._typing import Matrix
from nnmf_topics.corpus import Source, is_in_memory, is_matrix, is_one_shot, read_chunks
from nnmf_topics.spool import Spool

logger = logging.getLogger("nnmf_topics.model")


class Corpus:
    """A corpus as chunks that can be read again for every pass.

    Lists, matrices and one-shot iterators are kept in memory, sparse; any other stream, and a CSC
    matrix in files that are mapped into memory, is read anew each time, in bounded memory. It has
    to give the same documents then: another number of them is a ValueError. With a spool a stream,
    also a one-shot iterator, is read once and written to it, if the disk has room.

    Parameters
    ----------
    source, num_terms, chunksize, dtype
        As in `read_chunks`.
    weigh : callable, optional
        Applied to every chunk; see `nnmf_topics.weighting`.
    spool : Spool, optional
        A new one, to be closed when the corpus is not read any more.
    """

    def __init__(
        self,
        source: Source,
        num_terms: int,
        chunksize: int,
        dtype: Any,
        weigh: Callable[[Matrix], Matrix] | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.num_terms, self.chunksize, self.dtype = num_terms, chunksize, dtype
        self.source = source
        self.weigh = weigh
        self._kept: list[sp.csc_array] | None = None
        self._documents: int | None = None  # of the first whole reading of a stream
        self._spool = None if is_matrix(source) else spool
        if is_in_memory(source) or (is_one_shot(source) and spool is None):
            self._kept = list(read_chunks(source, num_terms, chunksize, dtype))

    def __iter__(self) -> Iterator[sp.csc_array]:
        chunks = self._read() if self._kept is None else iter(self._kept)
        return chunks if self.weigh is None else map(self.weigh, chunks)

    def _read(self) -> Iterator[sp.csc_array]:
        if self._documents is not None and self._spool is not None:
            yield from self._spool
            return
        if self._spool is not None:
            self._spool.close()  # of a reading that was broken off
        documents = 0
        for chunk in read_chunks(self.source, self.num_terms, self.chunksize, self.dtype):
            documents += chunk.shape[1]
            self._write(chunk)
            yield chunk
        if self._documents is None:
            self._documents = documents
        elif documents != self._documents:
            raise ValueError(
                f"the corpus had {self._documents} documents in its first reading and {documents} "
                "in another: its __iter__ must begin anew and give the same ones; or give a list"
            )

    def _write(self, chunk: sp.csc_array) -> None:
        if self._spool is None:
            return
        try:
            self._spool.add(chunk)
        except OSError as error:
            self._spool.close()
            self._spool = None
            if is_one_shot(self.source):
                raise
            logger.warning("%s: the corpus is read anew for every pass", error)

    @property
    def in_memory(self) -> bool:
        """Whether all documents are kept in memory."""
        return self._kept is not None

    def weighted(self, weigh: Callable[[Matrix], Matrix]) -> "Corpus":
        """Return this corpus with every chunk weighted, kept in memory where this one is."""
        corpus = Corpus.__new__(Corpus)
        corpus.__dict__.update(self.__dict__)
        if self._kept is not None:
            with HOST_THREADS:
                corpus._kept = list(HOST_THREADS.map(weigh, self._kept))
        corpus.weigh = weigh if self._kept is None else None
        return corpus
