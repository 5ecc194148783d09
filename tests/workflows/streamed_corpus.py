"""A corpus that is streamed from disk, and the pipelines of weighted corpora on top of it."""

from pathlib import Path

import smart_open
from gensim.corpora import BleiCorpus, Dictionary, MmCorpus
from gensim.models import LdaModel
from gensim.models.logentropy_model import LogEntropyModel
from gensim.models.tfidfmodel import TfidfModel

from nnmf_topics.datasets import load_lee

lines = [" ".join(text) for text in load_lee().texts[:150]]
Path("mycorpus.txt").write_text("\n".join(lines), encoding="utf-8")


class MyCorpus:
    """One document a line; nothing is held in memory."""

    def __iter__(self):
        with smart_open.open("mycorpus.txt", encoding="utf-8") as stream:
            for line in stream:
                yield dictionary.doc2bow(line.split())


with smart_open.open("mycorpus.txt", encoding="utf-8") as stream:
    dictionary = Dictionary(line.split() for line in stream)
once_ids = [tokenid for tokenid, docfreq in dictionary.dfs.items() if docfreq == 1]
dictionary.filter_tokens(once_ids)
dictionary.compactify()

corpus_memory_friendly = MyCorpus()
streamed = LdaModel(
    corpus_memory_friendly, id2word=dictionary, num_topics=5, passes=2, random_state=0
)
streamed_answers = [streamed[vector] for vector in corpus_memory_friendly]
streamed_lazily = streamed[corpus_memory_friendly]
streamed_topics = streamed.print_topics(5)

MmCorpus.serialize("corpus.mm", corpus_memory_friendly)
mm = MmCorpus("corpus.mm")

tfidf = TfidfModel(mm, normalize=True)
corpus_tfidf = tfidf[mm]
tfidf_lda = LdaModel(corpus_tfidf, id2word=dictionary, num_topics=5, passes=2, random_state=0)
corpus_lda = tfidf_lda[corpus_tfidf]
tfidf_topics = tfidf_lda.show_topics(formatted=False)
by_number = corpus_lda[3]
tfidf_bow = tfidf_lda[tfidf[mm[3]]]

MmCorpus.serialize("corpus_lda.mm", corpus_lda)
stored = list(MmCorpus("corpus_lda.mm"))

log_entropy = LogEntropyModel(mm)
entropy_lda = LdaModel(log_entropy[mm], id2word=dictionary, num_topics=5, random_state=0)
entropy_answers = entropy_lda[log_entropy[mm]]

BleiCorpus.serialize("corpus.lda-c", mm, id2word=dictionary)
blei = BleiCorpus("corpus.lda-c")
blei_lda = LdaModel(blei, id2word=blei.id2word, num_topics=5, random_state=0)
blei_topic = blei_lda.show_topic(0)
