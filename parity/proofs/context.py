"""What all proofs of one network share: inputs and weights, the same for both workers, drawn and sent once."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from parity.catalogue.designs import Network
from parity.catalogue.recipes import EVALUATION_BATCH
from parity.data.dataset import Dataset
from parity.data.proof_inputs import affordable, resized, scaled
from parity.numerics.arrays import Arrays, pack
from parity.weights.description import Description
from parity.weights.initializers import proof_state
from parity.weights.state import Entry, State
from parity.workers.pool import Workers

PROOF_BATCH = 8

EVALUATED_FLOPS = 2e9  # of one batch of an evaluation that is proven, unless two images take more


@dataclass
class ProofContext:
    """What all proofs of one network share: two workers, inputs drawn once, descriptions that are asked for once.

    Attributes:
        workers: one worker for each framework.
        network: the network that both build.
        dataset: where the images of the proofs are drawn from.
        seed: of all that is drawn: images, weights, masks, perturbations.
        updates: results of optimizers alone, by update rule. They are the same for all networks and seeds, so several
            contexts may share one dictionary.
    """

    workers: Workers
    network: Network
    dataset: Dataset
    seed: int = 0
    updates: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.descriptions: dict[str, Description] = {}
        self.drawn: State = {}  # float32
        self.float64_stages: dict[str, Arrays] = {}
        self.parts: dict[int, Dataset] = {}  # of the data set, by the number of training images

    def describe(self) -> dict[str, Description]:
        """Both twins' entries, layers and dropout sites, by framework.

        Returns:
            The same dictionary in every call: the workers are asked once.

        Raises:
            WorkerError: a worker failed, with what it said.
        """
        if not self.descriptions:
            self.descriptions = self.workers.map(lambda worker: worker.describe(self.network.name))
        return self.descriptions

    def state(self, dtype: str) -> State:
        """The weights and running statistics of the proofs, drawn once: the same float32 numbers in either dtype.

        Workers take float32 for a float64 model, too: half as much to keep and to send.

        Args:
            dtype: "float32" or "float64".

        Returns:
            Arrays by canonical name, those of `proof_state`; the float32 ones are not copied.

        Raises:
            WorkerError: a worker failed, with what it said.
        """
        if not self.drawn:
            self.drawn = proof_state(self.entries(), self.seed)
        return {name: array.astype(dtype, copy=False) for name, array in self.drawn.items()}

    def entries(self) -> list[Entry]:
        """The state's entries, as the first twin lists them. The certificate proves that the other's are equal.

        Returns:
            In the order of the forward pass.

        Raises:
            WorkerError: a worker failed, with what it said.
        """
        return next(iter(self.describe().values())).entries

    def layers(self) -> list[dict[str, Any]]:
        """The layers' specs in the order of the network, as the first twin lists them.

        Returns:
            A new list of `name`, `kind` and the kind's numbers.

        Raises:
            WorkerError: a worker failed, with what it said.
        """
        return list(next(iter(self.describe().values())).layers)

    def images(self) -> np.ndarray:
        """Images of the data set, enlarged or cut to the network's size; the same ones in every call.

        Returns:
            float32 [batch, h, w, 3] in -2..2.
        """
        picks = np.random.default_rng(self.seed).choice(len(self.dataset.train_images), self.batch, replace=False)
        return scaled(self._resized(self.dataset.train_images[np.sort(picks)]))

    @property
    def batch(self) -> int:
        """How many images the proofs run at once: fewer for larger networks."""
        return affordable(PROOF_BATCH, self.network.flops)

    @property
    def evaluation_batch(self) -> int:
        """How many images a proven evaluation takes at once: as many as a training's where that costs little."""
        return max(2, min(EVALUATION_BATCH, int(EVALUATED_FLOPS // self.network.flops)))

    def part(self, count: int) -> Dataset:
        """A drawn part of the data set, in the network's image size, with labels that are classes of the network.

        Images are enlarged or cut to size. Of every class there are as many images as of the others. It is drawn once,
        because every proven training begins with it; its arrays cannot be written to.

        Args:
            count: how many training images. Of test images there are two batches of an evaluation and a half.

        Returns:
            Images uint8 [n, h, w, 3] and labels uint8 [n]; some images twice where the data set has too few.
        """
        if count not in self.parts:
            self.parts[count] = self._part(count)
        return self.parts[count]

    def _part(self, count: int) -> Dataset:
        """As `part`, drawn anew."""
        data, draw, batch = self.dataset, np.random.default_rng(self.seed), self.evaluation_batch
        # as int64: a network's number of classes may not fit uint8
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
        return resized(pixels, height, width)

    def stages(self, dtype: str) -> dict[str, Arrays]:
        """Both twins' stages in inference, by framework, with the same weights and images; float64 ones are kept.

        Args:
            dtype: "float32" or "float64".

        Returns:
            By framework and stage, canonical outputs in `dtype`.

        Raises:
            WorkerError: a worker failed, with what it said.
        """
        if dtype == "float64" and self.float64_stages:
            return self.float64_stages
        arrays = pack(state=self.state("float32"), images={"nhwc": self.images()})
        stages = self.workers.map(lambda worker: worker.stages(self.network.name, dtype, arrays))
        if dtype == "float64":
            self.float64_stages = stages
        return stages


def _of_every_class(labels: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """Indices [count] of drawn images, in order: of each class as many as can be; some twice if there are too few."""
    images = draw.permutation(len(labels))
    rank = np.empty(len(images), int)  # of each image among those of its class
    for label in np.unique(labels):
        own = labels[images] == label
        rank[own] = np.arange(np.count_nonzero(own))
    ordered = images[np.argsort(rank, kind="stable")]
    return np.sort(np.resize(ordered, count))
