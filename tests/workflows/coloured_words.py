"""What pictures are made of: word clouds of the topics, and texts with a colour for each topic."""

from collections import Counter

import pandas as pd
from gensim.models import LdaModel

from nnmf_topics.datasets import load_lee

news = load_lee()
texts, dictionary, corpus = news.texts[:120], news.dictionary, news.corpus[:120]
colors = ["tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown"]

lda_model = LdaModel(
    corpus=corpus,
    id2word=dictionary,
    num_topics=6,
    passes=5,
    per_word_topics=True,
    minimum_phi_value=0.01,
    random_state=100,
)

# Word clouds want a dict of words and their weights.
topics = lda_model.show_topics(formatted=False, num_words=20)
clouds = [dict(topic_words) for _, topic_words in topics]

# How often the words of a topic occur, beside their weight in it.
counter = Counter(word for text in texts for word in text)
out = [[word, topic, weight, counter[word]] for topic, words in topics for word, weight in words]
df = pd.DataFrame(out, columns=["word", "topic_id", "importance", "word_count"])

# Every word of a text in the colour of its most relevant topic.
coloured = []
for corp_cur in corpus:
    topic_percs, wordid_topics, wordid_phivalues = lda_model[corp_cur]
    word_dominanttopic = [(lda_model.id2word[wd], topic[0]) for wd, topic in wordid_topics]
    coloured.append([(word, colors[topic]) for word, topic in word_dominanttopic])

# The same for any document, whatever the model's own options say.
bow = dictionary.doc2bow(
    ["police", "say", "firefighters", "crews", "fought", "the", "fires", "near", "sydney"]
)
doc_topics, word_topics, phi_values = lda_model.get_document_topics(bow, per_word_topics=True)
for word_id, topic_ids in word_topics:
    print(lda_model.id2word[word_id], topic_ids)
every_document = lda_model.get_document_topics(
    corpus[:3], per_word_topics=True, minimum_phi_value=0.05
)

# In which topics is a word at home?
term_topics = lda_model.get_term_topics("firefighters", minimum_probability=0.0)
term_id_topics = lda_model.get_term_topics(
    dictionary.token2id["firefighters"], minimum_probability=0.0
)

# Documents and words by topic, over the whole corpus.
dominant_topics = []
for topic_shares, _, _ in lda_model[corpus]:
    dominant_topics.append(max(topic_shares, key=lambda x: x[1])[0])
documents_per_topic = pd.Series(dominant_topics).value_counts()
