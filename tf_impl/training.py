"""One step of training and one of evaluation: data and augmentation on the device, losses, gradients, updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from parity.numerics.arrays import Arrays
from parity.runtime import trainer
from parity.runtime.trainer import EpochArrays
from parity.runtime.training_loop import Loop
from tf_impl.device import device
from tf_impl.optimizers import Optimizer
from tf_impl.probes import probes
from tf_impl.twin import twin


class Trainer(trainer.Trainer):
    """One step of training and one of evaluation in TensorFlow."""

    twin = twin
    modes = ("tf.function", "xla")

    def load_data(self, data: Arrays) -> None:
        # No kernel on GPUs gathers bytes: every step would copy all images to the host. float16 holds 0 to 255 exactly.
        stored = "float16" if device.settings()["device"] == "gpu" else "uint8"
        self.images = tf.constant(data["images"].reshape(-1, data["images"].shape[-1]), stored)  # one row a pixel
        self.labels = tf.constant(data["labels"], "int64")
        self.mean = tf.constant(data["mean"].reshape(-1, data["mean"].shape[-1])) if "mean" in data else None
        self.test_images = tf.constant(data["test_images"])
        self.test_mean = tf.constant(data["test_mean"]) if "mean" in data else None

    def load_test_labels(self, labels: np.ndarray) -> None:
        self.test_labels = tf.constant(labels, "int64")

    def new_optimizer(self, rule: Mapping[str, Any], decays: Sequence[float]) -> Optimizer:
        return Optimizer(rule, self.trainable, decays)

    def prepare(self, mode: str) -> None:
        # XLA compiles for much longer, and on the CPU small convolutions are slower with it
        self.mode = "tf.function" if mode == "auto" else mode
        self.compile_steps()
        self.variables = [slot.tensor.value for slot in self.trainable]
        self.loss_sum = tf.Variable(tf.zeros([], self.dtype))
        self.correct = tf.Variable(0, dtype="int64")

    def to_device(self, plan: Arrays) -> EpochArrays:
        """Everything as tensors; pixel indices in int64, because int32 is calculated on the host, GPU or not."""
        host = ("rate", "dropout")
        return {name: tf.constant(array, None if name in host else "int64") for name, array in plan.items()}

    def compile_steps(self) -> None:
        """Have the steps traced with their next call: once, and once more if plans differ in length."""
        self.compiled_steps = tf.function(
            self.traced_steps, reduce_retracing=True, autograph=False, jit_compile=self.mode == "xla" or None
        )

    def steps(self, plan: EpochArrays, begin: int, end: int) -> None:
        self.compiled_steps(plan, tf.constant(begin), tf.constant(end))

    def traced_steps(self, plan: dict[str, tf.Tensor], begin: tf.Tensor, end: tf.Tensor) -> None:
        """As `steps`, a loop on the device: small networks would otherwise wait for Python between two steps."""

        def step(index: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss, logits, labels = self.loss(plan, index)
            self.optimizer.apply(tape.gradient(loss, self.variables), plan["rate"][index])
            self.loss_sum.assign_add(loss)
            self.correct.assign_add(_hits(logits, labels))
            return index + 1

        tf.while_loop(lambda index: index < end, step, [begin], parallel_iterations=1)

    def loss(self, plan: EpochArrays, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        images, labels = self.augmented(plan, index)
        self.noise.offsets.assign(plan["dropout"][index])
        logits = tf.cast(self.model(images, training=True), self.dtype)
        return tf.reduce_mean(_losses(logits, labels)), logits, labels

    def gradients(self, plan: EpochArrays, index: int) -> tuple[float, Arrays]:
        with tf.GradientTape() as tape:
            loss, _, _ = self.loss(plan, tf.constant(index))
        gradients = tape.gradient(loss, self.variables)
        return float(loss), {
            slot.entry.name: slot.layout.read(gradient.numpy())
            for slot, gradient in zip(self.trainable, gradients, strict=True)
            if gradient is not None
        }

    def stages(self, plan: EpochArrays, index: int) -> Arrays:
        images, _ = self.augmented(plan, tf.constant(index))
        self.noise.offsets.assign(plan["dropout"][index])
        return probes.stage_outputs(self.model, images, training=True)

    def clear_sums(self) -> None:
        self.loss_sum.assign(tf.zeros([], self.dtype))
        self.correct.assign(0)

    def batch_of(self, plan: EpochArrays, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.compiled_batch(plan, tf.constant(index))
        return images.numpy(), labels.numpy().astype(np.int32)

    @tf.function(reduce_retracing=False, autograph=False)
    def compiled_batch(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """As `batch_of`; the index is a tensor, so that it is traced once."""
        return self.augmented(plan, index)

    def augmented(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Images float32 [batch, h, w, c] and labels int64 [batch] of row `index`: cropped, mirrored, preprocessed."""
        order, flip = plan["order"][index], plan["flip"][index]
        pixel = tf.range(self.size, dtype="int64")
        rows = plan["dy"][index][:, None] + pixel  # [batch, size]
        columns = plan["dx"][index][:, None] + tf.where(flip[:, None] == 1, self.size - 1 - pixel, pixel)
        inside = rows[:, :, None] * self.padded + columns[:, None, :]  # [batch, size, size]: index within one image
        pixels = tf.gather(self.images, order[:, None, None] * self.padded**2 + inside)
        mean = None if self.mean is None else tf.gather(self.mean, inside)
        return _preprocessed(pixels, mean, self.dtype), tf.gather(self.labels, order)

    @tf.function(input_signature=(tf.TensorSpec([None] * 4, "uint8"), tf.TensorSpec([None], "int64")), autograph=False)
    def evaluation_step(self, pixels: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # traced once, for batches of all lengths
        pixels = tf.ensure_shape(pixels, [None, *self.test_images.shape[1:]])
        logits = self.inferred(self.test_batch(pixels))
        return tf.reduce_sum(_losses(logits, labels)), _hits(logits, labels), logits

    def test_batch(self, pixels: tf.Tensor) -> tf.Tensor:
        """Test images uint8 [n, h, w, c] -> the same shape, preprocessed."""
        return _preprocessed(pixels, self.test_mean, self.dtype)

    def inferred(self, images: tf.Tensor) -> tf.Tensor:
        """Logits in inference mode."""
        return tf.cast(self.model(images, training=False), self.dtype)


def _preprocessed(pixels: tf.Tensor, mean: tf.Tensor | None, dtype: str) -> tf.Tensor:
    """0..255 of any dtype -> 0..1, less the mean where there is one; float32 numbers whatever the dtype."""
    images = tf.cast(pixels, tf.float32) * np.float32(1 / 255)
    if mean is not None:
        images = images - mean
    return tf.cast(images, dtype)


def _losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Softmax cross entropy of each row."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _hits(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(tf.argmax(logits, -1) == labels, tf.int64))


loop = Loop(Trainer)  # this worker's training
