"""Random numbers for the arrays of users' models."""

import math

import numpy as np
import pytest

from parity.weights.random_arrays import Law, cached, law_of


def numbers(name: str, shape: tuple[int, ...], mean: float = 0.0, deviation: float = 0.0) -> np.ndarray:
    return law_of(name, shape, mean, deviation).drawn(0)


def test_name_and_seed_decide_the_numbers() -> None:
    law = law_of("dense/kernel", (40, 30), 0.0, 0.1)
    own = law.drawn(3)
    assert own.shape == (40, 30)
    assert own.dtype == np.float32
    np.testing.assert_array_equal(law.drawn(3), own)
    np.testing.assert_array_equal(cached(law, 3), own)
    assert not np.array_equal(law.drawn(4), own)
    assert not np.array_equal(law_of("dense_1/kernel", (40, 30), 0.0, 0.1).drawn(3), own)


def test_another_law_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown law 'cauchy'; known: normal, uniform"):
        Law("w", (3,), "cauchy", 0.0, 1.0).drawn(0)


@pytest.mark.parametrize(("shape", "fan_in"), [((200, 300), 200), ((3, 3, 20, 50), 180)])
def test_kernels_have_a_variance_of_2_by_fan_in(shape: tuple[int, ...], fan_in: int) -> None:
    for name in ("conv/kernel", "kernel", "block.conv.kernel"):
        own = numbers(name, shape, 0.0, 0.02)
        assert float(own.std()) == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)


@pytest.mark.parametrize(
    ("name", "mean", "low", "high"),
    [
        ("norm/gamma", 1.0, 0.5, 1.5),
        ("norm/moving_variance", 1.0, 0.5, 1.5),
        ("bn._variance", 1.0, 0.5, 1.5),
        ("layer/temperature", 1.0, 0.5, 1.5),
        ("layer/scale", 4.0, 2.0, 6.0),
        ("layer/scale", -4.0, -6.0, -2.0),
        ("layer/scale", 1e-6, 0.5, 1.5),  # a layer scale that starts as almost nothing would hide what it scales
        ("layer/scale", 1e6, 0.5, 1.5),
    ],
)
def test_constants_are_drawn_around_themselves(name: str, mean: float, low: float, high: float) -> None:
    own = numbers(name, (1000,), mean)
    assert low <= own.min() < own.max() <= high
    assert own.max() - own.min() > 0.9 * (high - low)


@pytest.mark.parametrize("name", ["dense/bias", "norm/beta", "norm/moving_mean", "tokens/position", "cell/bias"])
def test_nothing_stays_zero(name: str) -> None:
    own = numbers(name, (1000,))
    assert np.count_nonzero(own) == own.size
    assert 0.25 < own.std() < 0.35


@pytest.mark.parametrize(("deviation", "drawn"), [(0.02, 0.1), (0.3, 0.3), (7.0, 0.5)])
def test_other_arrays_are_drawn_about_as_wide_as_they_were(deviation: float, drawn: float) -> None:
    assert numbers("tokens/position", (2000,), 0.0, deviation).std() == pytest.approx(drawn, rel=0.1)


def test_embeddings_are_drawn_wide() -> None:
    assert numbers("words/embeddings", (100, 20), 0.0, 0.02).std() == pytest.approx(1, rel=0.1)


def test_a_single_number_is_drawn_too() -> None:
    assert numbers("layer/alpha", (), 1.0).shape == ()
    assert numbers("layer/alpha", (), 1.0) != 1
