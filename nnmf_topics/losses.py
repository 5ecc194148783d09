"""Losses on the codes of one chunk of documents: the value, and its gradients.

With B_l = A_1 ... A_l (B_0 = I) every layer reconstructs the data as X ~ A_0 R_l, R_l = B_l S_l.
All that a loss needs of X is gram = A_0^T A_0, rhs = A_0^T X and ||X||^2, since

    ||X - A_0 R||^2 = ||X||^2 - 2 <rhs, R> + <gram R, R>.

So nothing of the size terms x documents is formed, and the gradient for A_0 has the factored form
X V^T + A_0 mix, with V of size k_0 x documents and mix of size k_0 x k_0.
"""

from collections.abc import Sequence
from typing import NamedTuple

from nnmf_topics._backend import namespace
from nnmf_topics._typing import Array, LossName


class LossGradient(NamedTuple):
    """Value and partial derivatives of a loss, the codes and the factors taken as independent.

    Attributes
    ----------
    value : scalar Array, float64
        The weighted sum of squared errors.
    errors : Array of shape (layers,), float64
        ||X - A_0 ... A_l S_l||_F^2 of every layer, whatever the loss.
    codes : list of Array (k_l, n)
        dL/dS_l.
    V, mix : Array of shapes (k_0, n) and (k_0, k_0)
        dL/dA_0 = X V^T + A_0 mix.
    upper : list of Array (k_{l-1}, k_l)
        dL/dA_l for l >= 1.
    """

    value: Array
    errors: Array
    codes: list[Array]
    V: Array
    mix: Array
    upper: list[Array]


def layer_weights(name: LossName, layers: int) -> tuple[float, ...]:
    """Weight of each layer's term in the loss of that name."""
    if name == "reconstruction":
        return (0.0,) * (layers - 1) + (1.0,)
    if name in ("layerwise", "energy"):
        return (1.0,) * layers
    raise ValueError(f'loss must be "layerwise", "energy" or "reconstruction", not {name!r}')


def evaluate(
    name: LossName,
    factors: Sequence[Array],
    codes: Sequence[Array],
    gram: Array,
    rhs: Array,
    norm: Array,
) -> LossGradient:
    """Evaluate a loss on one chunk.

    Parameters
    ----------
    name : {"layerwise", "energy", "reconstruction"}
        sum_l ||X - A_0 ... A_l S_l||^2, sum_l ||S_{l-1} - A_l S_l||^2 (S_{-1} = X), or the last
        term of the first (Will et al., 2023, equations of section 3, for the latter two).
    factors : A_0 (terms, k_0), then A_l (k_{l-1}, k_l)
    codes : S_l (k_l, n)
    gram, rhs : A_0^T A_0 (k_0, k_0) and A_0^T X (k_0, n)
    norm : ||X||_F^2
    """
    xp = namespace(rhs)
    weights = layer_weights(name, len(factors))
    energy = name == "energy"
    result = LossGradient(
        value=xp.zeros_like(norm),
        errors=xp.zeros_like(norm),
        codes=[xp.zeros_like(S) for S in codes],
        V=xp.zeros_like(rhs),
        mix=xp.zeros_like(gram),
        upper=[xp.zeros_like(A) for A in factors[1:]],
    )
    errors = []
    for layer, weight in enumerate(weights):
        error, result = _data_term(
            result, layer, 0.0 if energy and layer else weight, factors, codes, gram, rhs, norm
        )
        errors.append(error)
        if energy and layer:
            result = _code_term(result, layer, weight, factors, codes)
    return result._replace(errors=xp.stack(errors))


def _data_term(
    total: LossGradient,
    layer: int,
    weight: float,
    factors: Sequence[Array],
    codes: Sequence[Array],
    gram: Array,
    rhs: Array,
    norm: Array,
) -> tuple[Array, LossGradient]:
    """Add weight ||X - A_0 ... A_l S_l||^2; also return the squared error itself."""
    xp = namespace(rhs)
    steps = [codes[layer]]  # S_l, A_l S_l, ..., A_1 ... A_l S_l = R
    for A in reversed(factors[1 : layer + 1]):
        steps.append(A @ steps[-1])
    R = steps[-1]
    slope = gram @ R - rhs
    error = xp.clip(norm + xp.sum((slope - rhs) * R, dtype=xp.float64), 0, None)
    if weight == 0:
        return error, total
    upper, codes_gradient = list(total.upper), list(total.codes)
    D = (2 * weight) * slope
    for depth, A in enumerate(factors[1 : layer + 1]):  # from A_1 up to A_l
        upper[depth] = upper[depth] + D @ steps[layer - 1 - depth].T
        D = A.T @ D
    codes_gradient[layer] = codes_gradient[layer] + D
    return error, total._replace(
        value=total.value + weight * error,
        codes=codes_gradient,
        V=total.V - (2 * weight) * R,
        mix=total.mix + (2 * weight) * (R @ R.T),
        upper=upper,
    )


def _code_term(
    total: LossGradient, layer: int, weight: float, factors: Sequence[Array], codes: Sequence[Array]
) -> LossGradient:
    """Add weight ||S_{l-1} - A_l S_l||^2."""
    xp = namespace(codes[0])
    A, S = factors[layer], codes[layer]
    E = codes[layer - 1] - A @ S
    upper, codes_gradient = list(total.upper), list(total.codes)
    codes_gradient[layer - 1] = codes_gradient[layer - 1] + (2 * weight) * E
    codes_gradient[layer] = codes_gradient[layer] - (2 * weight) * (A.T @ E)
    upper[layer - 1] = upper[layer - 1] - (2 * weight) * (E @ S.T)
    value = total.value + weight * xp.sum(E * E, dtype=xp.float64)
    return total._replace(value=value, codes=codes_gradient, upper=upper)
