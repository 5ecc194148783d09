import copy

import numpy as np
import pytest
from gensim import matutils
from gensim.models import LdaModel
from models import copied, flat, lee_model, planted, trained

DISTANCES = ("kullback_leibler", "hellinger", "jaccard", "jensen_shannon")


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("layer", range(3))
def test_a_model_does_not_differ_from_itself(distance, layer):
    model = trained()
    distances, _ = model.diff(model, distance, diagonal=True, normed=False, layer=layer)
    np.testing.assert_allclose(distances, 0, atol=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_are_finite_and_at_most_one_when_normed(distance):
    distances, notes = trained().diff(flat(), distance)
    assert distances.shape == notes.shape == (6, 4)
    assert np.all(np.isfinite(distances) & (distances >= 0))
    np.testing.assert_allclose(distances.max(), 1)


def test_distances_are_those_of_the_distributions():
    model, other = trained().level(0), flat().level(0)
    distances, _ = model.diff(other, "hellinger", normed=False)
    expected = matutils.hellinger(model.get_topics()[2], other.get_topics()[3])
    np.testing.assert_allclose(distances[2, 3], expected, rtol=1e-5)


def test_annotations_are_words_of_both_and_words_of_one():
    model, other = trained(), flat()
    _, notes = model.diff(other, num_words=10, n_ann_terms=4)
    mine, theirs = ({word for word, _ in m.show_topic(1, 10)} for m in (model, other))
    both, one = notes[1, 1]
    assert both == sorted(mine & theirs)[:4]
    assert one == sorted(mine ^ theirs)[:4]
    assert model.diff(other, annotation=False)[1] is None


def test_an_lda_model_can_be_compared_with():
    data = planted()
    lda = LdaModel(data.corpus, 5, data.dictionary, random_state=0)
    distances, _ = trained().diff(lda)
    assert distances.shape == (6, 5)
    assert np.all(np.isfinite(distances))


def test_a_model_can_be_compared_with_itself_before_its_dictionary_grew():
    model = copied()
    before = copy.deepcopy(model)
    new = [model.id2word.doc2bow(["unheard"] * 3, allow_update=True)] * 12
    model.update(new)
    distances, _ = model.diff(before, "hellinger", normed=False)
    assert distances.shape == (6, 6)
    assert np.all(np.isfinite(distances))
    np.testing.assert_allclose(before.diff(model, "hellinger", normed=False)[0], distances.T)
    with pytest.raises(ValueError, match="grown out of the other"):
        model.diff(lee_model())


def test_wrong_arguments_are_errors_that_say_what_is_allowed():
    with pytest.raises(ValueError, match="kullback_leibler, hellinger, jaccard, jensen_shannon"):
        trained().diff(flat(), "euclidean")
    with pytest.raises(TypeError, match="not list"):
        trained().diff([1, 2])
    with pytest.raises(ValueError, match="not 6 and 4"):
        trained().diff(flat(), diagonal=True)
