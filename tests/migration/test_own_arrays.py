"""Two arrays: the same bits, rounded, or other numbers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from parity.migration.own_weights.arrays import constant, constants, exchanged, own_array, own_arrays, rounded
from parity.numerics.arrays import Arrays
from parity.weights.parts import Part, Piece, Pieces, Term


def single(numbers: Sequence[Any]) -> np.ndarray:
    return np.array(numbers, np.float32)


KERNEL = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def compared(one: np.ndarray, other: np.ndarray) -> tuple[str, str, float | None, list[int]]:
    made = own_array("w", ["k"], one, other)
    return made.state, made.rounding, made.gap, made.index


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_one_of_both_may_be_rounded(kind: str) -> None:
    half = rounded(KERNEL, kind)
    assert not np.array_equal(half, KERNEL)
    assert compared(KERNEL, KERNEL.copy()) == ("same bits", "", None, [])
    assert compared(KERNEL, half) == ("rounded", kind, None, [])
    assert compared(half, KERNEL) == ("rounded", kind, None, [])
    half[1, 2] = KERNEL[1, 2]  # not all of them
    assert compared(KERNEL, half)[0] == "other"


def test_bfloat16_is_rounded_half_to_even() -> None:
    steps = single([1, 1 + 2**-8, 1 + 2**-7, 1 + 3 * 2**-8, -1 - 2**-8, 0, 3e38])
    assert rounded(steps, "bfloat16").tolist()[:6] == [1, 1, 1 + 2**-7, 1 + 2**-6, -1, 0]
    assert rounded(single([1e6]), "float16").tolist() == [np.inf]


def test_the_next_number_of_float32_is_rounding_and_the_one_after_it_is_not() -> None:
    following = np.nextafter(KERNEL, np.float32(np.inf))
    assert compared(KERNEL, following) == ("rounded", "float32", None, [])
    again = np.nextafter(following, np.float32(np.inf))
    assert compared(KERNEL, again)[0] == "other"
    assert compared(np.zeros(2, np.float32), -np.zeros(2, np.float32)) == ("rounded", "float32", None, [])


def test_an_array_that_is_lost_in_float16_is_other() -> None:
    small = KERNEL * np.float32(1e-9)
    assert compared(small, rounded(small, "float16"))[0] == "other"
    few = np.concatenate([KERNEL.ravel(), single([1e-9])])  # one that is lost beside large ones
    assert compared(few, rounded(few, "float16"))[:2] == ("rounded", "float16")


def test_what_is_no_number_is_other_on_either_side_and_on_both() -> None:
    odd = KERNEL.copy()
    odd[2, 1] = np.nan
    for one, other in ((KERNEL, odd), (odd, KERNEL), (odd, odd)):
        assert compared(one, other) == ("other", "", None, [2, 1])


def test_a_gap_is_relative_to_the_largest_number_and_has_its_place() -> None:
    one, other = single([[1, -4], [2, 3]]), single([[1, -4], [4, 3]])
    assert compared(one, other) == ("other", "", 0.5, [1, 0])
    assert compared(np.zeros((2, 2), np.float32), other)[2] == 1.0


def test_what_two_arrays_share_out_is_compared_as_their_sum() -> None:
    whole = Part.whole((4,))
    pieces: Pieces = {
        "ih": [Piece(whole, (Term("bias", whole), Term("#auxiliary", whole, -1.0)))],
        "hh": [Piece(whole, (Term("#auxiliary", whole),))],
        "w": [Piece(Part.whole((4, 3)), (Term("kernel", Part((3, 4), (1, 0))),))],
    }
    bias = single([1, 2, -4, 8])
    first: Arrays = {"bias": bias, "kernel": KERNEL}
    second: Arrays = {"ih": bias / 4, "hh": bias * 3 / 4, "w": np.ascontiguousarray(KERNEL.T)}
    made = own_arrays(pieces, first, second)
    assert [(one.name, one.state, one.elements) for one in made] == [
        ("ih", "same bits", 4),
        ("hh", "same bits", 4),
        ("w", "same bits", 12),
    ]
    assert made[0].sources == ["bias"]
    made = own_arrays(pieces, first, second | {"hh": bias})
    assert [one.state for one in made] == ["other", "other", "same bits"]


def test_arrays_that_hold_each_others_numbers() -> None:
    whole = Part.whole((3, 4))
    pieces: Pieces = {
        name: [Piece(whole, (Term(source, whole),))] for name, source in (("a", "x"), ("b", "y"), ("c", "z"))
    }
    first: Arrays = {"x": KERNEL, "y": KERNEL + 1, "z": KERNEL + 2}
    second: Arrays = {"a": KERNEL + 1, "b": rounded(KERNEL, "float16"), "c": KERNEL + 3}
    others = [one for one in own_arrays(pieces, first, second) if one.state == "other"]
    assert exchanged(others, pieces, first, second) == {"a": "b", "b": "a"}


def test_constants() -> None:
    own = {"tensorflow": {"a": np.zeros(3), "b": np.array([0.0, 1.0])}, "paddle": {"c": np.full((2, 2), np.nan)}}
    assert constants({"tensorflow": ["a"], "paddle": []}, own) == {"tensorflow": ["a"], "paddle": []}
    assert constants({"tensorflow": ["a", "b"], "paddle": []}, own) is None
    assert constants({"tensorflow": [], "paddle": ["c"]}, own) is None
    assert constants({"tensorflow": [], "paddle": []}, own) is None
    assert constant(np.zeros((0, 2))) is None


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (lambda x: x.T.copy(), "the right numbers with axes 0 and 1 exchanged"),
        (np.ones_like, "1 everywhere, as a model is built"),
        (lambda x: x + 1, ""),
    ],
)
def test_what_other_numbers_are_is_said_where_it_is_plain(held: Callable[[np.ndarray], np.ndarray], says: str) -> None:
    expected = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    found = own_array("w", ["k"], expected, held(expected))
    assert (found.state, found.why) == ("other", says)
