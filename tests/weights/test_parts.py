"""Arrays of one model made of parts of arrays of another."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.numerics.arrays import Arrays
from parity.weights.parts import Part, Piece, Term, assembled, gathered, taken_apart


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def made_of(array: np.ndarray, *pieces: Piece, shape: tuple[int, ...]) -> np.ndarray:
    return assembled(shape, pieces, {"w": array}.__getitem__)


def term(part: Part, sign: float = 1.0, source: str = "w") -> Term:
    return Term(source, part, sign)


@st.composite
def parts(draw: st.DrawFn) -> tuple[tuple[int, ...], Part]:
    """A shape, and any part of an array of it."""
    split = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    order = tuple(draw(st.permutations(range(len(split)))))
    if draw(st.booleans()):
        return split, Part(split, order)
    start = tuple(draw(st.integers(0, extent - 1)) for extent in split)
    stop = tuple(draw(st.integers(first + 1, extent)) for first, extent in zip(start, split, strict=True))
    return split, Part(split, order, start, stop)


@given(parts())
def test_a_part_is_a_view_of_as_many_elements_as_it_says(drawn: tuple[tuple[int, ...], Part]) -> None:
    shape, part = drawn
    array = np.arange(np.prod(shape)).reshape(shape)
    own = part.of(array)
    assert own.size == part.size
    assert len(set(own.ravel().tolist())) == own.size
    own[...] = -1
    assert (array == -1).sum() == part.size


def test_a_part_of_a_split_axis() -> None:
    array = np.arange(12).reshape(2, 6)
    second = Part((2, 3, 2), (1, 0, 2), (0, 1, 0), (2, 2, 2))
    np.testing.assert_array_equal(second.of(array), [[[2, 3], [8, 9]]])


@given(parts())
def test_pieces_come_back_from_json(drawn: tuple[tuple[int, ...], Part]) -> None:
    _, part = drawn
    piece = Piece(part, (Term("a", part, -1.0), Term("b", Part.whole((2, 3)))))
    assert Piece.from_dict(json.loads(json.dumps(asdict(piece)))) == piece


def test_pieces_that_cover_each_element_once_make_the_array() -> None:
    kernel = numbers(5, 6)
    halves = [
        Piece(
            Part((6, 5), (0, 1), (3 * half, 0), (3 * half + 3, 5)),
            (term(Part((5, 6), (1, 0), (0, 3 - 3 * half), (5, 6 - 3 * half))),),
        )
        for half in (0, 1)
    ]
    np.testing.assert_array_equal(made_of(kernel, *halves, shape=(6, 5)), np.roll(kernel.T, 3, axis=0))


def test_one_array_is_given_in_its_own_dtype() -> None:
    own = numbers(4).astype(np.float32)
    made = made_of(own, Piece(Part.whole((2, 2)), (term(Part.whole((4,))),)), shape=(2, 2))
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made.ravel(), own)


def test_sums_are_made_with_their_signs_in_float64() -> None:
    """In float32 1 + 1e-9 is 1."""
    arrays = {"one": np.ones(3, np.float32), "small": np.full(3, 1e-9, np.float32)}
    whole = Part.whole((3,))
    for sign in (1.0, -1.0):
        piece = Piece(whole, (Term("one", whole), Term("small", whole, sign)))
        made = assembled((3,), [piece], arrays.__getitem__)
        assert made.dtype == np.float64
        np.testing.assert_array_equal(made, 1 + sign * np.float64(np.float32(1e-9)))
    negated = assembled((3,), [Piece(whole, (Term("one", whole, -1.0),))], arrays.__getitem__)
    np.testing.assert_array_equal(negated, -1)


def test_a_sum_beside_a_copy_is_exact_whichever_comes_first() -> None:
    arrays = {"one": np.ones(2, np.float32), "small": np.full(2, 1e-9, np.float32)}
    both = (Term("one", Part.whole((2,))), Term("small", Part.whole((2,))))
    halves = [Part((4,), (0,), (0,), (2,)), Part((4,), (0,), (2,), (4,))]
    for copied, added in (halves, halves[::-1]):
        pieces = [Piece(copied, both[:1]), Piece(added, both)]
        made = assembled((4,), pieces, arrays.__getitem__)
        assert made.dtype == np.float64
        np.testing.assert_array_equal(np.sort(made), [1, 1, *[1 + np.float64(np.float32(1e-9))] * 2])


def test_an_array_that_is_no_row_after_row_can_be_a_source() -> None:
    kernel = numbers(3, 4)
    made = made_of(kernel.T, Piece(Part.whole((4, 3)), (term(Part.whole((4, 3))),)), shape=(4, 3))
    np.testing.assert_array_equal(made, kernel.T)


def test_pieces_that_leave_something_out_are_refused() -> None:
    half = Part((4,), (0,), (0,), (2,))
    with pytest.raises(ValueError, match="cover 2 of 4 elements once"):
        made_of(numbers(4), Piece(half, (term(half),)), shape=(4,))
    with pytest.raises(ValueError, match="cover 0 of 4"):
        made_of(numbers(4), shape=(4,))


def test_pieces_that_overlap_are_refused() -> None:
    whole, half = Part.whole((4,)), Part((4,), (0,), (0,), (2,))
    with pytest.raises(ValueError, match="cover 2 of 4 elements once"):
        made_of(numbers(4), Piece(whole, (term(whole),)), Piece(half, (term(half),)), shape=(4,))


def test_terms_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="a part of 4 elements is to hold 3 of 'w'"):
        made_of(numbers(3), Piece(Part.whole((4,)), (term(Part.whole((3,))),)), shape=(4,))


@given(st.permutations(range(3)), st.integers(0, 2**32 - 1))
def test_what_is_gathered_is_what_was_given(order: list[int], seed: int) -> None:
    """Two sources in two arrays, cut and turned: the inverse gives both back."""
    kernel, bias = numbers(4, 6, seed=seed), numbers(6, seed=seed + 1)
    pieces = {
        "gates": [
            Piece(
                Part((3, 2, 4), (0, 1, 2), (place, 0, 0), (place + 1, 2, 4)),
                (Term("kernel", Part((4, 3, 2), (1, 2, 0), (0, gate, 0), (4, gate + 1, 2))),),
            )
            for place, gate in enumerate(order)
        ],
        "offset": [Piece(Part.whole((6,)), (Term("bias", Part.whole((6,))),))],
    }
    sources = {"kernel": kernel, "bias": bias}
    made: Arrays = {
        "gates": assembled((6, 4), pieces["gates"], sources.__getitem__),
        "offset": assembled((6,), pieces["offset"], sources.__getitem__),
    }
    for name, array in sources.items():
        np.testing.assert_array_equal(gathered(name, array.shape, pieces, made), array)


def test_what_no_array_holds_is_nan_or_none() -> None:
    half = Part((4,), (0,), (0,), (2,))
    pieces = {"p": [Piece(Part.whole((2,)), (term(half),))]}
    np.testing.assert_array_equal(gathered("w", (4,), pieces, {"p": np.array([1, 2])}), [1, 2, np.nan, np.nan])
    assert gathered("w", (4,), pieces, {}) is None
    assert gathered("another", (4,), pieces, {"p": np.array([1, 2])}) is None


def test_an_array_that_is_subtracted_is_not_gathered_from_there() -> None:
    """The gradient of a - b says nothing of b but its negative, which another array holds."""
    whole = Part.whole((2,))
    pieces = {"first": [Piece(whole, (Term("a", whole), Term("b", whole, -1.0)))]}
    assert gathered("b", (2,), pieces, {"first": np.ones(2)}) is None
    np.testing.assert_array_equal(gathered("a", (2,), pieces, {"first": np.ones(2)}), 1)


@given(parts())
def test_what_is_assembled_of_a_part_is_taken_apart_again(drawn: tuple[tuple[int, ...], Part]) -> None:
    """Bit for bit; NaN where no array holds anything."""
    shape, part = drawn
    array = numbers(*shape).astype(np.float32)
    piece = Piece(Part.whole((part.size,)), (term(part, -1.0),))
    held = made_of(array, piece, shape=(part.size,)).astype(np.float32)
    (back,) = taken_apart({"v": [piece]}, {"v": held}, {"w": shape}).values()
    np.testing.assert_array_equal(part.of(back), part.of(array))
    assert np.isnan(back).sum() == array.size - part.size
    assert back.dtype == np.float32


def test_a_sum_is_taken_apart_where_all_but_one_term_are_known() -> None:
    """As the bias of a recurrent layer, beside the second one that Paddle adds."""
    whole = Part.whole((3,))
    sums = Piece(whole, (term(whole), term(whole, -1.0, "beside")))
    alone = Piece(whole, (term(whole, source="beside"),))
    held = {"first": np.array([1, 2, 3], np.float32), "second": np.array([0.5, 0.25, 2**-24], np.float32)}
    made = taken_apart({"first": [sums], "second": [alone]}, held, {"w": (3,), "beside": (3,)})
    assert made["beside"].tolist() == held["second"].tolist()
    assert made["w"].tolist() == [1.5, 2.25, 3.0]  # rounded to float32
    with pytest.raises(ValueError, match="'first' holds a sum of 'w' and 'beside', and neither can be told from it"):
        taken_apart({"first": [sums]}, held, {"w": (3,), "beside": (3,)})
