"""Things that are no bag of words over TERMS terms; none of them may go through unnoticed."""

import datetime
import decimal
import fractions

import numpy as np

TERMS = 150

DOCUMENTS = {
    "negative": [(0, 2), (1, -1)],
    "negative_float": [(1, -1e-9)],
    "nan": [(1, float("nan"))],
    "numpy_nan": [(1, np.float32("nan"))],
    "infinite": [(1, float("inf"))],
    "minus_infinite": [(1, float("-inf"))],
    "too_large_for_float32": [(1, 1e39)],
    "too_large_to_square": [(1, 1e300)],
    "too_large_for_float": [(1, 10**400)],
    "id_equal_to_size": [(0, 1), (TERMS, 1)],
    "id_minus_one": [(-1, 1)],
    "id_million": [(10**6, 1)],
    "id_beyond_int64": [(10**30, 1)],
    "id_float": [(1.0, 1)],
    "id_fraction": [(1.5, 1)],
    "id_nan": [(float("nan"), 1)],
    "id_bool": [(True, 1)],
    "id_bool_among_ints": [(0, 1), (True, 1)],
    "id_numpy_bool": [(np.True_, 1), (2, 1)],
    "id_str": [("cat", 1)],
    "id_digits": [("1", 1)],
    "id_none": [(None, 1)],
    "count_complex": [(0, 1j)],
    "count_numpy_complex": [(0, np.complex64(1))],
    "count_str": [(0, "3")],
    "count_none": [(0, None)],
    "count_object": [(0, object())],
    "count_list": [(0, [1, 2])],
    "count_date": [(0, datetime.date(2000, 1, 1))],
    "count_decimal": [(0, decimal.Decimal(1))],
    "count_fraction": [(0, fractions.Fraction(1, 2))],
    "tokens": ["cat", "dog"],
    "tokens_of_two_letters": ["ab", "cd"],
    "tokens_of_two_bytes": [b"\x01\x02", b"\x03\x04"],
    "str": "cat dog",
    "empty_str": "",
    "bytes": b"cat dog",
    "none": None,
    "int": 3,
    "float": 3.5,
    "dict": {0: 1, 1: 2},
    "dict_of_pairs": {(0, 1): 2},
    "empty_dict": {},
    "bare_ids": [0, 1, 2],
    "bare_pair": (0, 1),
    "singles": [(0,), (1,)],
    "triples": [(0, 1, 2)],
    "ragged": [(0, 1), (2,)],
    "nested_id": [((0, 1), 1)],
    "nested_document": [[(0, 1), (1, 1)], [(2, 1), (3, 1)]],
    "pair_is_a_set": [{0, 5}],
    "pair_is_a_dict": [{0: 1, 5: 2}],
    "array_of_broken_ids": np.array([[0.0, 1.0], [0.5, 2.0]]),
    "array_of_counts": np.array([0, 1, 2]),
}

REMEDY = r"doc2bow|dictionary|drop or mend|items\(\)|give \[document\]"
