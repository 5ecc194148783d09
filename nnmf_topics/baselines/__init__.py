"""What Neural NMF is compared with: other hierarchies of nonnegative factors, as estimators.

They take the data, the widths, `random_state` and the stopping rule that scikit-learn's NMF takes,
and they are measured alike: `errors_` is of the codes that `encode` returns.
"""

from nnmf_topics.baselines.deep import DeepNMF
from nnmf_topics.baselines.hierarchical import HierarchicalNMF
from nnmf_topics.baselines.pooled import PooledHierarchicalNMF
from nnmf_topics.baselines.supervised import SupervisedLastLayer

__all__ = ["DeepNMF", "HierarchicalNMF", "PooledHierarchicalNMF", "SupervisedLastLayer"]
