"""Codes of documents by factors that do not change any more."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import Matrix
from nnmf_topics.grouping import Grouped
from nnmf_topics.network import forward
from nnmf_topics.nnls import grams_of
from nnmf_topics.placement import Codes, PlacedChunks
from nnmf_topics.trained import Trained


class Encoder:
    """Trained factors on a device, with their Gram matrices; see `encoder_of`.

    Parameters
    ----------
    trained : Trained
    device : Device
    """

    def __init__(self, trained: Trained, device: Device) -> None:
        self._weighting, self._device = trained.weighting, device
        self._empty = [np.zeros((A.shape[1], 0), A.dtype) for A in trained.factors]
        with device.active():
            self._factors = [device.put(A) for A in trained.factors]
            self._grams = [grams_of(A) for A in self._factors]

    def __call__(self, chunks: Iterable[Matrix], layers: int) -> list[np.ndarray]:
        """Return the codes (k_l, documents) at so many layers, the finest first.

        Parameters
        ----------
        chunks : Matrices (terms, documents) on the host
            Not weighted yet.
        layers : int
        """
        gpu = self._device.is_gpu
        given = Grouped(map(self._weighting, chunks)) if gpu else chunks

        def work(X: Matrix, _near: Codes | None, _documents: slice) -> tuple[Any, Codes]:
            X = X if gpu else self._weighting(X)
            codes = forward(self._factors[:layers], X, grams=self._grams[:layers]).codes
            # Lists add up to longer lists, should the documents be taken in parts.
            return [[to_host(S) for S in codes]], codes

        with self._device.active():
            placed = PlacedChunks(given, self._device, in_memory=False)
            encoded = [codes for found, _ in placed.map(work) for codes in found]
        if not encoded:
            return [S.copy() for S in self._empty[:layers]]
        return [np.concatenate(parts, axis=1) for parts in zip(*encoded, strict=True)]


def encoder_of(trained: Trained, device: Device) -> Encoder:
    """Return the encoder of what was learnt; made once, as every query asks for it."""
    return trained.kept(("encoder", device.name), lambda: Encoder(trained, device))
