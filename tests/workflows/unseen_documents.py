"""Save, load, ask about a text that training has not seen, and find similar documents."""

from pathlib import Path

from gensim import similarities
from gensim.corpora import Dictionary
from gensim.models import LdaModel
from gensim.test.utils import datapath
from gensim.utils import simple_preprocess

from nnmf_topics.datasets import load_lee

news = load_lee()
news.dictionary.save("news.dict")
lda = LdaModel(news.corpus, num_topics=8, id2word=news.dictionary, passes=5, random_state=0)
lda.save("lda.model")

dictionary = Dictionary.load("news.dict")
lda = LdaModel.load("lda.model", mmap="r")
lda.minimum_probability = 0.0

unseen = Path(datapath("lee.cor")).read_text(encoding="iso-8859-1").splitlines()[0]
vec_bow = dictionary.doc2bow(simple_preprocess(unseen))
vec_lda = lda[vec_bow]
print(vec_lda)
best_topic, share = max(vec_lda, key=lambda pair: pair[1])
keywords = lda.show_topic(best_topic, topn=5)
print(lda.print_topic(best_topic))

index = similarities.MatrixSimilarity(lda[news.corpus], num_features=lda.num_topics)
index.save("lda.index")
index = similarities.MatrixSimilarity.load("lda.index")
sims = sorted(enumerate(index[vec_lda]), key=lambda item: -item[1])
for document_number, score in sims[:3]:
    print(score, " ".join(news.texts[document_number][:12]))

sparse_index = similarities.SparseMatrixSimilarity(lda[news.corpus], num_features=lda.num_topics)
sparse_sims = sparse_index[vec_lda]

sharded_index = similarities.Similarity("shard", lda[news.corpus], num_features=lda.num_topics)
sharded_index.num_best = 5
best_five = sharded_index[lda[news.corpus[10]]]
