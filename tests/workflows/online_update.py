"""New documents arrive: the model learns on, also after it was saved."""

import numpy as np
from gensim.models import LdaModel

from nnmf_topics.datasets import load_lee

news = load_lee()
dictionary = news.dictionary
common_corpus, other_corpus, last_corpus = (
    news.corpus[:150],
    news.corpus[150:250],
    news.corpus[250:],
)

lda = LdaModel(common_corpus, num_topics=6, id2word=dictionary, passes=5, random_state=0)
before = lda.get_topics()
unseen_doc = other_corpus[0]
vector_before = lda.get_document_topics(unseen_doc, minimum_probability=0)

lda.update(other_corpus)
after = lda.get_topics()
vector = lda.get_document_topics(unseen_doc, minimum_probability=0)

lda.save("lda.model")
lda = LdaModel.load("lda.model")
lda.update(last_corpus, chunksize=20, passes=2, eval_every=None)
final = lda.get_topics()
moved = np.abs(final - before).sum(axis=1) / 2  # the share of its words that a topic changed
bound = lda.log_perplexity(last_corpus)

# From nothing, one batch after the other.
batchwise = LdaModel(id2word=dictionary, num_topics=6, random_state=0)
for first in range(0, 300, 100):
    batchwise.update(news.corpus[first : first + 100])
batchwise_topics = batchwise.show_topics(formatted=False)
batchwise_answers = batchwise[news.corpus[:5]]
