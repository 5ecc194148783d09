"""Topics as the features of a classifier."""

import numpy as np
from gensim.matutils import corpus2csc, corpus2dense
from gensim.models import LdaModel
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler

from nnmf_topics.datasets import make_hierarchical_corpus

reviews = make_hierarchical_corpus(240, (6, 3), random_state=0)
labels = np.array(reviews.labels)
train_corpus, test_corpus = reviews.corpus[:160], reviews.corpus[160:]

lda_train = LdaModel(
    corpus=train_corpus,
    num_topics=6,
    id2word=reviews.dictionary,
    chunksize=100,
    passes=10,
    eval_every=1,
    per_word_topics=True,
    random_state=0,
)


def features(corpus):
    vectors = []
    for bow in corpus:
        top_topics = lda_train.get_document_topics(bow, minimum_probability=0.0)
        topic_vec = [top_topics[i][1] for i in range(6)]
        topic_vec.append(len(bow))
        vectors.append(topic_vec)
    return np.array(vectors)


X_train, X_test = features(train_corpus), features(test_corpus)
scaler = StandardScaler().fit(X_train)
classifier = LogisticRegression(C=10.0).fit(scaler.transform(X_train), labels[:160])
predicted = classifier.predict(scaler.transform(X_test))
score = f1_score(labels[160:], predicted, average="micro")
print("F1:", score)

# The same features in other ways.
answers = lda_train.get_document_topics(test_corpus, minimum_probability=0)
sparse = corpus2csc(answers, num_terms=lda_train.num_topics).T
dense = corpus2dense(answers, lda_train.num_topics).T
gamma, sstats = lda_train.inference(test_corpus)
normalized = gamma / gamma.sum(axis=1)[:, None]
_, counted = lda_train.inference(test_corpus, collect_sstats=True)
