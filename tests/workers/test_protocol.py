"""What crosses the boundary to a worker arrives as it was sent: bits, types, shapes, names and order."""

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from parity.numerics.arrays import Arrays, pack, take, unpack
from parity.workers.protocol import read_message, write_message

DTYPES = ("uint8", "int32", "int64", "float32", "float64", "bool")


def crossed(header: dict[str, Any], arrays: Arrays | None) -> tuple[dict[str, Any], Arrays]:
    """The message after a way through a stream."""
    message = read_message(io.BytesIO(written(header, arrays)))
    assert message is not None
    return message


def written(header: dict[str, Any], arrays: Arrays | None = None) -> bytes:
    stream = io.BytesIO()
    write_message(stream, header, arrays)
    return stream.getvalue()


def assert_same_bits(received: np.ndarray, expected: np.ndarray) -> None:
    assert received.shape == expected.shape
    assert received.dtype == expected.dtype
    assert received.tobytes() == expected.tobytes()


@st.composite
def any_array(draw: st.DrawFn) -> np.ndarray:
    """Any dtype that is used, 0-d and empty ones included, in any memory order."""
    shape = draw(arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = draw(arrays_of.arrays(np.dtype(draw(st.sampled_from(DTYPES))), shape))
    if draw(st.booleans()):
        array = array.transpose(draw(st.permutations(range(array.ndim))))
    if array.ndim and draw(st.booleans()):
        array = array[::-2]
    return array


@settings(max_examples=200, deadline=None)
@given(arrays=st.dictionaries(st.text(min_size=1, max_size=8), any_array(), max_size=4))
def test_any_arrays_arrive_bit_for_bit(arrays: Arrays) -> None:
    header, received = crossed({"verb": "x"}, arrays)
    assert header == {"verb": "x"}
    assert list(received) == list(arrays)
    for name, array in arrays.items():
        assert_same_bits(received[name], array)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (3, 0, 2), (2, 3, 4)], ids=str)
def test_every_dtype_and_shape_survives(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape))).reshape(shape).astype(dtype)
    assert_same_bits(crossed({}, {"a": array})[1]["a"], array)


def test_a_scalar_does_not_become_a_vector() -> None:
    assert crossed({}, {"loss": np.array(2.5)})[1]["loss"].shape == ()


def test_nan_payloads_and_signed_zeros_survive() -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000000, 0x8000000000000000, 0x0000000000000001], np.uint64)
    assert_same_bits(crossed({}, {"a": bits.view(np.float64)})[1]["a"], bits.view(np.float64))


def test_a_transposed_view_arrives_as_what_it_shows_not_as_what_it_stores() -> None:
    view = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    received = crossed({}, {"a": view})[1]["a"]
    assert received.shape == (4, 2, 3)
    assert received[3, 1, 2] == view[3, 1, 2] == 23


def test_the_order_of_the_arrays_survives() -> None:
    """The stages' order says which failed first; safetensors alone sorts by type and forgets the rest."""
    names = [f"stage{i}" for i in np.random.default_rng(0).permutation(64)]
    arrays = {name: np.zeros(2, DTYPES[i % len(DTYPES)]) for i, name in enumerate(names)}
    assert list(crossed({}, arrays)[1]) == names


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)
def test_any_json_header_arrives(header: dict[str, Any]) -> None:
    assert crossed(header, None) == (header, {})


def test_messages_follow_one_another() -> None:
    stream = io.BytesIO()
    for number in range(3):
        write_message(stream, {"number": number}, {"a": np.full(number, number)} if number else None)
    stream.seek(0)
    for number in range(3):
        message = read_message(stream)
        assert message is not None
        assert message[0] == {"number": number}
        assert [array.tolist() for array in message[1].values()] == ([[number] * number] if number else [])
    assert read_message(stream) is None


def test_a_stream_cut_anywhere_gives_none_and_no_half_message() -> None:
    whole = written({"result": {"ok": True}}, {"a": np.arange(5)})
    assert read_message(io.BytesIO(whole)) is not None
    for length in range(len(whole)):
        assert read_message(io.BytesIO(whole[:length])) is None, length


def test_foreign_bytes_in_the_stream_are_no_message() -> None:
    with pytest.raises(json.JSONDecodeError):
        read_message(io.BytesIO(struct.pack("<Q", 5) + b"hello"))


def test_an_object_array_is_refused_before_anything_is_written() -> None:
    stream = io.BytesIO()
    with pytest.raises(Exception, match=r"(?i)object|dtype"):
        write_message(stream, {}, {"a": np.array([object()])})
    assert stream.getvalue() == b""


@settings(max_examples=50, deadline=None)
@given(
    state=st.dictionaries(st.text(min_size=1, max_size=6), any_array(), max_size=3),
    images=st.dictionaries(st.text(min_size=1, max_size=6), any_array(), max_size=3),
)
def test_unpack_gives_each_group_back_and_nothing_of_another(state: Arrays, images: Arrays) -> None:
    packed = pack(state=state, images=images)
    assert len(packed) == len(state) + len(images)
    for group, arrays in (("state", state), ("images", images)):
        received = unpack(packed, group)
        assert list(received) == list(arrays)
        for name, array in arrays.items():
            assert received[name] is array


def test_unpack_is_not_fooled_by_names_that_look_like_groups() -> None:
    packed = pack(state={"state:a": np.zeros(1), "b": np.ones(1)}, states={"c": np.zeros(2)})
    assert list(unpack(packed, "state")) == ["state:a", "b"]
    assert list(unpack(packed, "states")) == ["c"]
    assert unpack(packed, "stat") == {}


def test_take_leaves_the_other_groups() -> None:
    packed = pack(state={"a": np.zeros(1)}, images={"a": np.ones(1)})
    assert list(take(packed, "state")) == ["a"]
    assert list(packed) == ["images:a"]
