"""What is loaded for a training while its corpus is read."""

from typing import get_args

import numpy as np
import pytest

from nnmf_topics import rehearsal
from nnmf_topics._backend import Device
from nnmf_topics._typing import InitChoice, LossName
from nnmf_topics.rehearsal import rehearsed


@pytest.fixture
def trained(monkeypatch):
    """How many passes every training had."""
    passes, train = [], rehearsal.train

    def counted(*args, **options):
        state = train(*args, **options)
        passes.append(state.history.passes)
        return state

    monkeypatch.setattr(rehearsal, "train", counted)
    return passes


@pytest.mark.parametrize("init", get_args(InitChoice))
@pytest.mark.parametrize("loss", get_args(LossName))
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chunks_pass_as_they_are_and_the_second_comes_after_a_pass(
    init, loss, layers, dtype, trained
):
    chunks, before = [object(), object(), object()], []
    for chunk in rehearsed(chunks, init, layers, loss, dtype, Device("cpu")):
        assert chunk is chunks[len(before)]
        before.append(list(trained))
    assert before == [[], [1], [1]]


def test_one_chunk_is_not_worth_it(trained):
    assert len(list(rehearsed([object()], "auto", 2, "layerwise", np.float32, Device("cpu")))) == 1
    assert trained == []
