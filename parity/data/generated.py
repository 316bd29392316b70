"""Draw a 10-class data set of 32x32 colour images that needs no files: for trials, tests and machines without CIFAR-10.

Every image shows one figure or texture of random colour, place, size and slight turn on a shaded, noisy background
with a distracting bar across it. A small network learns it in a few epochs to far above chance, but not to 100 %.
"""

import numpy as np
import numpy.typing as npt

SIDE = 32

CLASSES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "cross",
    "horizontal stripes",
    "vertical stripes",
    "diagonal stripes",
    "checkerboard",
)


def generate(
    seed: int = 0, train: int = 5000, test: int = 1000
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Draw train and test images; the same seed gives the same bytes (with the same numpy).

    Labels run 0, 1, ... 9, 0, 1, ..., so classes are balanced in any leading part of the data too. The two splits
    have random streams of their own: the size of one does not change the other.

    Args:
        seed: 0 or more.
        train: number of training images.
        test: number of test images.

    Returns:
        Train images uint8 [train, 32, 32, 3], train labels uint8 [train], test images uint8 [test, 32, 32, 3],
        test labels uint8 [test].

    Example:
        >>> images, labels, _, _ = generate(train=20, test=10)
        >>> images.shape, labels[:3].tolist()
        ((20, 32, 32, 3), [0, 1, 2])
    """
    return *_draw(np.random.default_rng([seed, 0]), train), *_draw(np.random.default_rng([seed, 1]), test)


def _draw(rng: np.random.Generator, count: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    labels = (np.arange(count) % len(CLASSES)).astype(np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)  # [32, 32] each

    def uniform(low: float, high: float, *channels: int) -> npt.NDArray[np.float32]:
        """One random number an image (and channel), shaped to broadcast over pixels: [count, (channels,) 1, 1]."""
        return rng.uniform(low, high, (count, *channels, 1, 1)).astype(np.float32)

    # The figure in its own coordinates: u and v are 0 at its centre and 1 at its edge.
    radius, angle = uniform(6, 12), uniform(-0.3, 0.3)
    right, down = x - uniform(12, 20), y - uniform(12, 20)
    u = (np.cos(angle) * right + np.sin(angle) * down) / radius  # [count, 32, 32]
    v = (np.cos(angle) * down - np.sin(angle) * right) / radius
    figure = np.empty((count, SIDE, SIDE), dtype=bool)
    for label in range(len(CLASSES)):
        chosen = labels == label
        figure[chosen] = _figure(label, u[chosen], v[chosen])

    # A bar that crosses the image anywhere, so that no single pixel or edge determines the class.
    turn = uniform(0, np.pi)
    bar = np.abs(np.cos(turn) * (x - uniform(4, 28)) + np.sin(turn) * (y - uniform(4, 28))) < 1

    # Channels come first until the end, because numpy broadcasts fastest along a long last axis.
    contrast = uniform(50, 120, 1) * (2 * rng.integers(2, size=(count, 1, 1, 1)) - 1).astype(np.float32)
    images = uniform(60, 196, 3) + figure[:, None] * (contrast + uniform(-40, 40, 3))  # [count, 3, 32, 32]
    images += uniform(-50, 50, 3) * (x / SIDE - 0.5) + uniform(-50, 50, 3) * (y / SIDE - 0.5)
    images = np.where(bar[:, None], uniform(0, 255, 3), images)
    images += uniform(4, 20, 1) * rng.standard_normal(images.shape, dtype=np.float32)
    pixels = images.clip(0, 255, out=images).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)), labels


def _figure(label: int, u: npt.NDArray[np.float32], v: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which pixels belong to the figure: bool, the shape of u and v."""
    distance = np.hypot(u, v)
    box = np.maximum(np.abs(u), np.abs(v))
    inside = box < 1
    match CLASSES[label]:
        case "disc":
            return distance < 1
        case "ring":
            return (distance < 1) & (distance > 0.6)
        case "square":
            return box < 0.9
        case "frame":
            return (box < 0.9) & (box > 0.5)
        case "triangle":
            return (v < 0.8) & (v > 2 * np.abs(u) - 1)
        case "cross":
            return inside & (np.minimum(np.abs(u), np.abs(v)) < 0.3)
        case "horizontal stripes":
            return inside & _stripe(v)
        case "vertical stripes":
            return inside & _stripe(u)
        case "diagonal stripes":
            return inside & _stripe((u + v) * np.float32(np.sqrt(0.5)))
        case _:
            return inside & (_stripe(u) ^ _stripe(v))


def _stripe(position: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Two and a half periods over [-1, 1]."""
    return np.floor(position * 2.5) % 2 == 0
