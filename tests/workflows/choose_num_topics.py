"""How many topics? Train with several numbers and keep the most coherent model."""

from gensim.models import LdaModel
from gensim.models.coherencemodel import CoherenceModel

from nnmf_topics.datasets import load_lee

news = load_lee()
texts, dictionary, corpus = news.texts[:100], news.dictionary, news.corpus[:100]


def compute_coherence_values(dictionary, corpus, texts, limit, start=2, step=3):
    coherence_values = []
    model_list = []
    for num_topics in range(start, limit, step):
        model = LdaModel(
            corpus=corpus, id2word=dictionary, num_topics=num_topics, random_state=100, passes=3
        )
        model_list.append(model)
        coherencemodel = CoherenceModel(
            model=model, texts=texts, dictionary=dictionary, coherence="c_v", processes=1
        )
        coherence_values.append(coherencemodel.get_coherence())
    return model_list, coherence_values


start, limit, step = 2, 15, 6
model_list, coherence_values = compute_coherence_values(
    dictionary=dictionary, corpus=corpus, texts=texts, start=start, limit=limit, step=step
)

x = list(range(start, limit, step))
for m, cv in zip(x, coherence_values, strict=True):
    print("Num Topics =", m, " has Coherence Value of", round(cv, 4))

best = max(range(len(x)), key=lambda index: coherence_values[index])
optimal_model = model_list[best]
model_topics = optimal_model.show_topics(formatted=False)
optimal_topics = optimal_model.print_topics(num_words=10)

# A second opinion without the texts, and a third from held-out documents.
u_mass = [
    CoherenceModel(
        model=model, corpus=corpus, dictionary=dictionary, coherence="u_mass"
    ).get_coherence()
    for model in model_list
]
per_topic = CoherenceModel(
    model=optimal_model, texts=texts, dictionary=dictionary, coherence="c_npmi", processes=1
).get_coherence_per_topic()
perplexities = [model.log_perplexity(news.corpus[100:150]) for model in model_list]
