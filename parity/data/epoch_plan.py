"""The epoch plan that both frameworks consume: batch order, crop offsets, mirror flags, dropout offsets.

All randomness of a training run comes from here as plain integers, so the two frameworks train on the same bytes.
Each quantity has a Philox stream of its own, whose key is (seed, purpose) and whose counter starts at the epoch. So the
plan of any epoch can be made without the earlier ones, and switching augmentation on does not change the order.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from parity.catalogue.recipes import Augmentation


class _Purpose(IntEnum):
    """Which quantity a random stream is for; renumbering would change every plan."""

    ORDER = 0
    DY = 1
    DX = 2
    FLIP = 3
    DROPOUT = 4
    NOISE = 5


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """One epoch, all arrays int32.

    Attributes:
        order: [steps, batch], indices into the training images, none twice.
        dy: [steps, batch], first row of the crop in the padded image.
        dx: [steps, batch], first column of the crop.
        flip: [steps, batch], 1 where the crop is mirrored left to right, else 0.
        dropout: [steps, sites], where each dropout layer's mask starts in the noise pool.
    """

    order: npt.NDArray[np.int32]
    dy: npt.NDArray[np.int32]
    dx: npt.NDArray[np.int32]
    flip: npt.NDArray[np.int32]
    dropout: npt.NDArray[np.int32]


def epoch_plan(
    seed: int,
    epoch: int,
    *,
    images: int,
    batch: int,
    augmentation: Augmentation,
    dropout_sites: int = 0,
    pool_spare: int = 0,
) -> EpochPlan:
    """The plan of one epoch; the last incomplete batch is dropped.

    Args:
        seed: 0 to 2**64 - 1.
        epoch: counted from 0.
        images: number of training images.
        batch: images a step.
        augmentation: which crops and flips to draw.
        dropout_sites: number of dropout layers.
        pool_spare: how much longer the noise pool is than the largest mask; offsets are uniform in [0, pool_spare].

    Raises:
        ValueError: an argument out of its range, for example a batch larger than the number of images.

    Example:
        >>> from parity.catalogue.recipes import Augmentation
        >>> plan = epoch_plan(0, 0, images=100, batch=32, augmentation=Augmentation(4, "zero", True))
        >>> plan.order.shape, plan.dropout.shape
        ((3, 32), (3, 0))
    """
    for name, value, least in (
        ("epoch", epoch, 0),
        ("batch", batch, 1),
        ("dropout_sites", dropout_sites, 0),
        ("pool_spare", pool_spare, 0),
    ):
        if value < least:
            raise ValueError(f"{name}: expected at least {least}, found {value}")
    if batch > images:
        raise ValueError(f"batch {batch} is larger than the {images} training images: the epoch would have no step")

    steps = images // batch

    def draw(purpose: _Purpose, largest: int, width: int) -> npt.NDArray[np.int32]:
        return _generator(seed, purpose, epoch).integers(largest + 1, size=(steps, width), dtype=np.int32)

    order = _generator(seed, _Purpose.ORDER, epoch).permutation(images)[: steps * batch]
    return EpochPlan(
        order=order.astype(np.int32).reshape(steps, batch),
        dy=draw(_Purpose.DY, 2 * augmentation.pad, batch),
        dx=draw(_Purpose.DX, 2 * augmentation.pad, batch),
        flip=draw(_Purpose.FLIP, int(augmentation.flip), batch),
        dropout=draw(_Purpose.DROPOUT, pool_spare, dropout_sites),
    )


def dropout_scale(rate: float) -> float:
    """The factor by which dropout scales the activations that it keeps: a float32 number even in a float64 model.

    Paddle multiplies by a float32 constant, so the other twin has to be given the same rounded value.

    Args:
        rate: the share that is zeroed, 0 to less than 1.

    Returns:
        1 / (1 - rate), rounded to float32.

    Example:
        >>> dropout_scale(0.5), dropout_scale(0.1)
        (2.0, 1.1111111640930176)
    """
    return float(np.float32(1.0 / (1.0 - rate)))


def noise_pool(seed: int, size: int) -> npt.NDArray[np.float32]:
    """The random numbers from which the shared dropout masks are taken.

    Args:
        seed: 0 to 2**64 - 1.
        size: how many.

    Returns:
        float32 [size], uniform in [0, 1).
    """
    return _generator(seed, _Purpose.NOISE).random(size, dtype=np.float32)


def pad_images(images: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """Pad images on all sides, for random crops.

    Args:
        images: [n, h, w, c] of any dtype.
        augmentation: how many pixels, and what they hold.

    Returns:
        [n, h + 2 * pad, w + 2 * pad, c]; `images` itself where nothing is padded.
    """
    pad = augmentation.pad
    if pad == 0:
        return images
    border = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    return np.pad(images, border, mode="edge" if augmentation.fill == "edge" else "constant")


def augment(
    padded: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], plan: EpochPlan, step: int, size: int = 32
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """The reference for what both frameworks do on the device: crop, then mirror where the plan says so.

    Args:
        padded: uint8 [N, H, W, C], from `pad_images`.
        labels: uint8 [N].
        plan: of the epoch.
        step: row of the plan.
        size: height and width of the crop in pixels.

    Returns:
        Images uint8 [batch, size, size, C] and labels uint8 [batch].

    Raises:
        IndexError: the plan reaches beyond the images, for instance because they were not padded.
    """
    order = plan.order[step]
    pixel = np.arange(size)
    rows = plan.dy[step][:, None] + pixel  # [batch, size]
    mirrored = plan.flip[step][:, None] == 1  # [batch, 1]
    columns = plan.dx[step][:, None] + np.where(mirrored, size - 1 - pixel, pixel)  # [batch, size]
    return padded[order[:, None, None], rows[:, :, None], columns[:, None, :]], labels[order]


def _generator(seed: int, purpose: _Purpose, epoch: int = 0) -> np.random.Generator:
    """An independent stream: the epoch sits in the counter's top word, which draws within an epoch never reach."""
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed: expected 0 to 2**64 - 1, found {seed}")
    key = np.array([seed, purpose], dtype=np.uint64)
    counter = np.array([0, 0, 0, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
