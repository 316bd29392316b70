"""What the proofs of one network share: the same inputs and weights for both workers, asked for once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.catalogue.designs import Network
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.runtime.training_loop import EVALUATION_BATCH
from parity.weights.description import Description
from parity.weights.initializers import proof_state
from parity.weights.state import Entry, State
from parity.workers.pool import Workers

BATCH = 8

MOST_FLOPS = 8e9  # of one forward pass of a proof: what a larger network would take in memory, it saves in images

EVALUATED_FLOPS = 2e9  # of one batch of an evaluation that is proven, unless two images take more


@dataclass
class Evidence:
    """What the proofs of one network share: inputs drawn once, descriptions asked for once."""

    workers: Workers
    network: Network
    dataset: Dataset
    seed: int = 0
    # what optimizers did alone, by update rule: the same for all networks and seeds, so that these may share it
    updates: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.descriptions: dict[str, Description] = {}
        self.drawn: State = {}  # float32
        self.float64_stages: dict[str, Arrays] = {}
        self.parts: dict[int, Dataset] = {}  # of the data set, by the number of training images

    def describe(self) -> dict[str, Description]:
        """Both twins' entries and layers."""
        if not self.descriptions:
            self.descriptions = self.workers.map(lambda worker: worker.describe(self.network.name))
        return self.descriptions

    def state(self, dtype: str) -> State:
        """The same random float32 numbers in either dtype; drawn once.

        Workers take float32 for a float64 model, too: half as much to keep and to send.
        """
        if not self.drawn:
            self.drawn = proof_state(self.entries(), self.seed)
        return {name: array.astype(dtype, copy=False) for name, array in self.drawn.items()}

    def entries(self) -> list[Entry]:
        """The state's entries, as the first twin lists them; the certificate proves that the other's are the same."""
        return next(iter(self.describe().values())).entries

    def layers(self) -> list[dict[str, Any]]:
        """The layers' specs in network order, as the first twin lists them."""
        return list(next(iter(self.describe().values())).layers)

    def images(self) -> np.ndarray:
        """float32 [n, h, w, 3]: real images of the data set, in -2..2, enlarged where the network is for larger."""
        picks = np.random.default_rng(self.seed).choice(len(self.dataset.train_images), self.batch, replace=False)
        pixels = self._resized(self.dataset.train_images[np.sort(picks)])
        return ((pixels.astype(np.float32) / 255) - np.float32(0.5)) * np.float32(4)

    @property
    def batch(self) -> int:
        """How many images the proofs run at once."""
        return max(1, min(BATCH, int(MOST_FLOPS // self.network.flops)))

    @property
    def evaluation_batch(self) -> int:
        """How many images an evaluation that is proven takes at once: a training's number where that costs little."""
        return max(2, min(EVALUATION_BATCH, int(EVALUATED_FLOPS // self.network.flops)))

    def part(self, count: int) -> Dataset:
        """Some images, in the network's size: enlarged or cut; labels within its classes, of every class alike.

        `count` of the training images; of the test images two batches of an evaluation and a half. Drawn once, since
        every training that is proven begins with it; nobody may write to its arrays.
        """
        if count not in self.parts:
            self.parts[count] = self._part(count)
        return self.parts[count]

    def _part(self, count: int) -> Dataset:
        data, draw, batch = self.dataset, np.random.default_rng(self.seed), self.evaluation_batch
        # as int64: a network's number of classes may be no uint8
        train_labels, test_labels = (
            labels.astype(np.int64) % self.network.classes for labels in (data.train_labels, data.test_labels)
        )
        train = _of_every_class(train_labels, count, draw)
        test = _of_every_class(test_labels, 2 * batch + max(1, batch // 2), draw)
        arrays = {
            "train_images": self._resized(data.train_images[train]),
            "train_labels": train_labels[train].astype(np.uint8),
            "test_images": self._resized(data.test_images[test]),
            "test_labels": test_labels[test].astype(np.uint8),
        }
        for array in arrays.values():
            array.flags.writeable = False
        return replace(data, **arrays)

    def _resized(self, pixels: np.ndarray) -> np.ndarray:
        height, width, _ = self.network.image
        scale = -(-height // pixels.shape[1])
        return pixels.repeat(scale, axis=1).repeat(scale, axis=2)[:, :height, :width]

    def stages(self, dtype: str) -> dict[str, Arrays]:
        """Both twins' eval-mode stages with the same weights and images; the float64 ones are kept."""
        if dtype == "float64" and self.float64_stages:
            return self.float64_stages
        arrays = pack(state=self.state("float32"), images={"nhwc": self.images()})
        found = self.workers.map(lambda worker: worker.stages(self.network.name, dtype, arrays))
        if dtype == "float64":
            self.float64_stages = found
        return found


def _of_every_class(labels: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """Indices [count] of drawn images, in order: of each class as many as can be; some twice if there are too few."""
    images = draw.permutation(len(labels))
    turn = np.empty(len(images), int)  # the how many-th of its class each image is
    for label in np.unique(labels):
        own = labels[images] == label
        turn[own] = np.arange(np.count_nonzero(own))
    ordered = images[np.argsort(turn, kind="stable")]
    return np.sort(np.resize(ordered, count))
