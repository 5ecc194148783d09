"""Where the tests of the engine run: the host, a stand-in stricter than a GPU, and a GPU.

``pytest -k cupy`` runs those of the GPU; without a working one they are skipped, or fail where the
environment variable NNMF_REQUIRE_GPU is 1.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_strict
import pytest
import scipy.sparse as sp

from nnmf_topics._backend import Device, resolve_device


class StrictDevice(Device):
    """The second device of array_api_strict: what the standard does not promise is an error."""

    def active(self):
        return contextlib.nullcontext()

    def put(self, matrix):
        second = array_api_strict.__array_namespace_info__().devices()[1]
        return array_api_strict.asarray(matrix, device=second)


class Store(NamedTuple):
    """A device, and how a dense host array becomes data there: dense or sparse."""

    xp: Device
    data: Callable[[Any], Any]


def device_named(kind):
    if kind == "numpy":
        return Device("cpu")
    if kind == "strict":
        return StrictDevice("strict")
    try:
        return resolve_device("cuda")
    except RuntimeError as error:
        if os.environ.get("NNMF_REQUIRE_GPU") == "1":
            pytest.fail(f"NNMF_REQUIRE_GPU=1, but {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(params=["numpy", "strict", "cupy"])
def xp(request):
    """A `Device`: ``xp.put(host_array)`` goes there, ``to_host`` comes back."""
    device = device_named(request.param)
    with device.active():
        yield device


@pytest.fixture(params=["numpy-dense", "numpy-sparse", "strict-dense", "cupy-dense", "cupy-sparse"])
def store(request):
    """A `Store` for every kind of data that a namespace has."""
    kind, form = request.param.split("-")
    device = device_named(kind)
    with device.active():
        if form == "sparse":
            yield Store(device, lambda X: device.put(sp.csc_array(X)))
        else:
            yield Store(device, device.put)
