"""The generated data set: reproducible, balanced, and neither trivial nor hopeless."""

import inspect
import time

import numpy as np
import pytest

from parity.data import generated

generate = inspect.unwrap(generated.generate)  # which draws anew; what the tests share remembers


def test_shapes_types_and_balance() -> None:
    train_images, train_labels, test_images, test_labels = generate(0, train=250, test=73)
    assert train_images.shape == (250, 32, 32, 3)
    assert test_images.shape == (73, 32, 32, 3)
    for array in (train_images, train_labels, test_images, test_labels):
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
    assert set(np.bincount(train_labels)) == {25}
    assert set(np.bincount(test_labels)) == {7, 8}
    assert len(generated.CLASSES) == len(set(generated.CLASSES)) == 10


def test_same_seed_same_bytes_other_seed_other_bytes() -> None:
    first, again, other = (generate(seed, 40, 40) for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[0], first[2]), "train and test images must differ"


def test_size_of_one_split_does_not_change_the_other() -> None:
    np.testing.assert_array_equal(generate(5, 40, 30)[2], generated.generate(5, 99, 30)[2])


def test_default_size_is_drawn_quickly() -> None:
    begin = time.process_time()
    train_images, _, test_images, _ = generate()
    assert (len(train_images), len(test_images)) == (5000, 1000)
    assert time.process_time() - begin < 10  # about 1 s on an idle core


def test_colours_do_not_give_the_class_away() -> None:
    """The nearest class mean stays near chance (10 %), so a network must learn shapes."""
    train_images, train_labels, test_images, test_labels = generate(0, 2000, 500)
    flat = train_images.reshape(2000, -1).astype(np.float32)
    means = np.stack([flat[train_labels == label].mean(0) for label in range(10)])
    scores = test_images.reshape(500, -1) @ means.T - (means**2).sum(1) / 2
    assert (scores.argmax(1) == test_labels).mean() < 0.3


@pytest.mark.parametrize(("name", "axis"), [("horizontal stripes", 1), ("vertical stripes", 2)])
def test_stripes_run_as_named(name: str, axis: int) -> None:
    """Brightness changes most across the stripes: axis 1 is down the rows, axis 2 along the columns."""
    images, labels, _, _ = generate(0, 1000, 0)
    grey = images[labels == generated.CLASSES.index(name)].mean(3)
    across, along = (np.abs(np.diff(grey, axis=a)).mean((1, 2)) for a in (axis, 3 - axis))
    assert (across > along).mean() > 0.9
