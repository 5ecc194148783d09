"""Tables: the dominant topic of every document, and the documents that stand for a topic."""

import pandas as pd
from gensim.models import LdaModel

from nnmf_topics.datasets import load_lee

news = load_lee()
data, id2word, corpus = news.texts[:120], news.dictionary, news.corpus[:120]

lda_model = LdaModel(
    corpus=corpus,
    id2word=id2word,
    num_topics=6,
    random_state=100,
    update_every=1,
    chunksize=100,
    passes=5,
    alpha="auto",
    per_word_topics=True,
)


def format_topics_sentences(ldamodel, corpus, texts):
    rows = []
    for row_list in ldamodel[corpus]:
        row = row_list[0] if ldamodel.per_word_topics else row_list
        row = sorted(row, key=lambda x: x[1], reverse=True)
        # The dominant topic, its share and its words.
        for j, (topic_num, prop_topic) in enumerate(row):
            if j == 0:
                wp = ldamodel.show_topic(topic_num)
                topic_keywords = ", ".join([word for word, prop in wp])
                rows.append([int(topic_num), round(prop_topic, 4), topic_keywords])
            else:
                break
    table = pd.DataFrame(rows, columns=["Dominant_Topic", "Perc_Contribution", "Topic_Keywords"])
    return pd.concat([table, pd.Series(texts, name="Text")], axis=1)


df_topic_sents_keywords = format_topics_sentences(ldamodel=lda_model, corpus=corpus, texts=data)

df_dominant_topic = df_topic_sents_keywords.reset_index()
df_dominant_topic.columns = [
    "Document_No",
    "Dominant_Topic",
    "Topic_Perc_Contrib",
    "Keywords",
    "Text",
]

# The most representative document of each topic.
most_representative = pd.concat(
    [
        group.sort_values("Perc_Contribution", ascending=False).head(1)
        for _, group in df_topic_sents_keywords.groupby("Dominant_Topic")
    ],
    axis=0,
).reset_index(drop=True)

# How many documents each topic has.
topic_counts = df_topic_sents_keywords["Dominant_Topic"].value_counts()
topic_contribution = round(topic_counts / topic_counts.sum(), 4)
df_dominant_topics = pd.DataFrame({"Documents": topic_counts, "Share": topic_contribution})

# How much weight each topic has in each document.
weights = pd.DataFrame(
    [dict(lda_model.get_document_topics(bow, minimum_probability=0.0)) for bow in corpus],
    columns=range(lda_model.num_topics),
)
