"""One layer of a hierarchy as a gensim topic model of its own."""

from typing import Any

from gensim.interfaces import TransformationABC
from gensim.models.basemodel import BaseTopicModel

from nnmf_topics.document_queries import DocumentQueries
from nnmf_topics.topic_queries import TopicQueries


class Level(TopicQueries, DocumentQueries, TransformationABC, BaseTopicModel):  # type: ignore[misc]
    """Layer `layer` of a model, with the methods and return types of gensim's LdaModel.

    It holds no topics of its own: train the model on, and the level has moved on too.

    Parameters
    ----------
    model : LayeredModel
    layer : int
        0 is the finest.
    """

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"Level<layer={self.layer}, num_topics={self.num_topics}, model={self.model}>"

    def save(self, *_args: Any, **_options: Any) -> None:
        """Refuse: a level is a view, and gensim would pickle it. Save ``level.model``."""
        raise TypeError("a level has no file of its own: use level.model.save(path)")

    @classmethod
    def load(cls, *_args: Any, **_options: Any) -> Any:
        """Refuse: load the model, and take its level."""
        raise TypeError("a level has no file of its own: use NeuralNMFModel.load(path).level(l)")
