"""The inner loops of the solver, compiled by Numba.

They do what `products`, `reductions`, `coordinate_descent`, `alternation`, `batched_systems`,
`pivoting` and `optimizers` do by calls of array functions, which are their specification. Arrays of
columns are transposed here, (columns, k): that is how sparse products leave them. Sweeps and
systems are worked on for some columns at a time, the columns innermost, so that one instruction
serves several in data that a cache holds. But columns never meet: no result depends on the others.
"""

from nnmf_topics._kernels.descent import (
    accelerated_descent,
    column_dots,
    descend,
    descend_rows,
    extrapolated,
    inner,
    to_unit_columns,
)
from nnmf_topics._kernels.pivoting import pivot, wrong_columns
from nnmf_topics._kernels.products import gather, scatter
from nnmf_topics._kernels.systems import by_size, factorise, substitute

__all__ = [
    "accelerated_descent",
    "by_size",
    "column_dots",
    "descend",
    "descend_rows",
    "extrapolated",
    "factorise",
    "gather",
    "inner",
    "pivot",
    "scatter",
    "substitute",
    "to_unit_columns",
    "wrong_columns",
]
