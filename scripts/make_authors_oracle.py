"""Regenerate tests/data/authors_oracle.json: codes and gradients by the authors' package.

Run it where NeuralNMF and torch are installed (the extra `bench`):

    python scripts/make_authors_oracle.py tests/data/authors_oracle.json

NeuralNMF takes the mean over entries where this package takes the sum, so every loss is multiplied
by its number of entries. NeuralNMF computes each derivative document by document with
pseudo-inverses: another way to the same numbers.
"""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from NeuralNMF import Fro_Norm, LsqNonnegF, Neural_NMF, ReconstructionLoss
from NeuralNMF.lsqnonneg_module import calc_grad_A, calc_grad_X, lsqnonneg_tensor_version

SHAPES = ((6, 3, 5), (9, 5, 7), (8, 4, 1))
WIDTHS, DOCUMENTS = (10, 5, 4, 3), 9


def layer_problem(m: int, k: int, n: int, rng: np.random.RandomState) -> dict[str, torch.Tensor]:
    """One layer: S = q(A, X) and the pullback of a random dL/dS."""
    A, X, dS = (torch.from_numpy(a) for a in (rng.rand(m, k), rng.rand(m, n), rng.randn(k, n)))
    S, _ = lsqnonneg_tensor_version(A, X)
    dA, dX = calc_grad_A(dS, A, S, X), calc_grad_X(dS, A, S)
    return {"A": A, "X": X, "dS": dS, "S": S, "dA": dA, "dX": dX}


def network_losses(net: Neural_NMF, X: torch.Tensor) -> dict[str, torch.Tensor]:
    """Value of every loss at the network's factors, to be differentiated by autograd."""
    factors = [layer.A for layer in net.lsqnonneglst]
    codes = [X]
    for A in factors:
        codes.append(LsqNonnegF.apply(codes[-1], A))
    energy = sum(
        ReconstructionLoss()(below, S, A) * below.numel()
        for A, (below, S) in zip(factors, pairwise(codes), strict=True)
    )
    reconstructions = []
    for depth in range(1, len(codes)):
        R = codes[depth]
        for A in reversed(factors[:depth]):
            R = A @ R
        reconstructions.append(Fro_Norm()(R, X) * X.numel())
    return {
        "energy": energy,
        "reconstruction": reconstructions[-1],
        "layerwise": sum(reconstructions),
    }


def network_problem(rng: np.random.RandomState) -> dict[str, object]:
    """Three layers: value and gradient of every loss."""
    net = Neural_NMF(list(WIDTHS))
    for layer in net.lsqnonneglst:
        layer.A.data = torch.from_numpy(rng.rand(*layer.A.shape))
    X = torch.from_numpy(rng.rand(WIDTHS[0], DOCUMENTS))
    losses = {}
    for name in ("energy", "reconstruction", "layerwise"):
        net.zero_grad()
        value = network_losses(net, X)[name]
        value.backward()
        gradient = [layer.A.grad.clone() for layer in net.lsqnonneglst]
        losses[name] = {"value": value.detach(), "gradient": gradient}
    return {
        "X": X,
        "factors": [layer.A.detach() for layer in net.lsqnonneglst],
        "codes": [S.detach() for S in net(X)],
        "losses": losses,
    }


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    rng = np.random.RandomState(2023)
    oracle = {
        "layers": [layer_problem(*shape, rng) for shape in SHAPES],
        "network": network_problem(rng),
    }
    path.write_text(json.dumps(oracle, default=torch.Tensor.tolist) + "\n")


if __name__ == "__main__":
    main()
