"""Signatures tell whether two tensors hold the same numbers, and how the axes of one are those of the other."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.numerics import signature as signatures
from parity.numerics.signature import Arrangement, Signature, alike, arrangement, signature

EXACT = 1e-10

Change = Callable[[np.ndarray], np.ndarray]


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def arranged(one: np.ndarray, other: np.ndarray, hints: tuple[tuple[int, ...], ...] = ()) -> Arrangement | None:
    """How the second is made of the first; what is claimed is held against the numbers."""
    first, second = signature(one), signature(other)
    assert alike(first, second, EXACT)
    found = arrangement(first, second, EXACT, hints)
    if found is not None:
        np.testing.assert_array_equal(found.of(one), other)
        np.testing.assert_array_equal(found.back(other, one.shape), one)
    return found


@given(st.permutations(range(4)), st.integers(0, 2**32 - 1))
def test_axes_in_any_order_are_recognised(order: list[int], seed: int) -> None:
    maps = drawn(2, 3, 4, 5, seed=seed)
    found = arranged(maps, maps.transpose(order))
    assert found is not None
    assert found.plain == (order == sorted(order))


def test_axes_of_one_extent_are_told_apart() -> None:
    maps = drawn(4, 4, 4)
    found = arranged(maps, maps.transpose(2, 0, 1))
    assert found is not None
    assert found.order == (2, 0, 1)


@pytest.mark.parametrize(
    ("one", "change"),
    [
        ((2, 3, 4, 5), lambda x: x.reshape(2, 12, 5)),  # merged
        ((2, 12, 5), lambda x: x.reshape(2, 3, 4, 5)),  # split
        ((2, 3, 4, 5), lambda x: x.reshape(2, 60)),
        ((2, 60), lambda x: x.reshape(2, 3, 4, 5)),
        ((2, 3, 4, 5), lambda x: x.transpose(0, 3, 1, 2).reshape(2, 60)),  # moved, then merged
        ((2, 60), lambda x: x.reshape(2, 3, 4, 5).transpose(0, 3, 1, 2)),
        ((2, 7, 12), lambda x: x.reshape(2, 7, 3, 4).transpose(0, 2, 1, 3)),  # heads
        ((1, 5, 1, 3), lambda x: x.reshape(5, 3)),  # of length 1
        ((5, 3), lambda x: x.T.reshape(1, 3, 1, 5)),
        ((6,), lambda x: x),
    ],
)
def test_axes_that_were_merged_or_split_are_recognised(one: tuple[int, ...], change: Change) -> None:
    array = drawn(*one)
    assert arranged(array, change(array)) is not None


def test_features_that_were_flattened_from_maps_in_another_order_need_a_hint() -> None:
    maps = drawn(2, 3, 4, 5)
    ours, theirs = maps.reshape(2, 60), maps.transpose(0, 3, 1, 2).reshape(2, 60)
    assert arranged(ours, theirs) is None
    assert arranged(ours, theirs, ((2, 30), (60,))) is None
    found = arranged(ours, theirs, ((2, 30), (3, 4, 5)))
    assert found is not None
    assert (found.split, found.order) == ((2, 3, 4, 5), (0, 3, 1, 2))


def test_without_a_split_nothing_but_extents_of_one_and_boundaries_change() -> None:
    for change in (lambda x: x.reshape(2, 12, 1, 5), lambda x: x.reshape(24, 5), lambda x: x):
        array = drawn(2, 3, 4, 5)
        found = arranged(array, change(array))
        assert found is not None
        assert found.plain


def test_numbers_in_a_mixed_order_have_no_arrangement() -> None:
    array = drawn(4, 6)
    shuffled = np.random.default_rng(1).permutation(array.ravel()).reshape(4, 6)
    assert arranged(array, shuffled) is None
    assert arranged(array, shuffled.T.copy()) is None
    assert arranged(array, array.ravel().reshape(6, 4).copy()) is None  # read row by row into other rows
    assert arranged(array, array[:, ::-1].copy()) is None


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_exact_near_and_other_numbers(size: float) -> None:
    array = drawn(3, 5) * size
    own = signature(array)
    rounded = signature(array.astype(np.float32))
    assert alike(own, signature(array * (1 + 1e-14)), EXACT)
    assert not alike(own, rounded, EXACT)
    assert alike(own, rounded, 1e-6)
    other = array.copy()
    other[1, 2] += 1e-3 * size
    assert not alike(own, signature(other), 1e-6)
    assert not alike(own, signature(-array), 1e-6)
    assert not alike(own, signature(array[:, :4]), 1.0)


def test_rows_that_sum_to_one_are_told_apart() -> None:
    """Their sums are no profile; those of the bent numbers are."""
    logits = np.exp(drawn(5, 5))
    rows = logits / logits.sum(axis=1, keepdims=True)
    found = arranged(rows, rows.T.copy())
    assert found is not None
    assert not found.plain


@pytest.mark.parametrize("lacking", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_agrees_with_nothing(lacking: float) -> None:
    array = drawn(3, 4)
    array[1, 1] = lacking
    own = signature(array)
    assert not own.finite
    assert not alike(own, own, 1.0)
    assert not alike(own, signature(drawn(3, 4)), 1.0)
    assert arrangement(own, own, EXACT) is None


def test_numbers_whose_cubes_overflow_are_not_finite() -> None:
    assert not signature(np.array([1e200, 1.0])).finite


def test_empty_tensors_agree_with_nothing() -> None:
    own = signature(np.zeros((0, 3)))
    assert own.size == 0
    assert not alike(own, own, 1.0)


def test_zeros_agree_with_zeros_only() -> None:
    zeros = signature(np.zeros((2, 3)))
    assert alike(zeros, signature(np.zeros((3, 2))), EXACT)
    assert not alike(zeros, signature(np.full((2, 3), 1e-9)), EXACT)


def test_other_types_have_the_signature_of_their_numbers() -> None:
    numbers = np.arange(12).reshape(3, 4)
    assert alike(signature(numbers), signature(numbers.astype(np.float64)), EXACT)
    truth = numbers > 5
    assert alike(signature(truth), signature(truth.astype(np.float32)), EXACT)


def test_an_axis_that_is_too_long_has_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "LONGEST_PROFILE", 4)
    own = signature(drawn(3, 5))
    assert [len(profile) for profile in own.profiles] == [3, 0]
    assert alike(own, own, EXACT)
    assert arrangement(own, own, EXACT) is None
    again = round_trip([own])[0]
    assert [len(profile) for profile in again.profiles] == [3, 0]


def round_trip(ones: list[Signature]) -> list[Signature]:
    shapes, arrays = signatures.pack_signatures(ones)
    return signatures.unpack_signatures(shapes, arrays)


def test_signatures_come_back_as_they_were_packed() -> None:
    lacking = drawn(2, 3)
    lacking[0, 0] = math.nan
    arrays = [drawn(2, 3, 4), np.array(3.0), np.zeros((0, 3)), lacking, drawn(1, 5), np.arange(4)]
    ones = [signature(array) for array in arrays]
    others = round_trip(ones)
    assert len(others) == len(ones)
    for one, other in zip(ones, others, strict=True):
        assert replace(other, moments=one.moments, profiles=one.profiles) == one
        np.testing.assert_array_equal(other.moments, one.moments)
        for own, theirs in zip(one.profiles, other.profiles, strict=True):
            np.testing.assert_array_equal(theirs, own)
    assert round_trip([]) == []
