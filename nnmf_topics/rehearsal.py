"""A training on next to nothing, early in a long reading: all is loaded for the real one then."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from nnmf_topics._backend import Device
from nnmf_topics._typing import InitChoice, LossName, Matrix
from nnmf_topics.initializers import initialize
from nnmf_topics.training import train


def rehearsed(
    chunks: Iterable[Matrix],
    init: InitChoice,
    layers: int,
    loss: LossName,
    dtype: type[np.floating[Any]],
    device: Device,
) -> Iterator[Matrix]:
    """Pass chunks on, and train on next to nothing with the second one.

    Libraries and compiled loops are not loaded after a long reading then: what fails in it does so
    soon, and what memory it takes is taken from the beginning. One chunk is no long reading.
    """
    for number, chunk in enumerate(chunks):
        if number == 1:
            random_state = np.random.RandomState(0)
            X = sp.csc_array(random_state.random_sample((6, 8)).astype(dtype))
            name = "clusters" if init == "auto" else init
            start = initialize(name, X, [2] * layers, random_state, device)
            train([X], start, loss=loss, passes=1, device=device, in_memory=False)
        yield chunk
