"""Gradients against central differences, for functions that are smooth where supports stay."""

import numpy as np

_DRAWS = 20


def assert_gradient(function, point, gradient, *, rng, rtol=1e-6, step=1e-6):
    """Compare a gradient with central differences, along a random direction in every array.

    One random direction sees every entry of an array: an error in any of them shows, but for a
    set of directions of measure zero.

    Parameters
    ----------
    function : callable
        Takes a list of float64 arrays, returns (value, supports): supports are boolean arrays that
        must not change where the function is smooth.
    point, gradient : lists of arrays of the same shapes
    rng : numpy.random.RandomState
        Directions across which a support changes are drawn again.
    rtol : float
        Largest error, as a share of the norm of the gradient in that array.
    """
    point = [np.asarray(array, np.float64) for array in point]
    assert len(point) == len(gradient)
    for number, expected in enumerate(gradient):
        assert expected.shape == point[number].shape
        direction, slope = _smooth_slope(function, point, number, step, rng)
        found = float(np.sum(expected * direction))
        allowed = rtol * float(np.linalg.norm(expected))
        assert abs(slope - found) <= allowed, (
            f"array {number}: the slope is {slope:.12g}, the gradient gives {found:.12g}; "
            f"{allowed:.2g} is allowed"
        )


def _smooth_slope(function, point, number, step, rng):
    """Return a random direction along which no support changes, and the slope there."""
    for _ in range(_DRAWS):
        direction = rng.standard_normal(point[number].shape)
        (ahead, supports), (behind, supports_behind) = (
            function([*point[:number], point[number] + move, *point[number + 1 :]])
            for move in (step * direction, -step * direction)
        )
        if all(np.array_equal(a, b) for a, b in zip(supports, supports_behind, strict=True)):
            return direction, (ahead - behind) / (2 * step)
    raise AssertionError(f"array {number}: a support changes in every one of {_DRAWS} directions")
