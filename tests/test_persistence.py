import bz2
import copy
import errno
import gzip
import io
import json
import mmap
import os
import pickle
import re
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile

import joblib
import numpy as np
import pytest
from gensim.corpora import Dictionary
from gensim.utils import FakeDict
from hypothesis import given, settings
from hypothesis import strategies as st
from models import WIDTHS, animals, copied, fingerprint, loaded, planted, saved_bytes, trained
from safetensors import numpy as safetensors_numpy

from nnmf_topics import NeuralNMFModel, _persistence
from nnmf_topics._persistence import FORMAT, read_model, write_model
from nnmf_topics.random_state import random_state_from_plain, random_state_to_plain


@pytest.fixture
def path(tmp_path):
    return tmp_path / "news.nnmf"


def train(**options):
    data = planted()
    options = {"random_state": 0, "passes": 2, **options}
    return NeuralNMFModel(data.corpus, (4, 2), data.dictionary, **options)


def rewritten(change):
    """A file with a right checksum, whose tensors and document `change` has changed."""
    tensors, document = read_model(io.BytesIO(saved_bytes(trained())))
    change(tensors, document)
    buffer = io.BytesIO()
    write_model(buffer, tensors, document)
    return buffer.getvalue()


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# What comes back


def test_a_loaded_model_is_equal():
    model, corpus = copied(), planted().corpus
    twin = loaded(model)
    assert fingerprint(twin) == fingerprint(model)
    for A, B in zip(twin.factors, model.factors, strict=True):
        assert A.dtype == B.dtype
        np.testing.assert_array_equal(A, B)
    for layer in range(3):
        np.testing.assert_array_equal(twin.get_topics(layer), model.get_topics(layer))
        np.testing.assert_array_equal(twin.topic_masses(layer), model.topic_masses(layer))
        assert list(twin.level(layer)[corpus]) == list(model.level(layer)[corpus])
        assert twin.show_topics(-1, layer=layer) == model.show_topics(-1, layer=layer)
    for S, T in zip(twin.encode(corpus), model.encode(corpus), strict=True):
        np.testing.assert_array_equal(S, T)
    assert twin.hierarchy.to_dict() == model.hierarchy.to_dict()
    assert twin.history == model.history
    assert (twin.widths, twin.num_terms, twin.num_documents) == (WIDTHS, 150, 120)
    assert (twin.random_state.random_sample(9) == model.random_state.random_sample(9)).all()


def test_options_come_back():
    options = {
        "chunksize": 77,
        "passes": 3,
        "loss": "energy",
        "weighting": "tf-idf",
        "init": "random",
        "tol": 1e-3,
        "eval_every": None,
        "minimum_probability": 0.05,
        "minimum_phi_value": 0.07,
        "per_word_topics": True,
        "dtype": np.float64,
    }
    twin = loaded(train(**options))
    assert {name: getattr(twin, name) for name in options} == options
    assert twin.factors[0].dtype == np.float64


@pytest.mark.parametrize("init", ["layerwise", "clusters", "random"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_on_after_a_load_equals_training_on_without(init, dtype):
    model = train(init=init, dtype=dtype)
    twin = loaded(model)
    more = planted().corpus[:70]
    for one in (model, twin):
        one.update(more, passes=3)
    assert fingerprint(twin) == fingerprint(model)
    for one in (model, twin):  # a fresh start draws from the random state
        one.clear()
        one.update(more, passes=2)
    assert fingerprint(twin) == fingerprint(model)


def test_an_untrained_model_comes_back_untrained():
    data = planted()
    model = NeuralNMFModel(num_topics=(4, 2), id2word=data.dictionary, random_state=3)
    twin = loaded(model)
    for one in (model, twin):
        one.update(data.corpus, passes=2)
    assert fingerprint(twin) == fingerprint(model)


def test_saving_twice_through_a_load_gives_the_same_content():
    assert fingerprint(loaded(loaded(trained()))) == fingerprint(trained())


def test_a_dictionary_comes_back_whole():
    dictionary, twin = planted().dictionary, loaded(trained()).id2word
    assert type(twin) is Dictionary
    for name in ("token2id", "dfs", "cfs", "num_docs", "num_pos", "num_nnz"):
        assert getattr(twin, name) == getattr(dictionary, name), name
    text = planted().texts[0]
    assert twin.doc2bow(text) == dictionary.doc2bow(text) == planted().corpus[0]


@pytest.mark.parametrize("id2word", [{0: "cat", 5: "dog", 3: "bird"}, FakeDict(6), None])
def test_other_forms_of_id2word_come_back(id2word):
    model = NeuralNMFModel([[(0, 1), (5, 2)], [(3, 1)]], 2, id2word, random_state=0)
    twin = loaded(model)
    assert type(twin.id2word) is type(model.id2word)
    assert twin.show_topics(-1) == model.show_topics(-1)
    assert twin.num_terms == 6


@pytest.mark.parametrize("change", ["grown", "shrunk"])
def test_a_dictionary_that_has_changed_since_does_not_make_the_file_unreadable(change):
    corpus, dictionary = animals()
    model = NeuralNMFModel(corpus, 2, dictionary, random_state=0)
    expected = model.get_topics()
    if change == "grown":
        dictionary.add_documents([["zebra", "lion"]])
    else:
        dictionary.filter_extremes(no_below=2, no_above=1.0)
    twin = loaded(model)
    np.testing.assert_array_equal(twin.get_topics(), expected)
    assert twin.num_terms == model.num_terms
    assert twin[corpus[0]] == model[corpus[0]]
    if change == "grown":
        twin.update(corpus, passes=1)


# Paths and handles


def test_save_writes_exactly_that_path_and_nothing_beside(tmp_path):
    for name in ("model", "model.nnmf", "model.gz", "model.npz", "a b\u00e9.x", "." + "m" * 60):
        folder = tmp_path / f"in {name}"
        folder.mkdir()
        trained().save(folder / name)
        assert [file.name for file in folder.iterdir()] == [name]
        assert fingerprint(NeuralNMFModel.load(folder / name)) == fingerprint(trained())


def test_paths_may_be_str_or_pathlib_and_handles_open_files(path, monkeypatch):
    trained().save(path)
    expected = fingerprint(trained())
    assert fingerprint(NeuralNMFModel.load(str(path))) == expected
    with path.open("rb") as file:
        assert fingerprint(NeuralNMFModel.load(file)) == expected
    trained().save(str(path))
    with path.open("wb") as file:
        trained().save(file)
    assert fingerprint(NeuralNMFModel.load(path)) == expected
    monkeypatch.chdir(path.parent)
    trained().save("here")
    assert fingerprint(NeuralNMFModel.load("here")) == expected


def test_text_files_are_refused_before_anything_is_written_or_read(path):
    with path.open("w") as file, pytest.raises(TypeError, match="open it in binary mode"):
        trained().save(file)
    assert path.read_bytes() == b""
    with pytest.raises(TypeError, match="open it in binary mode"):
        trained().save(io.StringIO())
    with path.open() as file, pytest.raises(TypeError, match="open it in binary mode"):
        NeuralNMFModel.load(file)
    with pytest.raises(TypeError, match="open it in binary mode"):
        NeuralNMFModel.load(io.StringIO("model"))


@pytest.mark.parametrize("target", [None, 3, b"model", ["model"]])
def test_what_is_no_path_and_no_file_is_a_type_error(target):
    kind = type(target).__name__
    with pytest.raises(TypeError, match=f"a path or an open binary file, not {kind}"):
        trained().save(target)
    with pytest.raises(TypeError, match=f"a path or an open binary file, not {kind}"):
        NeuralNMFModel.load(target)


def test_a_file_that_takes_little_at_a_time_gets_all():
    class Slow(io.BytesIO):
        def write(self, content):
            return super().write(content[:10_000])

    file = Slow()
    trained().save(file)
    assert fingerprint(NeuralNMFModel.load(io.BytesIO(file.getvalue()))) == fingerprint(trained())


def test_gensims_options_of_save_are_accepted_and_others_are_not(path):
    trained().save(path, separately=["factors"], sep_limit=10, ignore=("x",), pickle_protocol=4)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert fingerprint(NeuralNMFModel.load(path)) == fingerprint(trained())
    trained().save(path, None, 10, ["random_state", "factors"], 2)
    assert fingerprint(NeuralNMFModel.load(path)) == fingerprint(trained())
    with pytest.raises(TypeError, match="compress"):
        trained().save(path, compress=True)


def test_a_save_is_an_event_of_the_file_and_of_the_model_if_it_succeeded(path, tmp_path):
    def events(model):
        return [event["event"] for event in model.lifecycle_events]

    model = train()
    model.save(path)
    assert events(model) == ["created", "saved"]
    assert events(NeuralNMFModel.load(path)) == ["created", "saved", "loaded"]
    with pytest.raises(OSError, match="missing"):
        model.save(tmp_path / "missing" / "model")
    assert events(model) == ["created", "saved"]
    model.lifecycle_events = None
    model.save(path)
    assert model.lifecycle_events is None
    assert NeuralNMFModel.load(path).lifecycle_events is None


def test_a_new_model_replaces_the_old_one(path):
    train().save(path)
    trained().save(path)
    assert fingerprint(NeuralNMFModel.load(path)) == fingerprint(trained())


def test_a_subclass_loads_as_itself_whatever_its_own_arguments_are(path):
    class Mine(NeuralNMFModel):
        def __init__(self, language):
            super().__init__(id2word={0: language})

    trained().save(path)
    loaded = Mine.load(path)
    assert type(loaded) is Mine
    assert fingerprint(loaded) == fingerprint(trained())


@pytest.mark.parametrize("where", ["folder", "missing/model", "file/model"])
def test_a_place_that_cannot_be_written_is_an_os_error_that_names_it(tmp_path, where):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    target = tmp_path / where
    with pytest.raises(OSError, match=re.escape(str(target))):
        trained().save(target)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == "old"
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_file_and_no_leftovers(path, monkeypatch, call):
    trained().save(path)
    before = path.read_bytes()

    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if call == "fsync" else type(path), call, full)
    with pytest.raises(OSError, match=f"No space left.*{re.escape(str(path))}"):
        train().save(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_kill_during_save_leaves_the_old_or_the_new_model_and_the_next_save_sweeps(path):
    done = run(
        """
        import json, os, random, signal, sys, time
        from pathlib import Path
        from gensim.utils import FakeDict
        from nnmf_topics import NeuralNMFModel

        corpus = [[(i, 1 + i % 3), (i + 7, 2)] for i in range(50)]
        build = lambda seed: NeuralNMFModel(corpus, 8, FakeDict(30_000), passes=1, init="random",
                                            random_state=seed)
        path, models = Path(sys.argv[1]), [build(0), build(1)]
        models[0].save(path)
        result, rng = {"old_or_new": [], "leftovers": 0}, random.Random(0)
        for _ in range(15):
            child = os.fork()
            if child == 0:
                while True:
                    for model in models:
                        model.save(path)
            time.sleep(rng.uniform(0.02, 0.06))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            found = NeuralNMFModel.load(path).factors[0]
            result["old_or_new"].append(any((found == m.factors[0]).all() for m in models))
            result["leftovers"] += len(list(path.parent.iterdir())) - 1
        models[0].save(path)
        result["at_the_end"] = [file.name for file in path.parent.iterdir()]
        print(json.dumps(result))
        """,
        path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["old_or_new"] == [True] * 15
    assert result["leftovers"] > 0  # some kills did hit a save
    assert result["at_the_end"] == [path.name]


# Compressed files

DECOMPRESS = {"gz": gzip.decompress, "bz2": bz2.decompress}
COMPRESS = {"gz": lambda content: gzip.compress(content, mtime=0), "bz2": bz2.compress}
endings = pytest.mark.parametrize("ending", DECOMPRESS)


@endings
def test_the_ending_of_a_path_compresses_and_the_content_tells_when_it_is_read(tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    trained().save(path)
    content = path.read_bytes()
    assert len(content) < len(saved_bytes(trained()))
    plain = DECOMPRESS[ending](content)
    assert safetensors_numpy.load(plain)["factors.0"].shape == (150, 6)
    expected = fingerprint(trained())
    other = tmp_path / "model"
    other.write_bytes(content)
    for source in (path, str(path), other, io.BytesIO(content)):
        assert fingerprint(NeuralNMFModel.load(source)) == expected
    path.write_bytes(plain)
    assert fingerprint(NeuralNMFModel.load(path)) == expected


@pytest.mark.parametrize("ending", ["nnmf", *DECOMPRESS])
def test_equal_content_gives_equal_files(tmp_path, ending):
    tensors, document = {"a": np.arange(1000.0)}, {"b": 3}
    files = [tmp_path / f"{number}.{ending}" for number in range(9)]
    for file in files:
        write_model(file, tensors, document)
    assert len({file.read_bytes() for file in files}) == 1


def test_a_compressed_file_cut_short_anywhere_is_refused(path):
    rng = np.random.default_rng(0)
    for compress in COMPRESS.values():
        content = compress(saved_bytes(trained()))
        cuts = {1, 2, 3, 4, 10, 11, len(content) - 9, len(content) - 4, len(content) - 1}
        for cut in sorted(cuts | set(rng.integers(0, len(content), 12).tolist())):
            assert_refused(path, content[:cut])


def test_no_flipped_bit_of_a_compressed_file_gives_an_altered_model():
    expected, rng = fingerprint(trained()), np.random.default_rng(0)
    for compress in COMPRESS.values():
        content, refusals = compress(saved_bytes(trained())), 0
        for number in range(60):
            damaged = bytearray(content)
            most = 8 * (20 if number % 3 == 0 else len(content))
            position = int(rng.integers(0, most))
            damaged[position // 8] ^= 1 << (position % 8)
            try:
                model = NeuralNMFModel.load(io.BytesIO(bytes(damaged)))
            except ValueError:
                refusals += 1
            else:
                assert fingerprint(model) == expected
        assert refusals > 40  # the head of a gzip file holds bits without a meaning


@endings
@pytest.mark.parametrize("content", [b"", b"A poem, no model.\n" * 100, bytes(10**6)])
def test_other_compressed_content_is_refused(path, ending, content):
    assert_refused(path, COMPRESS[ending](content))
    assert_refused(path, COMPRESS[ending](saved_bytes(trained()) + content + b"\x01"))
    assert_refused(path, COMPRESS[ending](content) + b"more")


@pytest.mark.parametrize("ending", ["gz", "bz2", "gz in gz"])
def test_a_bomb_is_refused_in_bounded_memory(ending):
    compress = COMPRESS[ending[:3].strip()]
    metadata = {"format": FORMAT, "version": "1", "sha256": "0" * 64}
    claimed = {"dtype": "U8", "shape": [10**9], "data_offsets": [0, 10**9]}
    bomb = compress(safetensors({"__metadata__": metadata, "zeros": claimed}, bytes(10**8)))
    bombs = [
        bomb,  # far too large, as its header says
        compress(saved_bytes(trained()) + bytes(10**8)),  # much more than its header says
        compress(bytes(10**8)),
        compress(b"\xff" * 10**8),
        compress((2**31).to_bytes(8, "little") + b"[" * 10**8),
    ]
    for content in bombs:
        if "in" in ending:
            content = compress(content)
        tracemalloc.start()
        with pytest.raises(ValueError, match="cannot be loaded"):
            read_model(io.BytesIO(content))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 16 * 2**20


def test_a_compressed_file_may_expand_as_documented_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(_persistence, "ALWAYS_ALLOWED", 10**6)
    path, tensors = tmp_path / "zeros.bz2", {"a": np.zeros(10**5)}
    write_model(path, tensors, {})
    assert read_model(path)[0]["a"].shape == (10**5,)
    tensors["b"] = np.zeros(10**5)
    with pytest.raises(ValueError, match=r"more than 100 times.*without \.gz or \.bz2"):
        write_model(path, tensors, {})
    assert "b" not in read_model(path)[0]
    buffer = io.BytesIO()
    write_model(buffer, tensors, {})
    path.write_bytes(bz2.compress(buffer.getvalue()))
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*more than 1000000"):
        read_model(path)


# Memory maps


def buffer_of(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_memory_mapped_model_is_equal_and_its_factors_lie_in_the_file(path, mode):
    trained().save(path)
    model = NeuralNMFModel.load(path, mmap=mode)
    for A in model.factors:
        assert isinstance(buffer_of(A), mmap.mmap)
        assert A.flags.writeable == (mode == "c")
        assert A.flags.aligned
    assert fingerprint(model) == fingerprint(trained())
    assert fingerprint(NeuralNMFModel.load(path, mode)) == fingerprint(trained())


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_memory_mapped_model_answers_and_trains_on_as_any(path, mode):
    data, model = planted(), copied()
    model.save(path)
    before = path.read_bytes()
    twin = NeuralNMFModel.load(path, mmap=mode)
    for layer in range(3):
        np.testing.assert_array_equal(twin.get_topics(layer), model.get_topics(layer))
        assert twin.show_topics(-1, layer=layer) == model.show_topics(-1, layer=layer)
        assert list(twin.level(layer)[data.corpus[:9]]) == list(model.level(layer)[data.corpus[:9]])
    assert twin.hierarchy.to_dict() == model.hierarchy.to_dict()
    assert fingerprint(copy.deepcopy(twin)) == fingerprint(model)
    for one in (model, twin):
        one.update(data.corpus[:70], passes=2)
    assert fingerprint(twin) == fingerprint(model)
    assert path.read_bytes() == before
    twin.save(path)  # over the file it was mapped from
    assert fingerprint(NeuralNMFModel.load(path)) == fingerprint(model)


def test_a_copy_on_write_map_changes_and_the_file_does_not(path):
    trained().save(path)
    before = path.read_bytes()
    NeuralNMFModel.load(path, mmap="c").factors[0][:] = 1
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="read-only"):
        NeuralNMFModel.load(path, mmap="r").factors[0][:] = 1


def test_tensors_that_are_read_may_be_written_as_ever(path):
    trained().save(path)
    NeuralNMFModel.load(path).factors[0][:] = 1
    assert fingerprint(NeuralNMFModel.load(path)) == fingerprint(trained())


def test_a_map_of_a_file_that_was_replaced_keeps_the_old_model(path):
    trained().save(path)
    model = NeuralNMFModel.load(path, mmap="r")
    train().save(path)
    assert fingerprint(model) == fingerprint(trained())


@pytest.mark.parametrize("mode", ["w+", "R", "", "rb", 3, True])
def test_other_modes_of_a_map_are_refused(path, mode):
    trained().save(path)
    with pytest.raises(ValueError, match="mmap must be None, 'r', 'r\\+' or 'c', not"):
        NeuralNMFModel.load(path, mmap=mode)


@endings
def test_a_compressed_file_cannot_be_memory_mapped(tmp_path, ending):
    path = tmp_path / f"model.{ending}"
    trained().save(path)
    with pytest.raises(OSError, match=f"compressed.*mmap=None.*{re.escape(str(path))}"):
        NeuralNMFModel.load(path, mmap="r")


def test_an_open_file_cannot_be_memory_mapped(path):
    trained().save(path)
    with path.open("rb") as file, pytest.raises(ValueError, match=r"open.*mmap=None"):
        NeuralNMFModel.load(file, mmap="r")


def test_missing_files_and_folders_to_map_are_os_errors_that_name_them(tmp_path):
    for target in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=re.escape(str(target))):
            NeuralNMFModel.load(target, mmap="r")


@pytest.mark.parametrize(
    "array", [np.zeros((0, 3)), np.float32(2), np.ones((2, 0, 3), bool), np.arange(3, dtype="i1")]
)
def test_tensors_of_any_shape_come_back_equal_however_they_are_read(path, array):
    tensors = {"a": np.arange(5, dtype=np.uint8), "b": np.asarray(array), "c": np.ones(3)}
    write_model(path, tensors, {"text": "\u00e9\ud800"})
    for mode in (None, "r", "c"):
        found, document = read_model(path, mode)
        assert document == {"text": "\u00e9\ud800"}
        assert found.keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found[name].dtype == tensor.dtype
            np.testing.assert_array_equal(found[name], tensor, strict=True)
    for name, tensor in safetensors_numpy.load_file(path).items():
        np.testing.assert_array_equal(tensor, found.get(name, tensor), strict=True)


# Other machines


def test_a_file_opens_where_there_is_no_cupy_and_holds_no_pickle(path):
    trained().save(path)
    content = path.read_bytes()
    for hint in (b"numpy.core", b"numpy._core", b"__reduce__", b"cposix", b"\x80\x04\x95"):
        assert hint not in content
    done = run(
        """
        import sys
        sys.modules["cupy"] = None
        from nnmf_topics import NeuralNMFModel
        import pickle
        def refuse(*_):
            raise SystemExit("unpickled")
        pickle.load = pickle.loads = pickle.Unpickler = refuse
        model = NeuralNMFModel.load(sys.argv[1])
        print(model.show_topics(-1))
        """,
        path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(trained().show_topics(-1))


# Hostile and damaged files


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def hostile_files(payload):
    for protocol in range(6):
        yield f"pickle{protocol}", pickle.dumps(payload, protocol)
        yield f"long_pickle{protocol}", pickle.dumps([payload, "x" * 10_000], protocol)
    for name, write in (
        ("npy", lambda b: np.save(b, np.array([payload], object), allow_pickle=True)),
        ("npz", lambda b: np.savez(b, factors=np.array([payload], object))),
        ("joblib", lambda b: joblib.dump(payload, b)),
    ):
        buffer = io.BytesIO()
        write(buffer)
        yield name, buffer.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("data.pkl", pickle.dumps(payload))
        bomb.writestr("zeros", bytes(10**7))
    yield "zip", buffer.getvalue()


def safetensors(header, data=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(header).to_bytes(8, "little") + header + data


def handmade_files():
    good = saved_bytes(trained())
    size = int.from_bytes(good[:8], "little")
    header, data = json.loads(good[8 : 8 + size]), good[8 + size :]

    def with_header(**changes):
        return safetensors({**header, **changes}, data)

    factors = header["factors.0"]
    metadata = header["__metadata__"]
    yield "empty", b""
    yield "one_byte", b"\x00"
    yield "seven_bytes", good[:7]
    yield "only_length", good[:8]
    yield "text", b"A poem, no model.\n" * 100
    yield "json", json.dumps(header).encode()
    yield "length_2_63", (2**63).to_bytes(8, "little") + good[8:]
    yield "length_2_64_less_1", b"\xff" * 8 + good[8:]
    yield "length_of_all", len(good).to_bytes(8, "little") + good[8:]
    yield "length_0", bytes(8) + good[8:]
    yield "no_json", safetensors(b"{" * size, data)
    yield "deep_json", safetensors(b"[" * 10**5 + b"]" * 10**5, data)
    yield "deep_metadata", safetensors(b'{"__metadata__":' * 10**5 + b"}" * 10**5, data)
    yield "json_list", safetensors([1, 2, 3], data)
    yield "json_null", safetensors(None, data)
    yield "no_metadata", safetensors({k: v for k, v in header.items() if k != "__metadata__"}, data)
    yield "metadata_list", with_header(__metadata__=[1])
    yield "metadata_number", with_header(__metadata__={**metadata, "version": 1})
    yield "other_format", with_header(__metadata__={**metadata, "format": "pt"})
    yield "future_version", with_header(__metadata__={**metadata, "version": "2"})
    yield "old_version", with_header(__metadata__={**metadata, "version": "0"})
    yield "no_checksum", with_header(__metadata__={"format": FORMAT, "version": "1"})
    yield "wrong_checksum", with_header(__metadata__={**metadata, "sha256": "0" * 64})
    yield (
        "overflow",
        with_header(**{"factors.0": {**factors, "shape": [2**70, 0], "data_offsets": [0, 0]}}),
    )
    yield (
        "many_dimensions",
        with_header(**{"factors.0": {**factors, "shape": [*factors["shape"], *[1] * 70]}}),
    )
    yield "fractional_shape", with_header(**{"factors.0": {**factors, "shape": [150.0, 6]}})
    yield "true_shape", with_header(**{"factors.0": {**factors, "shape": [True, 900]}})
    yield "shape_null", with_header(**{"factors.0": {**factors, "shape": None}})
    yield "entry_null", with_header(**{"factors.0": None})
    yield "offsets_text", with_header(**{"factors.0": {**factors, "data_offsets": ["0", "9"]}})
    yield "offsets_three", with_header(**{"factors.0": {**factors, "data_offsets": [0, 9, 9]}})
    yield "hole", safetensors(moved(header, 8), bytes(8) + data)
    yield "hole_at_the_end", safetensors(header, data + bytes(8))
    yield "header_of_5_MiB", safetensors(json.dumps(header).encode().ljust(5 * 2**20), data)
    yield "huge_shape", with_header(**{"factors.0": {**factors, "shape": [2**40, 2**40]}})
    yield "negative_shape", with_header(**{"factors.0": {**factors, "shape": [-1, 6]}})
    yield "overlap", with_header(**{"factors.0": header["factors.1"]})
    yield "offsets", with_header(**{"factors.0": {**factors, "data_offsets": [0, 2**62]}})
    yield "backwards", with_header(**{"factors.0": {**factors, "data_offsets": [9, 1]}})
    yield "unknown_dtype", with_header(**{"factors.0": {**factors, "dtype": "F33"}})
    yield "dtype_without_numpy", with_header(**{"factors.0": {**factors, "dtype": "BF16"}})
    yield "swapped_kind", with_header(**{"factors.0": {**factors, "dtype": "I32"}})
    yield "swapped_shape", with_header(**{"factors.0": {**factors, "shape": [6, 150]}})
    yield "other_tensors", safetensors_numpy.save({"weight": np.ones((3, 2))})
    yield "document_no_json", with_tensor("json", np.frombuffer(b"{nonsense", np.uint8))
    yield "trailing", good + b"\x00"
    yield "doubled", good + good
    yield "shifted", good[1:]


def moved(header, by):
    header = json.loads(json.dumps(header))
    for name, entry in header.items():
        if name != "__metadata__":
            entry["data_offsets"] = [offset + by for offset in entry["data_offsets"]]
    return header


def with_tensor(name, value):
    tensors = safetensors_numpy.load(saved_bytes(trained()))
    tensors[name] = value
    return safetensors_numpy.save(tensors, {"format": FORMAT, "version": "1", "sha256": "0" * 64})


def assert_refused(path, content):
    path.write_bytes(content)
    compressed = content[:3] in (b"\x1f\x8b\x08", b"BZh")
    for mode in (None,) if compressed else (None, "r"):
        with pytest.raises(ValueError, match=re.escape(str(path))) as raised:
            NeuralNMFModel.load(path, mmap=mode)
        assert len(str(raised.value).splitlines()) == 1
    with pytest.raises(ValueError, match="cannot be loaded"):
        NeuralNMFModel.load(io.BytesIO(content))


def test_hostile_files_are_refused_and_run_nothing(path, tmp_path):
    mark = tmp_path / "ran"
    for name, content in hostile_files(Payload(mark)):
        assert_refused(path, content)
        assert not mark.exists(), name
    pickle.loads(pickle.dumps(Payload(mark))).close()
    assert mark.exists()  # the payload does work


@pytest.mark.parametrize("name", [name for name, _ in handmade_files()])
def test_handmade_files_are_refused(path, name):
    assert_refused(path, dict(handmade_files())[name])


def test_a_future_version_is_told_apart_from_damage(path):
    content = saved_bytes(trained()).replace(b'"version":"1"', b'"version":"9"')
    path.write_bytes(content)
    with pytest.raises(ValueError, match="version 9, this package reads 1; upgrade"):
        NeuralNMFModel.load(path)


def test_missing_files_and_folders_are_os_errors_that_name_them(tmp_path):
    for target in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=re.escape(str(target))):
            NeuralNMFModel.load(target)


def test_a_file_cut_short_anywhere_is_refused(path):
    content = saved_bytes(trained())
    length = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    cuts = {1, 4, 8, 9, length - 1, length, length + 1, len(content) - 1}
    for cut in sorted(cuts | set(rng.integers(0, len(content), 60).tolist())):
        assert_refused(path, content[:cut])


def test_no_flipped_bit_gives_an_altered_model(path):
    content = saved_bytes(trained())
    expected = fingerprint(trained())
    length = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    refusals = []
    for number in range(300):
        damaged = bytearray(content)
        most = length if number % 3 == 0 else len(content)  # a third of them in the header
        for position in rng.integers(0, 8 * most, 1 + number % 8).tolist():
            damaged[position // 8] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        try:
            model = NeuralNMFModel.load(path, mmap="r" if number % 2 else None)
        except ValueError as error:
            refusals.append(str(error))
        else:
            assert fingerprint(model) == expected
    assert len(refusals) > 290
    assert all("cannot be loaded" in refusal for refusal in refusals)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(content):
    with pytest.raises(ValueError, match="cannot be loaded"):
        NeuralNMFModel.load(io.BytesIO(content))


def tensor(name, change):
    def changed(tensors, _document):
        tensors[name] = change(tensors[name])

    return changed


def entry(*keys, value):
    def changed(_tensors, document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return changed


def one(value):
    def changed(array):
        array = array.copy()
        array.flat[0] = value
        return array

    return changed


def history(change):
    def changed(_tensors, document):
        document["trained"]["loss"] = change(document["trained"]["loss"])

    return changed


def errors(change):
    def changed(_tensors, document):
        document["trained"]["errors"] = change(document["trained"]["errors"])

    return changed


FORGERIES = {
    "factor_nan": tensor("factors.0", one(np.nan)),
    "factor_infinite": tensor("factors.1", one(np.inf)),
    "factor_negative": tensor("factors.0", one(-1)),
    "factor_transposed": tensor("factors.1", np.transpose),
    "factor_flat": tensor("factors.1", np.ravel),
    "factor_wider": tensor("factors.2", lambda A: np.hstack([A, A])),
    "factor_integers": tensor("factors.0", lambda A: A.astype(np.int8)),
    "factor_halves": tensor("factors.0", lambda A: A.astype(np.float16)),
    "factor_doubles": tensor("factors.0", lambda A: A.astype(np.float64)),
    "factor_missing": lambda tensors, _: tensors.pop("factors.1"),
    "usage_nan": tensor("evaluation.usage.0", one(np.nan)),
    "usage_longer": tensor("evaluation.usage.1", lambda u: np.append(u, u)),
    "usage_missing": lambda tensors, _: tensors.pop("evaluation.usage.2"),
    "frequency_negative": tensor("document_frequency", one(-1)),
    "frequency_floats": tensor("document_frequency", lambda f: f.astype(np.float64)),
    "frequency_shorter": tensor("document_frequency", lambda f: f[:-1]),
    "one_tensor_more": lambda tensors, _: tensors.update(extra=np.ones(3)),
    "widths_fewer": entry("widths", value=[6, 3]),
    "widths_more": entry("widths", value=[6, 3, 2, 1]),
    "widths_other": entry("widths", value=[6, 3, 1]),
    "widths_rising": entry("widths", value=[2, 3, 6]),
    "widths_huge": entry("widths", value=[2**62, 3, 2]),
    "widths_str": entry("widths", value="632"),
    "widths_null": entry("widths", value=None),
    "terms_more": entry("num_terms", value=151),
    "terms_huge": entry("num_terms", value=10**15),
    "terms_str": entry("num_terms", value="150"),
    "dtype_other": entry("dtype", value="float64"),
    "dtype_object": entry("dtype", value="object"),
    "options_null": entry("options", value=None),
    "option_wrong": entry("options", "loss", value="kl"),
    "option_infinite": entry("options", "chunksize", value=0),
    "vocabulary_null": entry("vocabulary", value=None),
    "vocabulary_kind": entry("vocabulary", "kind", value="other"),
    "vocabulary_ids": entry("vocabulary", "ids", value=["a"] * 150),
    "vocabulary_negative": entry("vocabulary", "ids", value=list(range(-1, 149))),
    "vocabulary_shorter": entry("vocabulary", "words", value=["a"]),
    "random_state_null": entry("random_state", value=None),
    "random_state_name": entry("random_state", "name", value="PCG64"),
    "random_state_short": entry("random_state", "keys", value=[1, 2, 3]),
    "random_state_negative": entry("random_state", "keys", value=[-1] * 624),
    "random_state_large": entry("random_state", "keys", value=[2**32] * 624),
    "random_state_position": entry("random_state", "position", value=10**8),
    "random_state_before": entry("random_state", "position", value=-1),
    "random_state_position_str": entry("random_state", "position", value="7"),
    "events_str": entry("lifecycle_events", value="created"),
    "events_number": entry("lifecycle_events", value=3),
    "events_of_numbers": entry("lifecycle_events", value=[3]),
    "trained_list": entry("trained", value=[]),
    "documents_negative": entry("trained", "documents", value=-1),
    "documents_fraction": entry("trained", "documents", value=1.5),
    "documents_str": entry("trained", "documents", value="many"),
    "weighting_unknown": entry("trained", "weighting", value="other"),
    "loss_number": entry("trained", "loss", value=3),
    "loss_words": entry("trained", "loss", value=["low"]),
    "errors_flat": entry("trained", "errors", value=[1, 2]),
    "start_loss_str": entry("trained", "start_loss", value="high"),
    "stop_reason_unknown": entry("trained", "stop_reason", value="BORED"),
    # Numbers of the right kind that no training leaves behind
    "factor_huge": tensor("factors.0", one(3e38)),
    "factor_long": tensor("factors.0", lambda A: A * np.float32(1.01)),
    "factor_short": tensor("factors.2", lambda A: A * np.float32(0.5)),
    "factor_tiny": tensor("factors.1", lambda A: A * np.float32(1e-30)),
    "frequency_above_documents": tensor("document_frequency", one(121)),
    "documents_none": entry("trained", "documents", value=0),
    "documents_fewer": entry("trained", "documents", value=1),
    "documents_huge": entry("trained", "documents", value=10**30),
    "documents_true": entry("trained", "documents", value=True),
    "counts_str": entry("trained", "counts", value="no"),
    "counts_number": entry("trained", "counts", value=1),
    "counts_null": entry("trained", "counts", value=None),
    "weighting_auto": entry("trained", "weighting", value="auto"),
    "weighting_list": entry("trained", "weighting", value=["none"]),
    "loss_numbers_as_text": history(lambda loss: [str(number) for number in loss]),
    "loss_negative": history(lambda loss: [*loss[:-1], -0.1]),
    "loss_true": history(lambda loss: [*loss[:-1], True]),
    "loss_null": history(lambda loss: [*loss[:-1], None]),
    "loss_longer": history(lambda loss: [*loss, 0.1]),
    "loss_shorter": history(lambda loss: loss[:-1]),
    "loss_digits": entry("trained", "loss", value="123"),
    "errors_fewer": errors(lambda rows: rows[:-1]),
    "errors_narrower": errors(lambda rows: [row[:-1] for row in rows]),
    "errors_one_wider": errors(lambda rows: [*rows[:-1], [*rows[-1], 0.1]]),
    "errors_negative": errors(lambda rows: [*rows[:-1], [-0.1, 0.1, 0.1]]),
    "errors_digits": errors(lambda rows: ["123" for _ in rows]),
    "start_loss_negative": entry("trained", "start_loss", value=-1.0),
    "start_loss_digits": entry("trained", "start_loss", value="1"),
    "start_loss_true": entry("trained", "start_loss", value=True),
    "stop_reason_list": entry("trained", "stop_reason", value=["PASSES"]),
    "chunksize_huge": entry("options", "chunksize", value=10**30),
    "passes_huge": entry("options", "passes", value=10**30),
    "per_word_topics_str": entry("options", "per_word_topics", value="no"),
    "vocabulary_twice": entry("vocabulary", "ids", value=[*range(149), 0]),
    "vocabulary_floats": entry("vocabulary", "ids", value=[float(i) for i in range(150)]),
    "vocabulary_words": entry("vocabulary", "words", value=list(range(150))),
    "vocabulary_counts": entry("vocabulary", "num_docs", value="120"),
    "vocabulary_counts_negative": entry("vocabulary", "num_docs", value=-1),
    "vocabulary_frequencies": entry("vocabulary", "dfs", value=[[0, "3"]]),
    "vocabulary_frequency_negative": entry("vocabulary", "cfs", value=[[0, -3]]),
    "vocabulary_fake_none": entry("vocabulary", value={"kind": "fake", "num_terms": 0}),
    "vocabulary_fake_str": entry("vocabulary", value={"kind": "fake", "num_terms": "150"}),
    "vocabulary_fake_huge": entry("vocabulary", value={"kind": "fake", "num_terms": 10**30}),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_file_that_fits_its_checksum_but_is_no_model_is_refused(path, forgery):
    assert_refused(path, rewritten(forgery))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_document_with_numbers_that_are_none_is_refused(path, number):
    tensors, document = read_model(io.BytesIO(saved_bytes(trained())))
    document["trained"]["start_loss"] = 0.123456789
    text = json.dumps(document).replace("0.123456789", number).encode()
    tensors["json"] = np.frombuffer(text, np.uint8)
    metadata = {"format": FORMAT, "version": "1", "sha256": _persistence._digest(tensors)}
    assert_refused(path, safetensors_numpy.save(tensors, metadata))


def test_a_vocabulary_of_numbers_takes_no_memory(path):
    def changed(tensors, document):
        tensors.clear()
        document |= {"trained": None, "num_terms": 10**15}
        document["vocabulary"] = {"kind": "fake", "num_terms": 10**15}

    path.write_bytes(rewritten(changed))
    tracemalloc.start()
    assert NeuralNMFModel.load(path).num_terms == 10**15
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_every_part_of_the_document_is_needed(path):
    _, document = read_model(io.BytesIO(saved_bytes(trained())))
    for keys in (
        *((key,) for key in document),
        *(("trained", key) for key in document["trained"]),
        *(("random_state", key) for key in document["random_state"]),
        *(("vocabulary", key) for key in document["vocabulary"]),
        *(("options", key) for key in document["options"]),
    ):

        def remove(_tensors, document, keys=keys):
            for key in keys[:-1]:
                document = document[key]
            del document[keys[-1]]

        assert_refused(path, rewritten(remove))


@pytest.mark.parametrize(
    "option", [{"corpus": [[[0, 1]]] * 3}, {"device": "cuda:7"}, {"progress": True}, {"zzz": 1}]
)
def test_a_file_cannot_pass_other_options_than_those_that_are_saved(option):
    content = rewritten(lambda _tensors, document: document["options"].update(option))
    assert fingerprint(NeuralNMFModel.load(io.BytesIO(content))) == fingerprint(trained())


# The random state


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 1300), st.booleans())
def test_a_random_state_goes_on_alike_after_json(seed, draws, gauss):
    before = np.random.RandomState(seed)
    before.random_sample(draws)
    if gauss:
        before.standard_normal()  # which keeps a second draw
    after = random_state_from_plain(json.loads(json.dumps(random_state_to_plain(before))))
    assert (after.standard_normal(5) == before.standard_normal(5)).all()
    assert (after.randint(0, 2**31, 700) == before.randint(0, 2**31, 700)).all()
