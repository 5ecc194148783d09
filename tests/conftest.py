"""Where the tests of the engine run: the host, with calls of NumPy and with loops compiled by
Numba, a stand-in stricter than a GPU, and a GPU.

``pytest -k cupy`` runs those of the GPU; without a working one they are skipped, or fail where the
environment variable NNMF_REQUIRE_GPU is 1.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_strict
import numpy as np
import pytest
import scipy.sparse as sp

from nnmf_topics._backend import HOST, Device, resolve_device, to_host
from nnmf_topics._compiled import _numba, kernels_for
from nnmf_topics._threads import one_ahead
from nnmf_topics.grouping import Group
from nnmf_topics.training import State


@pytest.fixture(scope="session", autouse=True)
def trainings_stay_finite():
    """NumPy's own warning of an invalid product is ignored, see pyproject.toml."""
    made = State.__init__

    def checked(self, *args, **kwargs):
        made(self, *args, **kwargs)
        for array in (*self.factors, self.evaluation.value):
            assert np.all(np.isfinite(to_host(array))), "training came to numbers that are none"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(State, "__init__", checked)
        yield


class StrictDevice(Device):
    """The second device of array_api_strict: what the standard does not promise is an error."""

    def active(self):
        return contextlib.nullcontext()

    def put(self, matrix):
        second = array_api_strict.__array_namespace_info__().devices()[1]
        return array_api_strict.asarray(matrix, device=second)

    def map_ahead(self, function, items):
        return one_ahead(function, items)

    def put_beside(self, matrix):
        return self.put(matrix)

    def wait(self):
        """What is begun is done already."""


class NotTheHost(Device):
    """The host, where what is for a GPU is done; it notes how many columns come together."""

    def __init__(self, name):
        super().__init__(name)
        object.__setattr__(self, "widths", [])

    def active(self):
        return HOST.active()

    def put(self, matrix):
        if isinstance(matrix, Group):
            matrix = matrix.joined()
        if sp.issparse(matrix):
            self.widths.append(matrix.shape[1])
        return matrix

    def map_ahead(self, function, items):
        return map(function, items)

    def put_beside(self, matrix):
        return self.put(matrix)

    def wait(self):
        """What is begun is done already."""

    def release(self):
        """Nothing is kept."""


class Store(NamedTuple):
    """A device, and how a dense host array becomes data there: dense or sparse."""

    xp: Device
    data: Callable[[Any], Any]


def device_named(kind, monkeypatch):
    if kind == "numpy":
        if (numba := _numba()) is not None:
            monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
        return Device("cpu")
    if kind == "numba":
        if kernels_for(np.ones(1)) is None:
            pytest.skip("Numba is not installed, or told not to compile")
        return Device("cpu")
    if kind == "strict":
        return StrictDevice("strict")
    try:
        return resolve_device("cuda")
    except RuntimeError as error:
        if os.environ.get("NNMF_REQUIRE_GPU") == "1":
            pytest.fail(f"NNMF_REQUIRE_GPU=1, but {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(params=["numpy", "numba", "strict", "cupy"])
def xp(request, monkeypatch):
    """A `Device`: ``xp.put(host_array)`` goes there, ``to_host`` comes back."""
    device = device_named(request.param, monkeypatch)
    with device.active():
        yield device


FORMS = ("numpy-dense", "numpy-sparse", "numba-dense", "numba-sparse", "strict-dense")


@pytest.fixture(params=[*FORMS, "cupy-dense", "cupy-sparse"])
def store(request, monkeypatch):
    """A `Store` for every kind of data that a namespace has."""
    kind, form = request.param.split("-")
    device = device_named(kind, monkeypatch)
    with device.active():
        if form == "sparse":
            yield Store(device, lambda X: device.put(sp.csc_array(X)))
        else:
            yield Store(device, device.put)
