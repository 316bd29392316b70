"""The numpy reference, which judges both frameworks, is judged by loops that share no code with it."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate2d

from parity import kinds
from parity.kinds.conv import conv2d
from parity.kinds.norm import LocalResponseNorm, normalised
from parity.kinds.pool import AdaptiveAveragePool, AveragePool, MaxPool
from parity.numerics.geometry import WindowPadding


def max_pool(x: np.ndarray, **numbers: Any) -> np.ndarray:
    return MaxPool(**numbers).compute([x], {})


def average_pool(x: np.ndarray, **numbers: Any) -> np.ndarray:
    return AveragePool(**numbers).compute([x], {})


def lrn(x: np.ndarray, **numbers: Any) -> np.ndarray:
    return LocalResponseNorm(**numbers).compute([x], {})


PADDINGS: tuple[WindowPadding, ...] = ("same", "valid", 1, 2)


def before_and_size(extent: int, window: int, stride: int, padding: WindowPadding) -> tuple[int, int]:
    """Pixels of padding before the first one, and how many windows: written from the definitions, case by case."""
    if padding == "valid":
        return 0, math.floor((extent - window) / stride) + 1
    if isinstance(padding, int):
        return padding, math.floor((extent + 2 * padding - window) / stride) + 1
    size = math.ceil(extent / stride)
    total = window - stride if extent % stride == 0 else window - extent % stride
    return max(total, 0) // 2, size


def by_loops(
    x: np.ndarray,
    window: int,
    stride: int,
    padding: WindowPadding,
    reduce: Callable[[list[tuple[int, int, np.ndarray]]], Any],
) -> np.ndarray:
    """Reduce, for every window, the taps (row and column in the window, values [n, c]) that lie inside the maps."""
    height, width = x.shape[1:3]
    top, rows = before_and_size(height, window, stride, padding)
    left, columns = before_and_size(width, window, stride, padding)
    outputs = []
    for row in range(rows):
        for column in range(columns):
            taps = []
            for i, j in itertools.product(range(window), range(window)):
                y, z = row * stride + i - top, column * stride + j - left
                if 0 <= y < height and 0 <= z < width:
                    taps.append((i, j, x[:, y, z]))
            outputs.append(reduce(taps))
    return np.stack(outputs, axis=1).reshape(len(x), rows, columns, -1)


def maps(height: int, width: int, channels: int = 2, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(2, height, width, channels))


@pytest.mark.parametrize("size", [(7, 7), (8, 8), (9, 12)], ids=str)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("window", [1, 3, 5, 7])
@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_convolution_against_loops(size: tuple[int, int], stride: int, window: int, padding: WindowPadding) -> None:
    x = maps(*size)
    draw = np.random.default_rng(1)
    kernel, bias = draw.normal(size=(window, window, 2, 3)), draw.normal(size=3)
    nothing = np.zeros((2, 3))  # of a window that lies in the padding altogether
    sums = by_loops(x, window, stride, padding, lambda taps: sum((v @ kernel[i, j] for i, j, v in taps), nothing))
    expected = sums + bias
    actual = conv2d(x, kernel, bias, stride=stride, padding=padding)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    without = conv2d(x, kernel, None, stride=stride, padding=padding)
    np.testing.assert_allclose(without, sums, rtol=0, atol=1e-13 * np.abs(expected).max())


@pytest.mark.parametrize("mode", ["same", "valid"])
@pytest.mark.parametrize("window", [1, 3, 5, 7])
def test_convolution_is_cross_correlation(mode: str, window: int) -> None:
    """Not flipped: scipy's correlate2d, a sum over the input channels."""
    x, kernel = maps(9, 11), np.random.default_rng(1).normal(size=(window, window, 2, 3))
    actual = conv2d(x, kernel, None, stride=1, padding=mode)
    for n, o in np.ndindex(2, 3):
        expected = sum(correlate2d(x[n, ..., i], kernel[..., i, o], mode) for i in range(2))
        np.testing.assert_allclose(actual[n, ..., o], expected, rtol=0, atol=1e-12)


def test_same_with_stride_two_pads_the_bottom_and_the_right() -> None:
    """The trap itself: on an even size the symmetric padding has the same shape and other values."""
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    first = np.zeros((3, 3, 1, 1))
    first[0, 0] = 1  # picks each window's top left tap
    same = conv2d(x, first, None, stride=2, padding="same")
    symmetric = conv2d(x, first, None, stride=2, padding=1)
    assert same[0, ..., 0].tolist() == [[0, 2], [8, 10]]
    assert symmetric[0, ..., 0].tolist() == [[0, 0], [0, 5]]


def shifted(x: np.ndarray, sides: list[list[int]], fill: float) -> np.ndarray:
    """The maps within their padding, written pixel by pixel."""
    (top, bottom), (left, right) = sides
    n, height, width, channels = x.shape
    padded = np.full((n, top + height + bottom, left + width + right, channels), fill)
    padded[:, top : top + height, left : left + width] = x
    return padded


@pytest.mark.parametrize(
    ("size", "stride", "sides", "dilation", "groups"),
    [
        ((3, 5), (2, 1), [[0, 0], [0, 0]], (1, 1), 1),
        ((3, 3), (2, 2), [[0, 1], [2, 0]], (1, 1), 2),
        ((2, 3), (1, 2), [[3, 1], [2, 2]], (2, 3), 1),
        ((3, 1), (3, 2), [[1, 2], [0, 0]], (4, 1), 3),
        ((3, 3), (1, 1), [[2, 2], [2, 2]], (2, 2), 6),
    ],
    ids=str,
)
def test_any_convolution_number_by_number(
    size: tuple[int, int], stride: tuple[int, int], sides: list[list[int]], dilation: tuple[int, int], groups: int
) -> None:
    """Rectangular, padded by different sides, dilated, in groups; twelve channels of six."""
    x, draw = maps(10, 13, channels=6), np.random.default_rng(1)
    into, out = 6 // groups, 12 // groups
    kernel, bias = draw.normal(size=(*size, into, 12)), draw.normal(size=12)
    actual = conv2d(x, kernel, bias, stride=stride, padding=sides, dilation=dilation, groups=groups)
    padded = shifted(x, sides, 0.0)
    for axis in range(2):
        reach = (size[axis] - 1) * dilation[axis] + 1
        assert actual.shape[1 + axis] == (padded.shape[1 + axis] - reach) // stride[axis] + 1
    assert actual.shape[3] == 12
    for n, row, column, o in np.ndindex(actual.shape):
        expected = bias[o]
        for i, j, c in np.ndindex(*size, into):
            y, z = row * stride[0] + i * dilation[0], column * stride[1] + j * dilation[1]
            expected += padded[n, y, z, o // out * into + c] * kernel[i, j, c, o]
        assert actual[n, row, column, o] == pytest.approx(expected, rel=0, abs=1e-13 * np.abs(actual).max())


@pytest.mark.parametrize("dilation", [2, 3])
def test_same_with_dilation_is_a_kernel_with_holes(dilation: int) -> None:
    x, kernel = maps(9, 11), np.random.default_rng(1).normal(size=(3, 3, 2, 3))
    actual = conv2d(x, kernel, None, stride=1, padding="same", dilation=dilation)
    holes = np.zeros((2 * dilation + 1, 2 * dilation + 1, 2, 3))
    holes[::dilation, ::dilation] = kernel
    for n, o in np.ndindex(2, 3):
        expected = sum(correlate2d(x[n, ..., i], holes[..., i, o], "same") for i in range(2))
        np.testing.assert_allclose(actual[n, ..., o], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
def test_a_number_is_a_pair_of_it(padding: WindowPadding) -> None:
    x, kernel = maps(9, 12), np.random.default_rng(1).normal(size=(3, 3, 2, 3))
    for stride in (1, 2):
        actual = conv2d(x, kernel, None, stride=[stride] * 2, padding=padding, dilation=[1, 1])
        np.testing.assert_array_equal(actual, conv2d(x, kernel, None, stride=stride, padding=padding))
        actual = max_pool(x, window=[3, 3], stride=[stride] * 2, padding=padding)
        np.testing.assert_array_equal(actual, max_pool(x, window=3, stride=stride, padding=padding))


@pytest.mark.parametrize(
    ("kernel", "groups", "message"),
    [
        ((3, 3, 2, 4), 2, r"a kernel \(3, 3, 2, 4\) in 2 groups does not fit 2 channels"),
        ((3, 3, 1, 3), 2, r"a kernel \(3, 3, 1, 3\) in 2 groups does not fit 2 channels"),
        ((5, 3, 2, 4), 1, r"reaches over \[5, 3\] pixels does not fit padded maps \(4, 4\)"),
    ],
)
def test_a_kernel_that_does_not_fit_is_refused(kernel: tuple[int, ...], groups: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv2d(maps(4, 4), np.ones(kernel), None, stride=1, padding="valid", groups=groups)


def test_an_unknown_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="expected padding 'same', 'valid' or numbers, found 'SAME'"):
        max_pool(maps(4, 4), window=2, stride=2, padding="SAME")


@pytest.mark.parametrize("extent", [15, 16, 17, 32])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 2), (2, 1), (3, 1)], ids=str)
@pytest.mark.parametrize("padding", ["same", "valid", 1], ids=str)
@pytest.mark.parametrize("shift", [0.0, -100.0], ids=["any sign", "all negative"])
def test_max_pool_against_loops(extent: int, window: int, stride: int, padding: WindowPadding, shift: float) -> None:
    """Padding never wins, not even over negative values."""
    x = maps(extent, extent) + shift
    expected = by_loops(x, window, stride, padding, lambda taps: np.max([v for _, _, v in taps], axis=0))
    actual = max_pool(x, window=window, stride=stride, padding=padding)
    np.testing.assert_array_equal(actual, expected)
    assert np.isfinite(actual).all()
    if shift:
        assert actual.max() < 0


@pytest.mark.parametrize("extent", [15, 16, 17, 32])
def test_max_pool_sizes_of_same(extent: int) -> None:
    actual = max_pool(maps(extent, extent), window=3, stride=2, padding="same")
    assert actual.shape == (2, {15: 8, 16: 8, 17: 9, 32: 16}[extent], {15: 8, 16: 8, 17: 9, 32: 16}[extent], 2)


@pytest.mark.parametrize("extent", [7, 8, 16])
@pytest.mark.parametrize(("window", "stride"), [(3, 2), (2, 2), (7, 7)], ids=str)
def test_average_pool_against_loops(extent: int, window: int, stride: int) -> None:
    x = maps(extent, extent)
    expected = by_loops(x, window, stride, "valid", lambda taps: sum(v for _, _, v in taps) / window**2)
    actual = average_pool(x, window=window, stride=stride, padding="valid")
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("window", "stride", "sides"),
    [((3, 2), (2, 1), [[1, 0], [0, 1]]), ((2, 4), (1, 3), [[0, 1], [2, 3]]), ((1, 3), (2, 2), [[0, 0], [0, 2]])],
    ids=str,
)
def test_any_pool_number_by_number(window: tuple[int, int], stride: tuple[int, int], sides: list[list[int]]) -> None:
    """Rectangular and padded by different sides; averages with padding counted and not. All values are negative."""
    x = maps(7, 9) - 100
    padded = shifted(x, sides, np.nan)
    largest = max_pool(x, window=window, stride=stride, padding=sides)
    counted, inside = (
        average_pool(x, window=window, stride=stride, padding=sides, count_padding=counts) for counts in (True, False)
    )
    rows, columns = ((padded.shape[1 + axis] - window[axis]) // stride[axis] + 1 for axis in range(2))
    assert largest.shape == counted.shape == inside.shape == (2, rows, columns, 2)
    for n, row, column, c in np.ndindex(largest.shape):
        top, left = row * stride[0], column * stride[1]
        taps = [padded[n, top + i, left + j, c] for i, j in itertools.product(range(window[0]), range(window[1]))]
        taps = [value for value in taps if not math.isnan(value)]
        assert largest[n, row, column, c] == max(taps)
        assert counted[n, row, column, c] == pytest.approx(sum(taps) / (window[0] * window[1]), rel=1e-13)
        assert inside[n, row, column, c] == pytest.approx(sum(taps) / len(taps), rel=1e-13)
    assert np.abs(counted - inside).max() > 1


def test_average_pool_with_padding_is_refused() -> None:
    """Whether padding counts is a difference between frameworks that no network here needs."""
    with pytest.raises(ValueError, match="without padding only, found 'same'"):
        average_pool(maps(4, 4), window=2, stride=2, padding="same")


@pytest.mark.parametrize("extent", [1, 2, 3, 4, 5, 7, 8, 9])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_adaptive_average_pool_against_loops(extent: int, side: int) -> None:
    """The windows by whole numbers: from the pixel that holds i/side of the axis to the one that ends (i + 1)/side."""
    x = maps(extent, extent + 1)
    actual = AdaptiveAveragePool(side).compute([x], {})
    assert actual.shape == (2, side, side, 2)
    for n, i, j, c in np.ndindex(actual.shape):
        taps = [
            x[n, row, column, c]
            for row, column in itertools.product(range(extent), range(extent + 1))
            if (row + 1) * side > i * extent
            and row * side < (i + 1) * extent
            and (column + 1) * side > j * (extent + 1)
            and column * side < (j + 1) * (extent + 1)
        ]
        assert actual[n, i, j, c] == pytest.approx(sum(taps) / len(taps), rel=1e-13, abs=1e-14)


def test_adaptive_average_pool_repeats_a_1x1_map() -> None:
    x = maps(1, 1)
    np.testing.assert_array_equal(AdaptiveAveragePool(3).compute([x], {}), x.repeat(3, axis=1).repeat(3, axis=2))


@pytest.mark.parametrize("radius", [0, 1, 4, 9])
def test_lrn_number_by_number(radius: int) -> None:
    """Fewer channels than the window is wide, too; channels that are not there count nothing."""
    x = maps(2, 3, channels=7) * 10
    actual = lrn(x, radius=radius, bias=2.0, alpha=0.01, beta=0.75)
    assert actual.shape == x.shape
    for n, i, j, c in np.ndindex(x.shape):
        total = sum(float(x[n, i, j, k]) ** 2 for k in range(7) if abs(k - c) <= radius)
        expected = float(x[n, i, j, c]) / (2.0 + 0.01 * total) ** 0.75
        assert actual[n, i, j, c] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 4, 3)], ids=["rows", "maps"])
def test_batch_norm_number_by_number(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=shape)
    facts = {kind: draw.uniform(0.5, 1.5, 3) for kind in ("gamma", "beta", "mean", "variance")}
    actual = normalised(x, facts, epsilon=1e-3)
    for index in np.ndindex(shape):
        gamma, beta, mean, variance = (float(facts[kind][index[-1]]) for kind in ("gamma", "beta", "mean", "variance"))
        expected = (float(x[index]) - mean) / math.sqrt(variance + 1e-3) * gamma + beta
        assert actual[index] == pytest.approx(expected, rel=1e-14, abs=1e-14)


def test_batch_norm_undoes_its_own_statistics() -> None:
    x = maps(6, 6) * 3 + 5
    facts = {"gamma": np.ones(2), "beta": np.zeros(2), "mean": x.mean((0, 1, 2)), "variance": x.var((0, 1, 2))}
    actual = normalised(x, facts, epsilon=0.0)
    np.testing.assert_allclose(actual.mean((0, 1, 2)), 0, atol=1e-14)
    np.testing.assert_allclose(actual.var((0, 1, 2)), 1, rtol=1e-14)


def test_a_layer_is_looked_up_by_its_spec() -> None:
    x = maps(8, 8)
    draw = np.random.default_rng(2)
    kernel, bias = draw.normal(size=(3, 3, 2, 4)), draw.normal(size=4)
    facts = {kind: draw.uniform(0.5, 1.5, 2) for kind in ("gamma", "beta", "mean", "variance")}
    rows, matrix = draw.normal(size=(3, 5)), draw.normal(size=(5, 4))
    spec = {"kind": "conv", "stride": 2, "padding": "same"}
    actual = kinds.layer(spec, x, {"kernel": kernel, "bias": bias})
    np.testing.assert_array_equal(actual, conv2d(x, kernel, bias, stride=2, padding="same"))
    actual = kinds.layer(spec, x, {"kernel": kernel})
    np.testing.assert_array_equal(actual, conv2d(x, kernel, None, stride=2, padding="same"))
    actual = kinds.layer({"kind": "dense"}, rows, {"kernel": matrix, "bias": bias})
    expected = [[sum(r[i] * matrix[i, o] for i in range(5)) + bias[o] for o in range(4)] for r in rows]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-14)
    actual = kinds.layer({"kind": "batch_norm", "epsilon": 0.5}, x, facts)
    np.testing.assert_array_equal(actual, normalised(x, facts, 0.5))
    actual = kinds.layer({"kind": "lrn", "radius": 1, "bias": 1.0, "alpha": 0.5, "beta": 0.75}, x, {})
    np.testing.assert_array_equal(actual, lrn(x, radius=1, bias=1.0, alpha=0.5, beta=0.75))
    actual = kinds.layer({"kind": "adaptive_average_pool", "side": 3}, x, {})
    np.testing.assert_array_equal(actual, AdaptiveAveragePool(3).compute([x], {}))
    actual = kinds.layer({"kind": "global_max_pool"}, x, {})
    assert actual.shape == (2, 1, 1, 2)
    assert actual[1, 0, 0, 1] == max(x[1, i, j, 1] for i, j in np.ndindex(8, 8))
    for kind, function in (("max_pool", max_pool), ("average_pool", average_pool)):
        actual = kinds.layer({"kind": kind, "window": 3, "stride": 2, "padding": "valid"}, x, {})
        np.testing.assert_array_equal(actual, function(x, window=3, stride=2, padding="valid"))


def test_a_kind_without_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="no reference for a layer of kind 'flatten'"):
        kinds.layer({"kind": "flatten"}, maps(4, 4), {})
