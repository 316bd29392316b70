"""A model, its optimizer and its data on one framework's device: the parts of a training loop.

The same in both frameworks but for what each framework's `Trainer` says: data and augmentation on the device, one step,
one batch of an evaluation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from parity.catalogue import networks
from parity.catalogue.recipes import decayed
from parity.data.epoch_plan import noise_pool
from parity.numerics.arrays import Arrays
from parity.runtime.model_state import export_slots
from parity.runtime.twin import Twin

EpochArrays = dict[str, Any]  # an epoch's plan on the device


class Trainer(ABC):
    """A model, its optimizer and its data, all on the device.

    `data` holds `images`, uint8 [n, h, w, c] already padded for the crops, `mean`, float32 [h, w, c] padded alike (or
    absent), `test_images` and `test_mean`, not padded, and the labels, uint8 [n]. `precision` is that of `Twin.build`,
    or "tf32": float32 whose products the GPU computes in TF32; the optimizer's memory has the parameters'. `mode` is
    "auto" or one of `modes`.
    """

    twin: ClassVar[Twin]
    modes: ClassVar[tuple[str, ...]]  # how a step can run
    mode: str  # how it does
    loss_sum: Any  # scalars on the device, since `clear_sums`
    correct: Any
    test_images: Any  # uint8 [n, h, w, c], with a length
    test_labels: Any  # [n]

    def __init__(
        self,
        network: str,
        data: Arrays,
        *,
        batch: int,
        optimizer: dict[str, Any],
        l2: float,
        l2_scope: str,
        seed: int,
        mode: str = "auto",
        precision: str = "float32",
    ) -> None:
        if mode not in ("auto", *self.modes):
            *first, last = map(repr, ("auto", *self.modes))
            raise ValueError(f"mode: expected {', '.join(first)} or {last}, found {mode!r}")
        twin = self.twin
        twin.device.allow_tf32(precision == "tf32")
        built = "float32" if precision == "tf32" else precision
        # float64 is for proofs, which follow one another on one network and set every weight
        self.model = twin.cached(network, built) if built == "float64" else twin.build(network, built)
        self.network = network
        self.dtype = "float64" if precision == "float64" else "float32"
        self.batch = batch
        self.size = data["test_images"].shape[1]
        self.padded = data["images"].shape[1]
        self.load_data(data)
        self.load_test_labels(data["test_labels"])

        self.trainable = [slot for slot in twin.slots(self.model) if slot.entry.trainable]
        kinds = {name: layer.spec["kind"] for name, layer in twin.layers_of(self.model).items()}
        names = [slot.entry.name for slot in self.trainable]
        scope = [decayed(name, kinds[name.rpartition("/")[0]], l2_scope) for name in names]
        self.optimizer = self.new_optimizer(optimizer, [l2 if inside else 0.0 for inside in scope])

        largest = twin.largest_dropout(self.model, networks.network(network).image) * batch
        self.noise = twin.attach_noise(self.model, noise_pool(seed, 2 * largest))
        self.prepare(mode)

    @abstractmethod
    def load_data(self, data: Arrays) -> None:
        """Put images, labels and means on the device, but for the labels of the test images."""

    @abstractmethod
    def load_test_labels(self, labels: np.ndarray) -> None:
        """Overwrite the labels of the test images, uint8 [n]."""

    @abstractmethod
    def new_optimizer(self, rule: Mapping[str, Any], decays: Sequence[float]) -> Any:
        """An optimizer of the trainable arrays, with the weight decay of each."""

    @abstractmethod
    def prepare(self, mode: str) -> None:
        """Choose how a step runs, and make what the sums are kept in."""

    @abstractmethod
    def to_device(self, plan: Arrays) -> EpochArrays:
        """An epoch's plan and rates, in the form that `steps` takes."""

    @abstractmethod
    def steps(self, plan: EpochArrays, begin: int, end: int) -> None:
        """Steps of training with the plan's rows from `begin` to `end`, without the latter; the device may lag."""

    @abstractmethod
    def loss(self, plan: EpochArrays, index: Any) -> tuple[Any, Any, Any]:
        """Mean loss, logits and labels of row `index`, in training mode; the running statistics move."""

    @abstractmethod
    def gradients(self, plan: EpochArrays, index: int) -> tuple[float, Arrays]:
        """The mean loss of row `index`, and its gradient of every trainable array that it depends on, by name."""

    @abstractmethod
    def stages(self, plan: EpochArrays, index: int) -> Arrays:
        """Every named stage of row `index` in training mode, NHWC; the running statistics move."""

    @abstractmethod
    def clear_sums(self) -> None:
        """Start to add up losses and hits anew."""

    @abstractmethod
    def batch_of(self, plan: EpochArrays, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Images [batch, h, w, c] and int32 labels [batch] of row `index`, as the step sees them."""

    @abstractmethod
    def evaluation_step(self, pixels: Any, labels: Any) -> tuple[Any, Any, Any]:
        """Sum of the losses, number of hits, and logits of one batch of test images."""

    def sums(self) -> tuple[float, int]:
        """Sum of the steps' mean losses, and number of hits, since `clear_sums`; waits for the device."""
        return float(self.loss_sum), int(self.correct)

    def evaluate(self, part: slice) -> tuple[float, int, np.ndarray]:
        """Sum of the losses, number of hits, and logits [n, classes] of some test images."""
        losses, correct, logits = self.evaluation_step(self.test_images[part], self.test_labels[part])
        return float(losses), int(correct), logits.numpy()

    def load(self, state: Arrays) -> None:
        """Overwrite the weights with a canonical state."""
        self.twin.load_state(self.model, state, self.network)

    def export(self, *, weights: bool = True) -> Arrays:
        """The weights as a canonical state; or without them: the running statistics alone."""
        slots = [slot for slot in self.twin.slots(self.model) if weights or not slot.entry.trainable]
        return export_slots(slots, self.twin.read)

    def check_optimizer(self, state: Arrays) -> None:
        """Raise ValueError where `load_optimizer` cannot take a state: an array is missing or extra."""
        self.optimizer.check(state)

    def load_optimizer(self, state: Arrays) -> None:
        """Overwrite what the optimizer remembers with what `export_optimizer` gave; nothing: forget every step."""
        self.optimizer.load(state)

    def export_optimizer(self) -> Arrays:
        """What the optimizer remembers, by slot and canonical name."""
        return self.optimizer.export()

    def synchronize(self) -> None:
        """Wait until the device has finished."""
        self.twin.device.synchronize()

    def peak_memory(self) -> int:
        """Bytes: the high-water mark of the device's memory, on the CPU of the process."""
        return self.twin.device.peak_memory()
