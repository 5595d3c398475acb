"""Plain data goes out and comes back; what was tampered with on the way is a ValueError."""

import contextlib
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils.exercises.core import Unusable
from course_utils.exercises.wire import DTYPES, decode, encode

numbers = st.integers(-(2**63), 2**63) | st.floats()
keys = st.text(max_size=5) | st.sampled_from(["$tensor", "$dict", "$float", "$"])
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text() | st.builds(Unusable, st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def sent(value, **options):
    return decode(json.loads(json.dumps(encode(value))), **options)


@given(plain)
def test_plain_data_comes_back(value):
    assert repr(sent(value)) == repr(value)  # nan is not equal to itself


@pytest.mark.parametrize("name", DTYPES)
def test_tensors_of_every_dtype_come_back(name):
    dtype = DTYPES[name]
    for shape in ((), (0, 3), (2, 3), (2, 1, 4)):
        tensor = torch.arange(math.prod(shape)).reshape(shape).to(dtype)
        back = sent(tensor)
        assert (back.dtype, back.shape) == (dtype, tensor.shape)
        assert torch.equal(back, tensor)
    turned = torch.arange(6).reshape(2, 3).to(dtype).T
    assert torch.equal(sent(turned), turned)
    one = torch.arange(2).to(dtype)[1::2]  # contiguous, as torch says, with a stride of 2
    assert torch.equal(sent(one), one)


def test_views_that_are_conjugate_or_negative_come_back():
    conjugate = torch.tensor([1 + 2j, 3 - 4j]).conj()
    for view in (conjugate, conjugate.imag):
        assert torch.equal(sent(view), view)


def test_special_numbers_survive_in_tensors():
    tensor = torch.tensor([math.nan, math.inf, -math.inf, -0.0])
    assert torch.equal(sent(tensor).view(torch.int32), tensor.view(torch.int32))


GOOD = encode(torch.arange(4.0))["$tensor"]


@pytest.mark.parametrize(
    "value",
    [
        {"$tensor": GOOD | {"shape": [5]}},
        {"$tensor": GOOD | {"shape": [-1, -4]}},
        {"$tensor": GOOD | {"shape": [2**62, 2**62]}},
        {"$tensor": GOOD | {"shape": [4.0]}},
        {"$tensor": GOOD | {"shape": [1] * 1000}},
        {"$tensor": GOOD | {"shape": "4"}},
        {"$tensor": GOOD | {"dtype": "object"}},
        {"$tensor": GOOD | {"dtype": ["float32"]}},
        {"$tensor": GOOD | {"data": "not base64"}},
        {"$tensor": GOOD | {"data": 3}},
        {"$tensor": GOOD | {"data": "é"}},
        {"$tensor": GOOD | {"more": 1}},
        {"$tensor": []},
        {"$tensor": {"dtype": "bool", "shape": [1], "data": "Bw=="}},
        {"$float": "1.0"},
        {"$float": []},
        {"$dict": 3},
        {"$pickle": "gASVAAAA"},
        {"$float": "nan", "other": 1},
    ],
)
def test_malformed_data_is_refused(value):
    with pytest.raises(ValueError, match=r"\w"):
        decode([value])


def test_deep_nesting_is_refused_on_both_sides():
    deep = []
    for _ in range(200):
        deep = [deep]
    for way in (encode, decode):
        with pytest.raises(ValueError, match="deep"):
            way(deep)


def test_huge_numbers_are_refused_on_both_sides():
    for way in (encode, decode):
        with pytest.raises(ValueError, match="64 bits"):
            way(10**100)


def test_text_that_no_file_can_hold_is_refused_on_both_sides():
    for way in (encode, decode):
        for value in ("\ud800", {"\ud800": 1}):
            with pytest.raises(ValueError, match="characters"):
                way(value)
    with pytest.raises(ValueError, match="characters"):
        decode({"$dict": {"$\ud800": 1}})


@pytest.mark.parametrize(
    "value", [1j, b"x", (1,), torch.eye(2).to_sparse(), torch.zeros(2).to(torch.float8_e5m2)]
)
def test_what_is_no_plain_data_is_not_sent(value):
    with pytest.raises(ValueError, match=r"\w"):
        encode([value])


@pytest.mark.parametrize(
    "value", ["x" * 6_000_000, ["x" * 600_000] * 10, {"x" * 6_000_000: 1}, [[]] * 600_000]
)
def test_large_data_is_refused_before_it_is_read(value):
    with pytest.raises(ValueError, match="5 MB"):
        decode(value)
    assert decode(value, limit=None) == value


junk = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$tensor", "$float", "$dict", "$unusable", "dtype", "shape", "data"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(junk)
def test_any_json_is_decoded_or_refused(value):
    with contextlib.suppress(ValueError):
        decode(value)
