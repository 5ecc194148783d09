"""Aliases shared by every module."""

from typing import Any, Literal, TypeAlias

Array: TypeAlias = Any
"""A dense floating array of NumPy, CuPy or another array-API namespace."""

Matrix: TypeAlias = Any
"""An `Array`, or a sparse matrix of SciPy or CuPy on the same device."""

Bow: TypeAlias = list[tuple[int, float]]
"""A document as gensim has it: (term id, count) pairs."""

LossName: TypeAlias = Literal["layerwise", "energy", "reconstruction"]
InitName: TypeAlias = Literal["random", "nndsvd", "clusters", "layerwise"]
InitChoice: TypeAlias = Literal["auto", InitName]
HeadName: TypeAlias = Literal["squared", "cross-entropy"]
