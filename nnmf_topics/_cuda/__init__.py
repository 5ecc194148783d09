"""The inner loops of the solver on a GPU, in CUDA: the counterpart of `_kernels`.

What `products`, `coordinate_descent`, `batched_systems` and `pivoting` do by calls of array
functions is the specification. Arrays of columns are transposed here, (columns, k), and columns
never meet: no result depends on the others, nor on the order in which a GPU comes to them.
"""

from nnmf_topics._cuda.columns import MOST_TOPICS, descend, pivot, solve
from nnmf_topics._cuda.products import accumulate, project

__all__ = ["MOST_TOPICS", "accumulate", "descend", "pivot", "project", "solve"]
