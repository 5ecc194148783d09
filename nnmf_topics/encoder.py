"""Codes of documents by factors that do not change any more."""

from collections.abc import Iterable

import numpy as np

from nnmf_topics._backend import Device, to_host
from nnmf_topics._typing import Matrix
from nnmf_topics.network import forward
from nnmf_topics.nnls import grams_of
from nnmf_topics.topics import topic_lengths
from nnmf_topics.trained import Trained


class Encoder:
    """Trained factors on a device, with what every query needs of them, made once.

    Parameters
    ----------
    trained : Trained
        Its factors become read-only: if they changed, answers would be of a mixture of both.
    device : Device
    """

    def __init__(self, trained: Trained, device: Device) -> None:
        for A in trained.factors:
            A.flags.writeable = False
        self.trained, self._device = trained, device
        with device.active():
            self._factors = [device.put(A) for A in trained.factors]
            self._grams = [grams_of(A) for A in self._factors]
        layers = range(len(trained.factors))
        self._lengths = [topic_lengths(trained.factors, layer) for layer in layers]

    def lengths(self, layer: int) -> np.ndarray:
        """Return the words that a code of 1 stands for, (k_l,); see `topics.topic_lengths`."""
        return self._lengths[layer]

    def __call__(self, chunks: Iterable[Matrix], layers: int) -> list[np.ndarray]:
        """Return the codes (k_l, documents) at so many layers, the finest first.

        Parameters
        ----------
        chunks : Matrices (terms, documents) on the host
            Not weighted yet.
        layers : int
        """

        def codes(chunk: Matrix) -> list[np.ndarray]:
            X = self._device.put(self.trained.weighting(chunk))
            found = forward(self._factors[:layers], X, grams=self._grams[:layers])
            return [to_host(S) for S in found.codes]

        with self._device.active():
            encoded = list(self._device.map(codes, chunks))
        if not encoded:
            return [np.zeros((A.shape[1], 0), A.dtype) for A in self.trained.factors[:layers]]
        return [np.concatenate(parts, axis=1) for parts in zip(*encoded, strict=True)]
