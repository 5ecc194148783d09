"""Neural NMF with the face of a gensim topic model."""

import copy
import logging
import os
from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import numpy as np
from gensim.utils import get_random_state
from numpy.typing import DTypeLike
from sklearn.exceptions import NotFittedError

from nnmf_topics import model_file, topics, vocabulary
from nnmf_topics import options as opt
from nnmf_topics._backend import resolve_device
from nnmf_topics._persistence import Target, read_model, write_model
from nnmf_topics._typing import Bow, HeadName, InitChoice, LossName
from nnmf_topics.callbacks import PassCallbacks, check_callbacks
from nnmf_topics.corpus import Source, is_one_shot, read_chunks
from nnmf_topics.documents import is_document
from nnmf_topics.encoder import encoder_of
from nnmf_topics.fitting import Plan, fit
from nnmf_topics.hierarchy import TopicHierarchy
from nnmf_topics.hierarchy_builder import build_hierarchy
from nnmf_topics.label_queries import LabelQueries
from nnmf_topics.labels import Labelling, Labels
from nnmf_topics.level import Level
from nnmf_topics.queries import LayeredQueries
from nnmf_topics.trained import Trained
from nnmf_topics.training import History
from nnmf_topics.weighting import Statistics, WeightingName

logger = logging.getLogger(__name__)


class NeuralNMFModel(LabelQueries, LayeredQueries):
    """Hierarchical topic model, trained by backpropagation through nonnegative least squares.

    Parameters
    ----------
    corpus : gensim corpus or SciPy sparse matrix (terms, documents), optional
        Train on it at once. Any iterable of bag-of-words documents that gives the same ones each
        time it is read, or a function that returns one; a one-shot iterator, which is kept in
        memory or in the spool, with ``passes=1``. Without it, train later with `update`.
    num_topics : int or sequence of int
        Widths from the finest to the coarsest layer, such as ``(50, 10, 3)``. An int N stands for
        N topics under about sqrt(N) super-topics, or for a flat model if N <= 3; so is ``(50,)``.
    id2word : gensim Dictionary or dict of int to str, optional
        Default: the ids as words.
    chunksize : int
        Documents that are worked on at a time.
    online : bool
        Propose a step after every chunk instead of one a pass, as long as the loss falls by it.
        Such a pass reads the corpus twice; worth it where training starts far from its end, as
        with ``init="random"``. A corpus of one chunk is trained as without it.
    passes : int, optional
        Passes over the corpus at most. Default: on to `tol`, at most 200.
    loss : {"layerwise", "energy", "reconstruction"}
        Every layer reconstructs the documents; every layer reconstructs the one below; the
        coarsest layer reconstructs the documents.
    weighting : {"auto", "none", "tf-idf", "log-idf"}
        "auto" weighs raw counts by "log-idf" and leaves a corpus alone that is weighted already.
    init : {"auto", "layerwise", "clusters", "nndsvd", "random"}
        The start of the first training. "clusters": k-means of the documents in latent semantics,
        for topics that tell them apart. "layerwise": an NMF of the documents from their singular
        vectors, at first by rare words above all, then of its codes, for a small error. "nndsvd":
        the singular vectors alone. "random": random numbers. "auto" is "clusters" where the model
        weighs the words, else "layerwise".
    tol : float
        Stop when a pass lowers the loss by less than this share of it, and a shorter step does too
        if that one may have been too long; with 0 where no step lowers it.
    eval_every : int or None
        Log loss and relative errors at INFO every so many passes.
    callbacks : iterable, optional
        Metrics of `gensim.models.callbacks`, whose values after each pass go to `metrics`; or
        functions, called with the model and the number of the pass from 0: training stops when
        one returns True.
    minimum_probability, minimum_phi_value : float
        Smallest share of a topic in a document, or in a word, that is shown.
    per_word_topics : bool
        Whether ``model[bow]`` also tells the topics of each word.
    random_state : int, numpy.random.RandomState or None
        "layerwise" leaves little to chance: that its topics are the same from other seeds says
        little about the documents.
    device : str
        "auto" (a GPU if one works), "cpu", "cuda" or "cuda:1".
    dtype : {numpy.float32, numpy.float64}
    progress : bool
        Show a progress bar in training.
    spool : bool, str or os.PathLike
        Whether a stream is written to a temporary file as it is read first, and read from there for
        every pass: in a fraction of the time, with 8 bytes of disk for each word of each document
        (12 in double precision). The folder for it, or True for that of TMPDIR, else /var/tmp. A
        gibibyte of the disk is left free: a stream that does not fit is read anew.
    labels : sequence, or mapping of int to sequence, optional
        A label (string or number) for each document, in their order, None where it is unknown,
        which the codes of the coarsest layer shall tell; or such for several layers by their
        numbers: the finest, 0, often tells them best. They take part in the training.
    label_weight : float
        How much labels count against the documents. More makes for more accurate labels and for
        less coherent topics.
    label_head : {"cross-entropy", "squared"}
        What is minimised: the cross-entropy of softmax(B S), or ||Y - B S||^2.
    label_ridge : float
        How much the size of B counts.
    **options
        Options of gensim's LdaModel, LdaMulticore and Nmf without a meaning here are accepted and
        logged; others are a TypeError.

    Attributes
    ----------
    factors : tuple of ndarray
        A_0 (terms, k_0), A_1 (k_0, k_1), ..., with columns of unit length.
    history : History
        Loss and relative errors after each pass of the last training, and why it ended.
    metrics : dict of str to list
        Values of the metrics among the callbacks, one for each pass of the last training.
    hierarchy : TopicHierarchy
        The topics in words; plain data.
    widths : tuple of int
    num_topics, num_layers, num_terms, num_documents : int
        num_topics is that of the finest layer, num_documents what was trained on so far.

    References
    ----------
    Will et al., "Neural nonnegative matrix factorization for hierarchical multilayer topic
    modeling", arXiv:2303.00058.
    """

    def __init__(
        self,
        corpus: Source = None,
        num_topics: int | tuple[int, ...] = 100,
        id2word: Any = None,
        *,
        chunksize: int = 2000,
        online: bool = False,
        passes: int | None = None,
        loss: LossName = "layerwise",
        weighting: WeightingName = "auto",
        init: InitChoice = "auto",
        tol: float = 1e-5,
        eval_every: int | None = 10,
        callbacks: Iterable[Any] | None = None,
        minimum_probability: float = 0.01,
        minimum_phi_value: float = 0.01,
        per_word_topics: bool = False,
        random_state: Any = None,
        device: str = "auto",
        dtype: DTypeLike = np.float32,
        progress: bool = False,
        spool: bool | str | os.PathLike[str] = False,
        labels: Labels | None = None,
        label_weight: float = 0.1,
        label_head: HeadName = "cross-entropy",
        label_ridge: float = 0.01,
        **options: Any,
    ) -> None:
        opt.note_without_meaning(options)
        self.widths = opt.resolve_widths(num_topics)
        self.chunksize = opt.whole("chunksize", chunksize, least=1)
        self.online = opt.yes_or_no("online", online)
        self.passes = None if passes is None else opt.whole("passes", passes, least=1)
        self.loss: LossName = opt.one_of("loss", loss, LossName)
        self.weighting: WeightingName = opt.one_of("weighting", weighting, WeightingName)
        self.init: InitChoice = opt.one_of("init", init, InitChoice)
        self.tol = opt.fraction("tol", tol)
        self.eval_every = None if eval_every is None else opt.whole("eval_every", eval_every)
        self.callbacks = check_callbacks(callbacks)
        self.metrics: dict[str, list[Any]] = {}
        self.minimum_probability = opt.fraction("minimum_probability", minimum_probability)
        self.minimum_phi_value = opt.fraction("minimum_phi_value", minimum_phi_value)
        self.per_word_topics = bool(per_word_topics)
        self.random_state = get_random_state(random_state)
        self.device = device
        self.dtype = opt.float_dtype(dtype)
        self.progress = bool(progress)
        self.spool = opt.spool(spool)
        self._labelling = Labelling.checked(label_head, label_weight, label_ridge)
        self._device = resolve_device(device)
        self._trained: Trained | None = None
        self._hierarchy: TopicHierarchy | None = None
        if corpus is None and id2word is None:
            raise ValueError("give a corpus or id2word, so that the number of terms is known")
        if id2word is None:
            _refuse_one_shot(corpus, self.passes)
            corpus = list(corpus) if is_one_shot(corpus) else corpus
            id2word = vocabulary.default_id2word(corpus)
        self.id2word = id2word
        self.num_terms = vocabulary.vocabulary_size(self.id2word)
        self.add_lifecycle_event("created", params=str(self))
        if corpus is not None:
            self.update(corpus, labels=labels)
            if self._trained is None:
                raise ValueError(
                    "the corpus has no documents, or is a generator that was read before; for a "
                    "model that is trained later leave it out and give id2word"
                )
        elif labels is not None:
            raise ValueError("labels come with their documents: give a corpus, or both to update")

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return f"{type(self).__name__}<num_terms={self.num_terms}, widths={self.widths}>"

    @property
    def label_head(self) -> HeadName:
        """What is minimised of the labels."""
        return self._labelling.head

    @property
    def label_weight(self) -> float:
        """How much labels count against the documents."""
        return self._labelling.weight

    @property
    def label_ridge(self) -> float:
        """How much the size of a head counts."""
        return self._labelling.ridge

    @property
    def num_topics(self) -> int:
        """Number of topics of the finest layer."""
        return self.widths[0]

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return len(self.widths)

    # Training

    def update(
        self,
        corpus: Source,
        chunksize: int | None = None,
        passes: int | None = None,
        eval_every: int | None = None,
        labels: Labels | None = None,
        **options: Any,
    ) -> None:
        """Train on a corpus; what was learnt before is kept, and counts as much as it did.

        The documents seen before are remembered as what a change of the topics would cost them, in
        memory that does not grow with their number. Terms that were added to the dictionary since
        are taken in. An interrupted training leaves the model as it was after the last whole pass;
        bad input leaves it as it was before. Other threads may ask meanwhile, but not while terms
        are taken in.

        Parameters
        ----------
        corpus : gensim corpus or SciPy sparse matrix (terms, documents)
            Of new documents. If there are none, the model logs a warning and stays as it is; if
            they have no words, or all are too rare to have a weight, they are counted.
        chunksize, passes, eval_every : int, optional
            Default: those of the model.
        labels : Labels, optional
            As in the constructor, of the first documents. A model that was trained with labels
            learns no more documents: the heads could not be fitted to those it no longer has.
        **options
            Those of LdaModel.update without a meaning here, as in the constructor.

        Raises
        ------
        TypeError, ValueError
            Naming the first bad document; or if no document has a word, or the corpus is a
            one-shot iterator and more than one pass is asked for, or does not give the same
            documents each time.

        Notes
        -----
        The first reading checks all documents, before anything is changed. What is raised after
        the first whole pass, by a corpus that fails later or by an interruption, leaves the model
        of the last whole pass, in which the new documents count: do not give them again.
        """
        opt.note_without_meaning(options)
        eval_every = self.eval_every if eval_every is None else opt.whole("eval_every", eval_every)
        plan = self._plan(chunksize, passes)
        _refuse_one_shot(corpus, plan.passes)
        known = self._trained and self._trained.grown(plan.num_terms)
        if known is not None and (labels is not None or known.classifiers):
            raise ValueError(
                "labels are learnt in the first training only, and a model that has them cannot be "
                "updated: train a new model on all documents"
            )
        called: PassCallbacks | None = None

        def begin(trained: Trained) -> None:
            nonlocal called
            self._set(trained)
            called = PassCallbacks(self.callbacks, self)
            self.metrics = called.metrics

        def keep(trained: Trained) -> bool:
            self._set(trained)
            self._log(trained.history, eval_every)
            return called is not None and called(trained.history.passes - 1)

        before, drawn = self._trained, self.random_state.get_state()
        terms, metrics = self.num_terms, self.metrics
        try:
            on_start = begin if self.callbacks else None
            trained = fit(corpus, plan, known, labels, on_start=on_start, on_pass=keep)
        except BaseException:
            known = self._trained
            if known is None or known is before or not known.history.passes:
                self._set(before)  # it was before the first whole pass
                self.num_terms, self.metrics = terms, metrics
                self.random_state.set_state(drawn)
            else:
                self._set(known.interrupted())
            raise
        if trained is None:
            logger.warning(
                "no documents to train on, or an iterator that was read before: the model stays"
            )
        else:
            self._set(trained)

    def _plan(self, chunksize: int | None, passes: int | None) -> Plan:
        num_terms = vocabulary.vocabulary_size(self.id2word)
        if num_terms < self.num_terms:
            raise ValueError(
                f"id2word has {num_terms} words where the model knows {self.num_terms}: it was "
                "filtered or compactified, so that its ids mean other words now; train a new model"
            )
        return Plan(
            widths=self.widths,
            num_terms=num_terms,
            chunksize=self.chunksize if chunksize is None else opt.whole("chunksize", chunksize, 1),
            online=self.online,
            passes=self.passes if passes is None else opt.whole("passes", passes, 1),
            loss=self.loss,
            weighting=self.weighting,
            init=self.init,
            tol=self.tol,
            dtype=self.dtype,
            device=self._device,
            random_state=self.random_state,
            progress=self.progress,
            spool=self.spool,
            labelling=self._labelling,
        )

    def _log(self, history: History, every: int | None) -> None:
        if every and history.passes % every == 0 and history.stop_reason is None:
            errors = ", ".join(f"{error:.4f}" for error in history.errors[-1])
            logger.info("pass %d: loss %.6f, errors %s", history.passes, history.loss[-1], errors)

    def _set(self, trained: Trained | None) -> None:
        if trained is self._trained:
            return  # nor is the hierarchy another one
        self._trained = trained
        self._hierarchy = None
        if trained is not None:
            self.num_terms = trained.factors[0].shape[0]

    def clear(self) -> None:
        """Forget all training, to free the memory."""
        self._set(None)

    # What was learnt

    @property
    def _known(self) -> Trained:
        if self._trained is None:
            raise NotFittedError("the model is not trained; call update(corpus) first")
        return self._trained

    @property
    def factors(self) -> tuple[np.ndarray, ...]:
        """The factors A_0 (terms, k_0), A_1 (k_0, k_1), ...

        They become read-only by the first question about words or documents: what is made of them
        for the answer is kept.
        """
        return self._known.factors

    @property
    def history(self) -> History:
        """The course of the last training."""
        return History() if self._trained is None else self._trained.history

    @property
    def statistics(self) -> Statistics:
        """Document frequencies of all documents trained on."""
        return self._known.statistics

    @property
    def term_weights(self) -> np.ndarray | None:
        """The weight of each term (num_terms,), or None if documents are not weighted."""
        return self._known.weighting.term_weights

    @property
    def num_documents(self) -> int:
        """Number of documents trained on."""
        return 0 if self._trained is None else self._trained.statistics.documents

    def topic_matrix(self, layer: int = 0) -> np.ndarray:
        """Return `get_topics` of a layer, without a copy: do not write into it."""
        layer = topics.resolve_layer(layer, self.num_layers)
        return self._known.topic_matrix(layer)

    def topic_lengths(self, layer: int = 0) -> np.ndarray:
        """Return the words that a code of 1 stands for, (k_l,); see `topics.topic_lengths`."""
        layer = topics.resolve_layer(layer, self.num_layers)
        return self._known.topic_lengths(layer).copy()

    def topic_masses(self, layer: int = 0) -> np.ndarray:
        """Return the share of each topic in the words of the corpus, (k_l,); sums to 1."""
        layer = topics.resolve_layer(layer, self.num_layers)
        return topics.topic_masses(self.factors, self._known.evaluation.usage[layer], layer)

    @property
    def hierarchy(self) -> TopicHierarchy:
        """The topics of all layers in words, as plain data.

        It is the same object until the next training, so that labels stay; they are not part of
        the model's file: ``hierarchy.save`` keeps them.
        """
        hierarchy = self._hierarchy
        if hierarchy is None:
            word_of = partial(vocabulary.word_of, self.id2word)
            hierarchy = build_hierarchy(self.factors, word_of, self.topic_masses(-1))
            self._hierarchy = hierarchy
        return hierarchy

    def encode(self, corpus: Source | Bow) -> list[np.ndarray]:
        """Return the codes of documents at every layer: exact nonnegative least squares.

        Parameters
        ----------
        corpus : document or corpus or SciPy sparse matrix (terms, documents)

        Returns
        -------
        list of ndarray (k_l, documents)
            In the scale of the weighted corpus, unnormalised; zeros for an empty document.
        """
        return self.encode_up_to(self.num_layers - 1, corpus)

    def encode_up_to(self, layer: int, corpus: Source | Bow) -> list[np.ndarray]:
        """Return the codes of documents at the layers 0 to `layer`, as `encode` does."""
        return self._encoded(self._known, topics.resolve_layer(layer, self.num_layers), corpus)

    def words_by_topic(self, layer: int, corpus: Source | Bow, first: int = 0) -> np.ndarray:
        """Return how many (weighted) words of documents come from each topic, (k_l, documents).

        Messages number the documents from `first`.
        """
        layer = topics.resolve_layer(layer, self.num_layers)
        known = self._known  # once: another thread may be training
        codes = self._encoded(known, layer, corpus, first)[-1]
        return np.asarray(codes * known.topic_lengths(layer)[:, None])

    def _encoded(
        self, known: Trained, layer: int, corpus: Source | Bow, first: int = 0
    ) -> list[np.ndarray]:
        documents = [corpus] if is_document(corpus) else corpus
        chunks = read_chunks(documents, self.num_terms, self.chunksize, self.dtype, first)
        return encoder_of(known, self._device)(chunks, layer + 1)

    def level(self, layer: int = 0) -> Level:
        """Return a layer (0 finest, -1 coarsest) as a gensim topic model of its own."""
        return Level(self, topics.resolve_layer(layer, self.num_layers))

    # Files

    def save(
        self,
        fname: Target,
        separately: Iterable[str] | None = None,  # noqa: ARG002
        sep_limit: int = 10 * 1024**2,  # noqa: ARG002
        ignore: Iterable[str] = frozenset(),  # noqa: ARG002
        pickle_protocol: int | None = None,  # noqa: ARG002
    ) -> None:
        """Write the model to exactly that path, or into an open binary file.

        The file holds tensors and JSON (safetensors) and is replaced as a whole or not at all.

        Parameters
        ----------
        fname : path or open binary file
            A path that ends in ``.gz`` or ``.bz2`` gets a compressed file.
        separately, sep_limit, ignore, pickle_protocol : ignored
            As gensim's users pass them; a model is always one file, whole, and no pickle.

        Raises
        ------
        OSError
            If it cannot be written; a file that was there is intact.
        TypeError
            If `fname` is no path and no binary file.
        """
        written = copy.copy(self)
        if self.lifecycle_events is not None:
            written.lifecycle_events = list(self.lifecycle_events)
        written.add_lifecycle_event("saved", fname=str(fname))
        write_model(fname, *model_file.to_plain(written, self._trained))
        if self.lifecycle_events is not None:
            self.lifecycle_events.append(written.lifecycle_events[-1])

    @classmethod
    def load(cls, fname: Target, mmap: str | None = None) -> Self:
        """Read a file of `save`, on a machine with or without a GPU; no code is run from it.

        Parameters
        ----------
        fname : path or open binary file
            Compressed or not, whatever its name.
        mmap : {None, "r", "r+", "c"}
            Map the factors of an uncompressed path into memory, where processes share them: "r"
            read-only; "c" writable until the model is asked, without an effect on the file. "r+"
            acts as "r".

        Raises
        ------
        OSError
            If the file cannot be read, or is compressed and to be mapped.
        TypeError
            If `fname` is no path and no binary file.
        ValueError
            If it is not a model, of a newer version, damaged, or expands to more than 64 MiB and
            100 times its size; the message says which. For an unknown `mmap`.
        """
        tensors, document = read_model(fname, mmap)
        try:
            options, trained, events = model_file.from_plain(tensors, document)
            model = cls.__new__(cls)
            NeuralNMFModel.__init__(model, **options)  # subclasses may have another signature
        except (LookupError, TypeError, ArithmeticError, ValueError, AttributeError) as error:
            raise ValueError(f"{fname} cannot be loaded: {error!r}") from error
        model.lifecycle_events = events
        model._set(trained)
        model.add_lifecycle_event("loaded", fname=str(fname))
        return model


def _refuse_one_shot(corpus: Source, passes: int | None) -> None:
    if is_one_shot(corpus) and passes != 1:
        raise ValueError(
            f"a one-shot iterator can be read once, but passes={passes}: give passes=1, or a "
            "corpus that can be read again, such as a list, a class with __iter__, or the function "
            "that makes the iterator"
        )
