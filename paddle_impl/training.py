"""One step of training and one of evaluation: data and augmentation on the device, losses, gradients, updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import paddle

from paddle_impl.device import device
from paddle_impl.layers import dropouts
from paddle_impl.optimizers import Optimizer
from paddle_impl.probes import probes
from paddle_impl.twin import twin
from parity.numerics.arrays import Arrays
from parity.runtime import trainer
from parity.runtime.trainer import EpochArrays
from parity.runtime.training_loop import Loop


class Trainer(trainer.Trainer):
    """One step of training and one of evaluation in Paddle."""

    twin = twin
    modes = ("eager", "to_static")

    def load_data(self, data: Arrays) -> None:
        self.images = paddle.to_tensor(data["images"].reshape(-1, data["images"].shape[-1]))  # one row a pixel
        self.labels = paddle.to_tensor(data["labels"])
        self.mean = paddle.to_tensor(data["mean"].reshape(-1, data["mean"].shape[-1])) if "mean" in data else None
        self.test_images = paddle.to_tensor(data["test_images"])
        self.test_mean = paddle.to_tensor(data["test_mean"]) if "mean" in data else None

    def load_test_labels(self, labels: np.ndarray) -> None:
        self.test_labels = paddle.to_tensor(labels)

    def new_optimizer(self, rule: Mapping[str, Any], decays: Sequence[float]) -> Optimizer:
        return Optimizer(rule, self.trainable, decays)

    def prepare(self, mode: str) -> None:
        # to_static costs time on the CPU; on a GPU it saves the time of kernel launches. It would compile the dropout
        # offsets in as constants.
        chosen = mode if mode != "auto" else ("to_static" if device.settings()["device"] == "gpu" else "eager")
        self.mode = "eager" if dropouts(self.model) else chosen
        self.forward = paddle.jit.to_static(self.model) if self.mode == "to_static" else self.model
        self.clear_sums()

    def to_device(self, plan: Arrays) -> EpochArrays:
        """Pixel indices as tensors; rates and dropout offsets stay numbers, which is how Paddle's calls take them."""
        host = {"rate": plan["rate"].tolist(), "dropout": plan["dropout"].tolist()}
        return {name: paddle.to_tensor(array) for name, array in plan.items() if name not in host} | host

    def steps(self, plan: EpochArrays, begin: int, end: int) -> None:
        for index in range(begin, end):
            loss, logits, labels = self.loss(plan, index)
            loss.backward()
            self.optimizer.apply(plan["rate"][index])
            with paddle.no_grad():
                self.loss_sum = self.loss_sum + loss
                self.correct = self.correct + _hits(logits, labels)

    def loss(self, plan: EpochArrays, index: int) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        images, labels = self.augmented(plan, index)
        self.noise.offsets = plan["dropout"][index]
        self.model.train()
        logits = self.forward(images)
        return _losses(logits, labels).mean(), logits, labels

    def gradients(self, plan: EpochArrays, index: int) -> tuple[float, Arrays]:
        loss, _, _ = self.loss(plan, index)
        loss.backward()
        gradients = {
            slot.entry.name: slot.layout.read(slot.tensor.grad.numpy())
            for slot in self.trainable
            if slot.tensor.grad is not None
        }
        self.optimizer.clear_gradients()
        return float(loss), gradients

    @paddle.no_grad()
    def stages(self, plan: EpochArrays, index: int) -> Arrays:
        images, _ = self.augmented(plan, index)
        self.noise.offsets = plan["dropout"][index]
        return probes.stage_outputs(self.model, images, training=True)

    def clear_sums(self) -> None:
        self.loss_sum = paddle.zeros([], self.dtype)
        self.correct = paddle.zeros([], "int64")

    def batch_of(self, plan: EpochArrays, index: int) -> tuple[np.ndarray, np.ndarray]:
        images, labels = self.augmented(plan, index)
        return images.numpy().transpose(0, 2, 3, 1), labels.numpy().astype(np.int32)

    @paddle.no_grad()
    def augmented(self, plan: dict[str, paddle.Tensor], index: int) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Images float32 [batch, c, h, w] and labels int64 [batch] of row `index`: cropped, mirrored, preprocessed."""
        order, flip = plan["order"][index], plan["flip"][index]
        pixel = paddle.arange(self.size, dtype="int32")
        rows = plan["dy"][index].unsqueeze(1) + pixel  # [batch, size]
        columns = plan["dx"][index].unsqueeze(1) + paddle.where(flip.unsqueeze(1) == 1, self.size - 1 - pixel, pixel)
        inside = rows.unsqueeze(2) * self.padded + columns.unsqueeze(1)  # [batch, size, size]: index within one image
        pixel_index = order.reshape([-1, 1, 1]) * self.padded**2 + inside
        shape = [self.batch, self.size, self.size, -1]
        pixels = paddle.gather(self.images, pixel_index.flatten()).reshape(shape)
        mean = None if self.mean is None else paddle.gather(self.mean, inside.flatten()).reshape(shape)
        return _preprocessed(pixels, mean, self.dtype), paddle.gather(self.labels, order).astype("int64")

    @paddle.no_grad()
    def evaluation_step(
        self, pixels: paddle.Tensor, labels: paddle.Tensor
    ) -> tuple[paddle.Tensor, paddle.Tensor, paddle.Tensor]:
        labels = labels.astype("int64")
        logits = self.inferred(self.test_batch(pixels))
        return _losses(logits, labels).sum(), _hits(logits, labels), logits

    def test_batch(self, pixels: paddle.Tensor) -> paddle.Tensor:
        """Test images uint8 [n, h, w, c] -> [n, c, h, w], preprocessed."""
        return _preprocessed(pixels, self.test_mean, self.dtype)

    def inferred(self, images: paddle.Tensor) -> paddle.Tensor:
        """Logits in inference mode."""
        self.model.eval()
        return self.forward(images)


def _preprocessed(pixels: paddle.Tensor, mean: paddle.Tensor | None, dtype: str) -> paddle.Tensor:
    """uint8 NHWC -> NCHW in 0..1, less the mean where there is one; float32 numbers whatever the dtype."""
    images = pixels.astype("float32") * float(np.float32(1 / 255))
    if mean is not None:
        images = images - mean
    return images.transpose([0, 3, 1, 2]).astype(dtype)


def _losses(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Softmax cross entropy of each row, written out: Paddle's own on the CPU never exceeds 64, whatever the logits."""
    own = paddle.take_along_axis(logits, labels.unsqueeze(1), axis=1).squeeze(1)
    return paddle.logsumexp(logits, axis=1) - own


def _hits(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    return (logits.argmax(axis=-1) == labels).astype("int64").sum()


loop = Loop(Trainer)  # this worker's training
