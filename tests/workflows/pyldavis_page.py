"""The interactive page of pyLDAvis."""

from pathlib import Path

import pyLDAvis
import pyLDAvis.gensim_models as gensimvis
from gensim.models import LdaModel

from nnmf_topics.datasets import load_lee

news = load_lee()
dictionary, corpus = news.dictionary, news.corpus[:100]

lda_model = LdaModel(corpus, num_topics=6, id2word=dictionary, passes=5, random_state=0)

vis = gensimvis.prepare(lda_model, corpus, dictionary, mds="mmds", sort_topics=False, n_jobs=1)
pyLDAvis.save_html(vis, "lda.html")
pyLDAvis.save_json(vis, "lda.json")

html = Path("lda.html").read_text(encoding="utf-8")
topic_coordinates = vis.topic_coordinates
topic_info = vis.topic_info
token_table = vis.token_table
topic_order = vis.topic_order
