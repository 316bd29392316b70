"""Training: data and augmentation on the device, one step, an epoch, an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle

from paddle_impl import device
from paddle_impl.layers import attach_noise, dropouts, largest_dropout
from paddle_impl.models import build
from paddle_impl.optimizers import Optimizer
from paddle_impl.weights import export_state, load_state, slots
from parity import networks
from parity.plan import batch_digest, noise_pool
from parity.protocol import Arrays, unpack
from parity.recipes import decayed

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
        if mode not in ("auto", "eager", "to_static"):
            raise ValueError(f"mode: expected 'auto', 'eager' or 'to_static', found {mode!r}")
        self.model = build(network, "float32")
        self.initial = state
        self.batch = batch
        self.size = data["test_images"].shape[1]
        self.padded = data["images"].shape[1]
        self.images = paddle.to_tensor(data["images"].reshape(-1, data["images"].shape[-1]))  # one row a pixel
        self.labels = paddle.to_tensor(data["labels"])
        self.mean = paddle.to_tensor(data["mean"].reshape(-1, data["mean"].shape[-1])) if "mean" in data else None
        self.test_images = paddle.to_tensor(data["test_images"])
        self.test_labels = paddle.to_tensor(data["test_labels"])
        self.test_mean = paddle.to_tensor(data["test_mean"]) if "mean" in data else None

        trainable = [slot for slot in slots(self.model) if slot.entry.trainable]
        kinds = {
            path.replace(".", "/"): layer.spec["kind"]
            for path, layer in self.model.named_sublayers()
            if hasattr(layer, "spec")
        }
        self.variables = [slot.tensor for slot in trainable]
        names = [slot.entry.name for slot in trainable]
        scope = [decayed(name, kinds[name.rpartition("/")[0]], l2_scope) for name in names]
        self.optimizer = Optimizer(optimizer, self.variables, [l2 if inside else 0.0 for inside in scope])

        largest = largest_dropout(self.model, networks.network(network).image) * batch
        self.noise = attach_noise(self.model, noise_pool(seed, 2 * largest))
        # to_static costs time on the CPU; on a GPU it hides the launches. It would freeze the dropout offsets.
        wanted = mode if mode != "auto" else ("to_static" if device.settings()["device"] == "gpu" else "eager")
        self.mode = "eager" if dropouts(self.model) else wanted
        self.forward = paddle.jit.to_static(self.model) if self.mode == "to_static" else self.model
        self.loss_sum = paddle.zeros([], "float32")
        self.correct = paddle.zeros([], "int64")
        self.reset()

    def reset(self) -> None:
        """Back to the initial weights."""
        load_state(self.model, self.initial)
        self.optimizer.reset()

    def step(self, plan: dict[str, paddle.Tensor], index: int) -> None:
        """One step of training with row `index` of the plan."""
        images, labels = self.augmented(plan, index)
        self.noise.offsets = plan["dropout"][index]
        self.model.train()
        logits = self.forward(images)
        loss = _losses(logits, labels).mean()
        loss.backward()
        self.optimizer.apply(plan["rate"][index])
        with paddle.no_grad():
            self.loss_sum = self.loss_sum + loss
            self.correct = self.correct + _hits(logits, labels)

    @paddle.no_grad()
    def augmented(self, plan: dict[str, paddle.Tensor], index: int) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Images float32 [batch, c, h, w] and labels int64 [batch] of row `index`: cropped, mirrored, preprocessed."""
        order, flip = plan["order"][index], plan["flip"][index]
        pixel = paddle.arange(self.size, dtype="int32")
        rows = plan["dy"][index].unsqueeze(1) + pixel  # [batch, size]
        columns = plan["dx"][index].unsqueeze(1) + paddle.where(flip.unsqueeze(1) == 1, self.size - 1 - pixel, pixel)
        inside = rows.unsqueeze(2) * self.padded + columns.unsqueeze(1)  # [batch, size, size]: place within one image
        place = order.reshape([-1, 1, 1]) * self.padded**2 + inside
        shape = [self.batch, self.size, self.size, -1]
        pixels = paddle.gather(self.images, place.flatten()).reshape(shape)
        mean = None if self.mean is None else paddle.gather(self.mean, inside.flatten()).reshape(shape)
        return _preprocessed(pixels, mean), paddle.gather(self.labels, order).astype("int64")

    @paddle.no_grad()
    def evaluation_step(self, pixels: paddle.Tensor, labels: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Sum of the losses and number of hits of one batch of test images."""
        labels = labels.astype("int64")
        self.model.eval()
        logits = self.forward(_preprocessed(pixels, self.test_mean))
        return _losses(logits, labels).sum(), _hits(logits, labels)


_trainer: Trainer | None = None


def start_training(network: str, seed: int, arrays: Arrays, **recipe: Any) -> dict[str, Any]:
    """Put data and initial weights on the device; one training at a time."""
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
        trainer.step(plan, 0)
        device.synchronize()
        seconds.append(time.perf_counter() - start)
    trainer.reset()
    return {"first_seconds": seconds[0], "second_seconds": seconds[1]}


def train_epoch(arrays: Arrays, progress: Callable[..., None]) -> dict[str, Any]:
    """One epoch by its plan (order, dy, dx, flip [steps, batch], dropout [steps, sites], rate [steps])."""
    trainer = _current()
    plan = _on_device(arrays)
    steps = len(arrays["order"])
    trainer.loss_sum = paddle.zeros([], "float32")
    trainer.correct = paddle.zeros([], "int64")
    device.synchronize()
    start = reported = time.perf_counter()
    for index in range(steps):
        trainer.step(plan, index)
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
    batches = (trainer.augmented(plan, index) for index in range(len(arrays["order"])))
    return {
        "digest": batch_digest(
            (images.numpy().transpose(0, 2, 3, 1), labels.numpy().astype(np.int32)) for images, labels in batches
        )
    }


def repeated_steps(arrays: Arrays) -> Callable[[int], None]:
    """For timing: a function that trains so many steps, over and over through one epoch's plan."""
    trainer = _current()
    plan, rows = _on_device(arrays), len(arrays["order"])

    def run(steps: int) -> None:
        for index in range(steps):
            trainer.step(plan, index % rows)

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


def _on_device(arrays: Arrays) -> dict[str, Any]:
    """Pixels' places as tensors; rates and dropout offsets stay numbers, which is how Paddle's calls take them."""
    host = {"rate": arrays["rate"].tolist(), "dropout": arrays["dropout"].tolist()}
    return {name: paddle.to_tensor(array) for name, array in arrays.items() if name not in host} | host


def _preprocessed(pixels: paddle.Tensor, mean: paddle.Tensor | None) -> paddle.Tensor:
    """uint8 NHWC -> float32 NCHW in 0..1, less the mean where there is one."""
    images = pixels.astype("float32") * float(np.float32(1 / 255))
    if mean is not None:
        images = images - mean
    return images.transpose([0, 3, 1, 2])


def _losses(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    """Softmax cross entropy of each row, written out: Paddle's own on the CPU never exceeds 64, whatever the logits."""
    own = paddle.take_along_axis(logits, labels.unsqueeze(1), axis=1).squeeze(1)
    return paddle.logsumexp(logits, axis=1) - own


def _hits(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
    return (logits.argmax(axis=-1) == labels).astype("int64").sum()
