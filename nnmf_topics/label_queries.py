"""What a model that was trained with labels tells of documents."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nnmf_topics._typing import Bow
from nnmf_topics.corpus import Source
from nnmf_topics.documents import is_document
from nnmf_topics.labels import Classifier
from nnmf_topics.topics import resolve_layer


class LabelQueries:
    """Methods about labels, with the names of scikit-learn."""

    if TYPE_CHECKING:  # the model has them
        _known: Any

        @property
        def num_layers(self) -> int: ...  # noqa: D102

        def encode_up_to(self, layer: int, corpus: Source | Bow) -> list[np.ndarray]: ...  # noqa: D102

    @property
    def classes_(self) -> np.ndarray:
        """The labels seen, in ascending order; of the coarsest layer that has any.

        Raises
        ------
        AttributeError
            If the model was not trained with labels.
        """
        return self._classifier(None).classes

    def predict(self, corpus: Source | Bow, layer: int | None = None) -> Any:
        """Return the most probable label of each document.

        Parameters
        ----------
        corpus : document or corpus or SciPy sparse matrix (terms, documents)
        layer : int, optional
            Default: the coarsest that has labels.

        Returns
        -------
        ndarray (documents,), or one label for a document
            Of a document without a known word, the most frequent label.

        Raises
        ------
        AttributeError
            If the model, or that layer, was not trained with labels.
        """
        classifier = self._classifier(layer)
        found = classifier.predict(self._codes(classifier, corpus))
        return found[0].item() if is_document(corpus) else found

    def predict_proba(self, corpus: Source | Bow, layer: int | None = None) -> np.ndarray:
        """Return the probabilities of `classes_`, (documents, classes), or (classes,) for one.

        Parameters and errors are those of `predict`.
        """
        classifier = self._classifier(layer)
        found = classifier.probabilities(self._codes(classifier, corpus))
        return np.asarray(found[0]) if is_document(corpus) else found

    def _codes(self, classifier: Classifier, corpus: Source | Bow) -> np.ndarray:
        return self.encode_up_to(classifier.layer, corpus)[classifier.layer]

    def _classifier(self, layer: int | None) -> Classifier:
        known: dict[int, Classifier] = {each.layer: each for each in self._known.classifiers}
        if not known:
            raise AttributeError(
                "the model was not trained with labels: give labels= with a corpus"
            )
        number = max(known) if layer is None else resolve_layer(layer, self.num_layers)
        if number not in known:
            raise AttributeError(f"layer {number} has no labels: those with labels are {[*known]}")
        return known[number]
