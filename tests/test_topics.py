from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nnmf_topics.topics import (
    child_shares,
    resolve_layer,
    strongest_parent,
    top_terms,
    topic_term,
)

untimed = settings(deadline=None)

# Two layers by hand: topic 0 has 2 units of mass, topic 1 has 6.
FACTORS = (
    np.array([[1.0, 0.0], [1.0, 3.0], [0.0, 3.0]]),
    np.array([[3.0, 1.0], [1.0, 0.0]]),
)


@st.composite
def chains(draw, dtype=np.float64):
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    # Zeros are frequent and other values are of one order, so that rounding stays comparable.
    values = st.one_of(st.just(0.0), st.floats(0.125, 8, width=16))
    return tuple(draw(arrays(dtype, shape, elements=values)) for shape in pairwise(widths))


def product(factors, layer):
    return np.linalg.multi_dot([np.eye(len(factors[0])), *factors[: layer + 1]])


def test_topics_of_a_hand_made_chain():
    np.testing.assert_allclose(topic_term(FACTORS, 0), [[0.5, 0.5, 0], [0, 0.5, 0.5]])
    np.testing.assert_allclose(topic_term(FACTORS, 1), [[0.25, 0.5, 0.25], [0.5, 0.5, 0]])
    np.testing.assert_allclose(child_shares(FACTORS, 1), [[0.5, 1], [0.5, 0]])
    np.testing.assert_array_equal(strongest_parent(FACTORS, 1), [1, 0])


@untimed
@given(chains())
def test_topics_are_the_normalised_columns_of_the_product(factors):
    for layer in range(len(factors)):
        columns = product(factors, layer)
        sums = columns.sum(axis=0)
        expected = np.where(sums > 0, columns / np.where(sums > 0, sums, 1), 1 / len(columns))
        np.testing.assert_allclose(topic_term(factors, layer), expected.T, rtol=1e-12)


@untimed
@given(chains(np.float32))
def test_topics_are_distributions_in_the_dtype_of_the_factors(factors):
    for layer in range(len(factors)):
        topics = topic_term(factors, layer)
        assert topics.dtype == np.float32
        assert topics.flags.c_contiguous
        assert topics.shape == (factors[layer].shape[1], factors[0].shape[0])
        assert (topics >= 0).all()
        np.testing.assert_allclose(topics.sum(axis=1, dtype=np.float64), 1, rtol=1e-6)


def test_a_topic_without_words_is_uniform_and_has_no_shares():
    factors = (np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 0.0, 0.0], [4.0, 1.0, 0.0]]))
    np.testing.assert_array_equal(topic_term(factors, 0)[1], [0.5, 0.5])
    np.testing.assert_array_equal(topic_term(factors, 1)[1:], np.full((2, 2), 0.5))
    np.testing.assert_array_equal(child_shares(factors, 1), [[1, 0, 0], [0, 0, 0]])


@untimed
@given(chains())
def test_shares_mix_the_topics_below_into_the_topics_above(factors):
    for layer in range(1, len(factors)):
        shares = child_shares(factors, layer)
        alive = product(factors, layer).any(axis=0)
        np.testing.assert_allclose(shares.sum(axis=0), alive.astype(float), rtol=1e-12)
        mixed = topic_term(factors, layer - 1).T @ shares
        expected = topic_term(factors, layer).T
        np.testing.assert_allclose(mixed[:, alive], expected[:, alive], rtol=1e-12)


@untimed
@given(chains(), st.randoms(use_true_random=False))
def test_topics_and_shares_do_not_depend_on_how_scale_is_spread_over_the_factors(factors, random):
    scaled = [factor.copy() for factor in factors]
    for lower, upper in pairwise(scaled):
        scale = np.array([10.0 ** random.uniform(-6, 6) for _ in range(lower.shape[1])])
        lower *= scale
        upper /= scale[:, None]
    for layer in range(len(factors)):
        np.testing.assert_allclose(topic_term(scaled, layer), topic_term(factors, layer), rtol=1e-9)
    for layer in range(1, len(factors)):
        expected = child_shares(factors, layer)
        np.testing.assert_allclose(child_shares(scaled, layer), expected, rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_extreme_scales_in_single_precision_leave_the_topics_as_they_are(scale):
    factors = tuple(factor.astype(np.float32) for factor in FACTORS)
    scaled = tuple(factor * np.float32(scale) for factor in factors)
    for layer in range(2):
        np.testing.assert_allclose(topic_term(scaled, layer), topic_term(factors, layer), 1e-6)
    np.testing.assert_allclose(child_shares(scaled, 1), child_shares(factors, 1), 1e-6)
    assert child_shares(scaled, 1).dtype == np.float32


def test_factors_are_only_read():
    factors = tuple(factor.copy() for factor in FACTORS)
    for factor in factors:
        factor.flags.writeable = False  # writing into one would raise
    assert topic_term(factors, 0).flags.writeable
    assert topic_term(factors, 1).flags.writeable
    assert child_shares(factors, 1).flags.writeable
    for factor, before in zip(factors, FACTORS, strict=True):
        np.testing.assert_array_equal(factor, before)


@untimed
@given(chains())
def test_the_strongest_parent_has_no_rival(factors):
    for layer in range(1, len(factors)):
        shares, parents = child_shares(factors, layer), strongest_parent(factors, layer)
        assert parents.shape == (len(shares),)
        for child, parent in enumerate(parents):
            assert shares[child, parent] == shares[child].max()
            assert (shares[child, :parent] < shares[child, parent]).all()


def test_negative_layers_count_from_the_coarsest():
    np.testing.assert_array_equal(topic_term(FACTORS, -1), topic_term(FACTORS, 1))
    np.testing.assert_array_equal(topic_term(FACTORS, -2), topic_term(FACTORS, 0))
    np.testing.assert_array_equal(child_shares(FACTORS, -1), child_shares(FACTORS, 1))
    assert [resolve_layer(layer, 3) for layer in (-3, -2, -1, 0, 1, 2)] == [0, 1, 2] * 2
    assert resolve_layer(np.int64(-1), 3) == 2


@pytest.mark.parametrize("layer", [-3, 2, 10**20])
def test_an_unknown_layer_is_an_index_error_that_names_it_and_the_number_of_layers(layer):
    with pytest.raises(IndexError, match=rf"layer {layer} .*number of layers is 2"):
        topic_term(FACTORS, layer)
    with pytest.raises(IndexError, match=rf"layer {layer} "):
        child_shares(FACTORS, layer)


@pytest.mark.parametrize("layer", ["0", None, 1.0])
def test_a_layer_that_is_no_integer_is_a_type_error_that_names_it(layer):
    with pytest.raises(TypeError, match=f"layer must be an integer, not {layer!r}"):
        resolve_layer(layer, 2)


@pytest.mark.parametrize("layer", [0, -2])
def test_the_finest_layer_has_no_shares(layer):
    with pytest.raises(ValueError, match="layer 0 is the finest"):
        child_shares(FACTORS, layer)


@untimed
@given(
    arrays(np.float32, st.integers(0, 40), elements=st.sampled_from([0, 0.25, 0.5, 1])),
    st.one_of(st.none(), st.integers(-2, 45)),
)
def test_top_terms_are_those_of_a_full_sort_with_ties_by_index(weights, topn):
    ranking = sorted(range(len(weights)), key=lambda index: (-weights[index], index))
    expected = ranking if topn is None else ranking[: max(topn, 0)]
    assert top_terms(weights, topn).tolist() == expected


def test_top_terms_of_many_distinct_weights():
    weights = np.random.default_rng(0).permutation(100_000).astype(np.float64)
    assert weights[top_terms(weights, 5)].tolist() == [99_999, 99_998, 99_997, 99_996, 99_995]
