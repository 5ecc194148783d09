"""The first tutorial: from raw texts to topics and their average coherence."""

import re
from pathlib import Path
from pprint import pprint

from gensim.corpora import Dictionary
from gensim.models import LdaModel
from gensim.models.phrases import Phrases
from gensim.parsing.preprocessing import STOPWORDS
from gensim.test.utils import datapath

stories = Path(datapath("lee_background.cor")).read_text(encoding="utf-8").splitlines()
docs = [re.findall(r"\w+", story.lower()) for story in stories]

# No numbers, no words of one letter, no words that every text has.
docs = [[token for token in doc if not token.isnumeric()] for doc in docs]
docs = [[token for token in doc if len(token) > 1 and token not in STOPWORDS] for doc in docs]

# Bigrams that appear ten times or more stand beside their words.
bigram = Phrases(docs, min_count=10)
for doc in docs:
    doc.extend([token for token in bigram[doc] if "_" in token])

dictionary = Dictionary(docs)
dictionary.filter_extremes(no_below=5, no_above=0.5)
corpus = [dictionary.doc2bow(doc) for doc in docs]
print(f"{len(dictionary)} unique tokens, {len(corpus)} documents")

num_topics = 8
dictionary[0]  # only to load the dictionary
id2word = dictionary.id2token

model = LdaModel(
    corpus=corpus,
    id2word=id2word,
    chunksize=2000,
    alpha="auto",
    eta="auto",
    iterations=50,
    num_topics=num_topics,
    passes=5,
    eval_every=None,
    random_state=1,
)

top_topics = model.top_topics(corpus)
avg_topic_coherence = sum(coherence for _, coherence in top_topics) / num_topics
print(f"Average topic coherence: {avg_topic_coherence:.4f}.")
pprint(top_topics)

shown = model.show_topics(num_topics=4, num_words=6)
as_pairs = model.show_topics(num_topics=-1, num_words=6, formatted=False)
printed = model.print_topics(num_words=4)
one = model.print_topic(0, topn=3)
matrix = model.get_topics()
