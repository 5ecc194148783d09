"""Several models side by side: their coherence, their differences, and how training went."""

import numpy as np
from gensim.models import LdaModel
from gensim.models.callbacks import (
    CoherenceMetric,
    ConvergenceMetric,
    DiffMetric,
    PerplexityMetric,
)
from gensim.models.coherencemodel import CoherenceModel

from nnmf_topics.datasets import load_lee

news = load_lee()
dictionary, texts = news.dictionary, news.texts[:120]
training, holdout = news.corpus[:120], news.corpus[120:150]

# What the metrics said after every pass.
pl_holdout = PerplexityMetric(corpus=holdout, logger="shell", title="Perplexity (hold_out)")
ch_umass = CoherenceMetric(
    corpus=training, coherence="u_mass", dictionary=dictionary, title="Coherence (u_mass)"
)
diff_kl = DiffMetric(distance="kullback_leibler", diagonal=False, title="Diff (kl)")
convergence_jc = ConvergenceMetric(distance="jaccard", title="Convergence (jaccard)")
callbacks = [pl_holdout, ch_umass, diff_kl, convergence_jc]

num_passes = 3
model = LdaModel(
    corpus=training,
    id2word=dictionary,
    num_topics=6,
    passes=num_passes,
    chunksize=200,
    callbacks=callbacks,
    random_state=0,
)
metrics = dict(model.metrics)
last_perplexity = model.metrics["Perplexity (hold_out)"][-1]

# Good against bad, in the words of their topics.
good_lda_model = LdaModel(
    corpus=training, id2word=dictionary, iterations=50, num_topics=6, passes=6, random_state=0
)
bad_lda_model = LdaModel(
    corpus=training, id2word=dictionary, iterations=1, num_topics=3, passes=1, random_state=0
)
models = [good_lda_model, bad_lda_model]
cm = CoherenceModel.for_models(
    models, dictionary, texts=texts, topn=10, coherence="c_npmi", processes=1
)
compared = cm.compare_models(models)
coherences = [coherence for _, coherence in compared]
u_mass = [
    CoherenceModel(model=m, corpus=training, dictionary=dictionary, coherence="u_mass")
    for m in models
]
u_mass_values = [coherence_model.get_coherence() for coherence_model in u_mass]

# The matrix of differences: topics of one against topics of the other.
mdiff, annotation = good_lda_model.diff(bad_lda_model, distance="jaccard", num_words=50)
itself, itself_annotation = good_lda_model.diff(
    good_lda_model, distance="hellinger", num_words=50, normed=False
)
diagonal, no_annotation = good_lda_model.diff(model, diagonal=True, annotation=False)
one_to_one, _ = good_lda_model.diff(good_lda_model, distance="jensen_shannon", diagonal=True)
diff_topics = np.unravel_index(mdiff.argmin(), mdiff.shape)
# The pair of topics that has most to tell: words in common, and others.
common_words, different_words = max(
    (pair for row in annotation for pair in row), key=lambda pair: min(map(len, pair))
)
