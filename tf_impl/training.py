"""Training: data and augmentation on the device, one compiled step, an epoch, an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from parity import networks
from parity.plan import batch_digest, noise_pool
from parity.protocol import Arrays, unpack
from parity.recipes import decayed
from tf_impl import device
from tf_impl.layers import attach_noise, largest_dropout
from tf_impl.models import build
from tf_impl.optimizers import Optimizer
from tf_impl.weights import export_state, load_state, slots

PROGRESS_SECONDS = 0.5
EVALUATION_BATCH = 500


class Trainer:
    """A model, its optimizer and its data, all on the device.

    `state` is the initial one; `images` are uint8 [n, h, w, c] already padded for the crops, `mean` float32 [h, w, c]
    padded alike (or absent), `test_images` and `test_mean` are not padded. Labels are uint8 [n].
    """

    def __init__(
        self,
        network: str,
        state: Arrays,
        data: Arrays,
        *,
        batch: int,
        optimizer: dict[str, Any],
        l2: float,
        l2_scope: str,
        seed: int,
        mode: str = "auto",
    ) -> None:
        if mode not in ("auto", "tf.function"):
            raise ValueError(f"mode: expected 'auto' or 'tf.function', found {mode!r}")
        self.mode = "tf.function"
        self.model = build(network, "float32")
        self.initial = state
        self.batch = batch
        self.size = data["test_images"].shape[1]
        self.padded = data["images"].shape[1]
        self.images = tf.constant(data["images"].reshape(-1, data["images"].shape[-1]))  # one row a pixel
        self.labels = tf.constant(data["labels"])
        self.mean = tf.constant(data["mean"].reshape(-1, data["mean"].shape[-1])) if "mean" in data else None
        self.test_images = tf.constant(data["test_images"])
        self.test_labels = tf.constant(data["test_labels"])
        self.test_mean = tf.constant(data["test_mean"]) if "mean" in data else None

        trainable = [slot for slot in slots(self.model) if slot.entry.trainable]
        kinds = {layer.name.replace(".", "/"): layer.spec["kind"] for layer in self.model.layers if layer.weights}
        self.variables = [slot.tensor.value for slot in trainable]
        names = [slot.entry.name for slot in trainable]
        scope = [decayed(name, kinds[name.rpartition("/")[0]], l2_scope) for name in names]
        self.optimizer = Optimizer(optimizer, self.variables, [l2 if inside else 0.0 for inside in scope])

        largest = largest_dropout(self.model, networks.network(network).image) * batch
        self.noise = attach_noise(self.model, noise_pool(seed, 2 * largest))
        self.loss_sum = tf.Variable(0.0)
        self.correct = tf.Variable(0)
        self.reset()

    def reset(self) -> None:
        """Back to the initial weights."""
        load_state(self.model, self.initial)
        self.optimizer.reset()

    @tf.function(reduce_retracing=False)
    def step(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> None:
        """One step of training with row `index` of the plan."""
        images, labels = self.augmented(plan, index)
        self.noise.offsets.assign(plan["dropout"][index])
        with tf.GradientTape() as tape:
            logits = self.model(images, training=True)
            loss = tf.reduce_mean(_losses(logits, labels))
        self.optimizer.apply(tape.gradient(loss, self.variables), plan["rate"][index])
        self.loss_sum.assign_add(loss)
        self.correct.assign_add(_hits(logits, labels))

    def augmented(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images float32 [batch, h, w, c] and labels int32 [batch] of row `index`: cropped, mirrored, preprocessed."""
        order, flip = plan["order"][index], plan["flip"][index]
        pixel = tf.range(self.size)
        rows = plan["dy"][index][:, None] + pixel  # [batch, size]
        columns = plan["dx"][index][:, None] + tf.where(flip[:, None] == 1, self.size - 1 - pixel, pixel)
        inside = rows[:, :, None] * self.padded + columns[:, None, :]  # [batch, size, size]: place within one image
        pixels = tf.gather(self.images, order[:, None, None] * self.padded**2 + inside)
        mean = None if self.mean is None else tf.gather(self.mean, inside)
        return _preprocessed(pixels, mean), tf.cast(tf.gather(self.labels, order), tf.int32)

    @tf.function(reduce_retracing=False)
    def evaluation_step(self, pixels: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Sum of the losses and number of hits of one batch of test images."""
        labels = tf.cast(labels, tf.int32)
        logits = self.model(_preprocessed(pixels, self.test_mean), training=False)
        return tf.reduce_sum(_losses(logits, labels)), _hits(logits, labels)


_trainer: Trainer | None = None


def start_training(network: str, seed: int, arrays: Arrays, **recipe: Any) -> dict[str, Any]:
    """Put data and initial weights on the device and compile; one training at a time.

    The first step is run once to compile it and then undone: its seconds stand apart from the epochs'.
    """
    global _trainer
    _trainer = None  # free the last one's memory first
    data = unpack(arrays, "data")
    _trainer = Trainer(network, unpack(arrays, "state"), data, seed=seed, **recipe)
    return {"mode": _trainer.mode}


def warm_up(arrays: Arrays) -> dict[str, Any]:
    """Run the first step of an epoch's plan twice, for its time with and without compiling, and undo it."""
    trainer = _current()
    plan = _on_device(arrays)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        trainer.step(plan, tf.constant(0))
        device.synchronize()
        seconds.append(time.perf_counter() - start)
    trainer.reset()
    return {"first_seconds": seconds[0], "second_seconds": seconds[1]}


def train_epoch(arrays: Arrays, progress: Callable[..., None]) -> dict[str, Any]:
    """One epoch by its plan (order, dy, dx, flip [steps, batch], dropout [steps, sites], rate [steps])."""
    trainer = _current()
    plan = _on_device(arrays)
    steps = len(arrays["order"])
    trainer.loss_sum.assign(0.0)
    trainer.correct.assign(0)
    device.synchronize()
    start = reported = time.perf_counter()
    for index in range(steps):
        trainer.step(plan, tf.constant(index))
        if time.perf_counter() - reported > PROGRESS_SECONDS:
            progress(step=index + 1, **_metrics(trainer, index + 1))
            reported = time.perf_counter()
    device.synchronize()
    seconds = time.perf_counter() - start
    return _metrics(trainer, steps) | {"seconds": seconds, "images": steps * trainer.batch}


def evaluate() -> dict[str, Any]:
    """Mean loss and accuracy over all test images."""
    trainer = _current()
    count = len(trainer.test_labels)
    loss, hits = 0.0, 0
    for begin in range(0, count, EVALUATION_BATCH):
        part = slice(begin, begin + EVALUATION_BATCH)
        losses, correct = trainer.evaluation_step(trainer.test_images[part], trainer.test_labels[part])
        loss, hits = loss + float(losses), hits + int(correct)
    return {"loss": loss / count, "accuracy": hits / count, "images": count}


def digest_batches(arrays: Arrays) -> dict[str, Any]:
    """sha256 of every batch of a plan, as the device makes it: float32 images NHWC and int32 labels."""
    trainer = _current()
    plan = _on_device(arrays)
    make = tf.function(trainer.augmented, reduce_retracing=False)
    batches = (make(plan, tf.constant(index)) for index in range(len(arrays["order"])))
    return {"digest": batch_digest((images.numpy(), labels.numpy()) for images, labels in batches)}


def repeated_steps(arrays: Arrays) -> Callable[[int], None]:
    """For timing: a function that trains so many steps, over and over through one epoch's plan."""
    trainer = _current()
    plan, rows = _on_device(arrays), len(arrays["order"])

    def run(steps: int) -> None:
        for index in range(steps):
            trainer.step(plan, tf.constant(index % rows))

    return run


def export_training() -> tuple[dict[str, Any], Arrays]:
    """The weights as they are now, and the process's peak of memory in bytes."""
    return {"peak_memory": device.peak_memory()}, export_state(_current().model)


def _current() -> Trainer:
    if _trainer is None:
        raise RuntimeError("no training was started in this worker (a worker that died forgets its training)")
    return _trainer


def _metrics(trainer: Trainer, steps: int) -> dict[str, float]:
    images = steps * trainer.batch
    return {"loss": float(trainer.loss_sum) / steps, "accuracy": int(trainer.correct) / images}


def _on_device(arrays: Arrays) -> dict[str, tf.Tensor]:
    return {name: tf.constant(array) for name, array in arrays.items()}


def _preprocessed(pixels: tf.Tensor, mean: tf.Tensor | None) -> tf.Tensor:
    """uint8 -> float32 in 0..1, less the mean where there is one."""
    images = tf.cast(pixels, tf.float32) * np.float32(1 / 255)
    return images if mean is None else images - mean


def _losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross entropy of each row."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _hits(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, -1, output_type=tf.int32) == labels, tf.int32))
