"""The epoch plan: what both frameworks are promised, as properties."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.catalogue.recipes import NO_AUGMENTATION, Augmentation
from parity.data.epoch_plan import EpochPlan, augment, epoch_plan, noise_pool, pad_images
from parity.numerics.arrays import batch_digest

STANDARD = Augmentation(pad=4, fill="zero", flip=True)

seeds = st.integers(0, 2**64 - 1)

epochs = st.integers(0, 10_000)


def _equal(first: EpochPlan, second: EpochPlan) -> bool:
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name)) for field in dataclasses.fields(first)
    )


@given(seeds, epochs, st.integers(1, 300), st.data())
def test_order_is_a_permutation_without_its_last_incomplete_batch(
    seed: int, epoch: int, images: int, data: st.DataObject
) -> None:
    batch = data.draw(st.integers(1, images))
    order = epoch_plan(seed, epoch, images=images, batch=batch, augmentation=STANDARD).order
    assert order.shape == (images // batch, batch)
    assert len(np.unique(order)) == order.size
    assert order.min() >= 0
    assert order.max() < images


@given(seeds, epochs, st.integers(0, 8), st.booleans(), st.integers(0, 5), st.integers(0, 1000))
def test_shapes_types_and_ranges(seed: int, epoch: int, pad: int, flip: bool, sites: int, spare: int) -> None:
    plan = epoch_plan(
        seed,
        epoch,
        images=50,
        batch=8,
        augmentation=Augmentation(pad, "edge", flip),
        dropout_sites=sites,
        pool_spare=spare,
    )
    for array, width, largest in (
        (plan.order, 8, 49),
        (plan.dy, 8, 2 * pad),
        (plan.dx, 8, 2 * pad),
        (plan.flip, 8, int(flip)),
        (plan.dropout, sites, spare),
    ):
        assert array.dtype == np.int32
        assert array.shape == (6, width)
        assert ((array >= 0) & (array <= largest)).all()


@given(seeds, epochs)
def test_plan_depends_on_seed_and_epoch_only(seed: int, epoch: int) -> None:
    def plan(seed: int, epoch: int) -> EpochPlan:
        return epoch_plan(seed, epoch, images=64, batch=16, augmentation=STANDARD, dropout_sites=2, pool_spare=99)

    assert _equal(plan(seed, epoch), plan(seed, epoch))
    assert not _equal(plan(seed, epoch), plan(seed, epoch + 1))
    assert not _equal(plan(seed, epoch), plan((seed + 1) % 2**64, epoch))


def test_augmentation_does_not_change_the_order() -> None:
    plain = epoch_plan(0, 3, images=500, batch=50, augmentation=NO_AUGMENTATION)
    varied = epoch_plan(0, 3, images=500, batch=50, augmentation=STANDARD, dropout_sites=3, pool_spare=10)
    np.testing.assert_array_equal(plain.order, varied.order)
    for array in (plain.dy, plain.dx, plain.flip):
        assert not array.any()


def test_quantities_are_independent_and_uniform() -> None:
    plan = epoch_plan(0, 0, images=50_000, batch=100, augmentation=STANDARD)
    assert not np.array_equal(plan.dy, plan.dx)
    for array, values in ((plan.dy, 9), (plan.dx, 9), (plan.flip, 2)):
        share = np.bincount(array.ravel(), minlength=values) / array.size
        np.testing.assert_allclose(share, 1 / values, atol=0.01)
    assert abs(np.corrcoef(plan.dy.ravel(), plan.dx.ravel())[0, 1]) < 0.02


def test_values_of_a_plan_are_pinned() -> None:
    """Results of different days are comparable only as long as the same seed means the same plan."""
    plan = epoch_plan(7, 2, images=10, batch=5, augmentation=STANDARD, dropout_sites=1, pool_spare=100)
    assert {field.name: getattr(plan, field.name).tolist() for field in dataclasses.fields(plan)} == {
        "order": [[9, 3, 7, 8, 4], [1, 2, 5, 6, 0]],
        "dy": [[1, 7, 3, 2, 3], [3, 3, 2, 4, 2]],
        "dx": [[3, 8, 1, 5, 0], [3, 7, 3, 7, 1]],
        "flip": [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0]],
        "dropout": [[91], [73]],
    }
    assert noise_pool(7, 3).tolist() == [0.22189092636108398, 0.04873979091644287, 0.4094036817550659]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 11}, "batch 11 is larger than the 10 training images"),
        ({"batch": 0}, "batch: expected at least 1"),
        ({"epoch": -1}, "epoch: expected at least 0"),
        ({"seed": -1}, "seed: expected 0 to"),
        ({"seed": 2**64}, "seed: expected 0 to"),
        ({"dropout_sites": -1}, "dropout_sites: expected"),
        ({"pool_spare": -1}, "pool_spare: expected"),
    ],
)
def test_arguments_out_of_range(change: dict[str, int], message: str) -> None:
    numbers = {"seed": 0, "epoch": 0, "images": 10, "batch": 5, "dropout_sites": 0, "pool_spare": 0} | change
    with pytest.raises(ValueError, match=message):
        epoch_plan(augmentation=NO_AUGMENTATION, **numbers)


def test_augmentation_refuses_nonsense() -> None:
    with pytest.raises(ValueError, match="pad"):
        Augmentation(pad=-1, fill="zero", flip=False)
    with pytest.raises(ValueError, match="'reflect'"):
        Augmentation(pad=1, fill="reflect", flip=False)  # type: ignore[arg-type]


@given(seeds)
def test_noise_pool_is_uniform_and_reproducible(seed: int) -> None:
    pool = noise_pool(seed, 4000)
    assert pool.dtype == np.float32
    assert pool.shape == (4000,)
    assert pool.min() >= 0
    assert pool.max() < 1
    assert abs(pool.mean() - 0.5) < 0.05
    np.testing.assert_array_equal(pool[:10], noise_pool(seed, 10))


def test_padding() -> None:
    images = np.arange(1, 13, dtype=np.uint8).reshape(1, 2, 2, 3)
    zero = pad_images(images, Augmentation(1, "zero", False))
    edge = pad_images(images, Augmentation(1, "edge", False))
    assert zero.shape == edge.shape == (1, 4, 4, 3)
    np.testing.assert_array_equal(zero[:, 1:3, 1:3], images)
    assert zero.sum() == images.sum()
    np.testing.assert_array_equal(edge[0, 0, 0], images[0, 0, 0])
    np.testing.assert_array_equal(edge[0, 3, 2], images[0, 1, 1])
    assert pad_images(images, NO_AUGMENTATION) is images


@given(seeds, st.integers(0, 4), st.sampled_from(["zero", "edge"]), st.booleans())
def test_augment_equals_a_loop_over_slices(seed: int, pad: int, fill: str, flip: bool) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(12, 9, 9, 3), dtype=np.uint8)
    labels = rng.integers(10, size=12, dtype=np.uint8)
    augmentation = Augmentation(pad, fill, flip)  # type: ignore[arg-type]
    padded = pad_images(images, augmentation)
    plan = epoch_plan(seed, 0, images=12, batch=5, augmentation=augmentation)
    for step in range(2):
        batch_images, batch_labels = augment(padded, labels, plan, step, size=9)
        assert batch_images.dtype == batch_labels.dtype == np.uint8
        for k, index in enumerate(plan.order[step]):
            top, left = plan.dy[step, k], plan.dx[step, k]
            crop = padded[index, top : top + 9, left : left + 9]
            np.testing.assert_array_equal(batch_images[k], crop[:, ::-1] if plan.flip[step, k] else crop)
            assert batch_labels[k] == labels[index]


def test_augment_on_unpadded_images_fails() -> None:
    images, labels = np.zeros((100, 32, 32, 3), np.uint8), np.zeros(100, np.uint8)
    plan = epoch_plan(0, 0, images=100, batch=100, augmentation=STANDARD)
    with pytest.raises(IndexError):
        augment(images, labels, plan, 0)


def test_digest_sees_every_difference() -> None:
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3), np.array([1, 2], dtype=np.uint8)
    batches = [(images, labels), (images + 1, labels)]
    digest = batch_digest(batches)
    assert len(digest) == 64
    assert digest == batch_digest(iter(batches))
    assert digest == batch_digest([(np.asfortranarray(images), labels), (images + 1, labels)])
    one_bit = images.copy()
    one_bit[1, 1, 1, 2] ^= 1
    for different in (
        batches[::-1],
        batches[:1],
        [(one_bit, labels), batches[1]],
        [(images.reshape(2, 4, 1, 3), labels), batches[1]],
        [(images.view(np.int8), labels), batches[1]],
        [(images, labels[::-1]), batches[1]],
    ):
        assert batch_digest(different) != digest


def test_digest_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one batch"):
        batch_digest([])
