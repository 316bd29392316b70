"""The training loop of a worker: the verbs of training, over the framework's `Trainer`, which does one step."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from parity.catalogue import networks
from parity.catalogue.recipes import EVALUATION_BATCH
from parity.numerics.arrays import Arrays, batch_digest, pack, unpack
from parity.runtime.trainer import Trainer
from parity.system import return_freed
from parity.weights.state import digest, digests

PROGRESS_SECONDS = 0.5

CALL_SECONDS = 0.25  # of steps that run without a look at the clock


def evaluation_parts(images: int, batch: int) -> list[slice]:
    """The batches that so many test images are evaluated in; the last one may be smaller.

    Example:
        >>> evaluation_parts(5, 2)
        [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(begin, min(begin + batch, images)) for begin in range(0, images, batch)]


class Loop:
    """The verbs of training; `make` builds the framework's trainer, of which there is one at a time."""

    def __init__(self, make: Callable[..., Trainer]) -> None:
        self._make = make
        self._trainer: Trainer | None = None
        self._kept: dict[str, Trainer] = {}  # by precision, of one training
        self._made_for = ""  # that training
        self._initial: Arrays = {}

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return (
            self.start_training,
            self.warm_up,
            self.train_epoch,
            self.training_stages,
            self.gradients,
            self.evaluate,
            self.digest_batches,
            self.export_training,
            self.digest_training,
            self.load_training,
            self.forget_training,
        )

    def start_training(self, network: str, seed: int, arrays: Arrays, **settings: Any) -> dict[str, Any]:
        """Put a training's weights and data on the device.

        The proofs start the same training many times over, in two precisions: a trainer is used again where only the
        weights and the labels of the test images differ, because compiling its step is most of the work. The trainer
        of another training is dropped.

        Args:
            network: its name.
            seed: of the dropout masks.
            arrays: the groups `state` (initial weights) and `data`, see `Trainer`. Without a `state` the weights are
                arbitrary until `load_training`.
            settings: the other arguments of `Trainer`.

        Returns:
            `mode`: how a step runs.
        """
        self._initial = unpack(arrays, "state")
        data = unpack(arrays, "data")
        precision = str(settings.get("precision", "float32"))
        facts = json.dumps({name: value for name, value in settings.items() if name != "precision"}, sort_keys=True)
        compiled_for = {name: array for name, array in data.items() if name != "test_labels"}
        made_for = f"{network} {seed} {facts} {digest(compiled_for)}"
        large = networks.network(network).params > networks.LARGE
        if made_for != self._made_for or (large and precision not in self._kept):
            self.forget_training()  # free the memory first
            self._made_for = made_for
        if precision not in self._kept:
            self._kept[precision] = self._make(network, data, seed=seed, **settings)
        self._trainer = self._kept[precision]
        self._trainer.load_test_labels(data["test_labels"])
        if self._initial:
            self._trainer.load(self._initial)
        self._trainer.load_optimizer({})
        return {"mode": self._trainer.mode}

    def forget_training(self) -> dict[str, Any]:
        """Drop what was built: it has changed, or is no longer needed.

        Returns:
            Nothing: {}, the reply of a verb, also where no training was started.
        """
        self._trainer, self._kept, self._made_for = None, {}, ""
        gc.collect()  # models hold themselves in circles
        return_freed()
        return {}

    def warm_up(self, arrays: Arrays) -> dict[str, Any]:
        """Run the first step of an epoch's plan, which compiles, and undo it.

        One step is enough: no other step of a training has inputs of other shapes, so none is compiled later.

        Args:
            arrays: the plan, as in `train_epoch`.

        Returns:
            `seconds` of the step. The training has its initial weights afterwards, and no optimizer state.

        Raises:
            RuntimeError: no training was started in this worker.
            StateError: the training was started without a `state`.
        """
        trainer = self._current()
        plan = trainer.to_device(arrays)
        start = time.perf_counter()
        trainer.steps(plan, 0, 1)
        trainer.synchronize()
        seconds = time.perf_counter() - start
        trainer.load(self._initial)
        trainer.load_optimizer({})
        return {"seconds": seconds}

    def train_epoch(
        self,
        arrays: Arrays,
        progress: Callable[..., None],
        losses: bool = False,
        begin: int = 0,
        end: int | None = None,
    ) -> tuple[dict[str, Any], Arrays]:
        """Train one epoch.

        Args:
            arrays: the epoch's plan: order, dy, dx, flip [steps, batch], dropout [steps, sites], rate [steps].
            progress: is called with `step`, `loss` and `accuracy` so far, twice a second.
            losses: whether to return the loss of every step, for which every step waits for the device.
            begin: the first row of the plan to train. Proofs train a part of a plan: a plan of another length would
                be compiled anew.
            end: the row after the last one; None for all.

        Returns:
            Mean `loss` and `accuracy` of the steps, `seconds` and `images`; on request float64 `losses` [steps].
        """
        trainer = self._current()
        plan = trainer.to_device(arrays)
        rows, sums = range(len(arrays["order"]))[begin:end], np.zeros((0, 2))  # mean loss and hits of every step
        trainer.clear_sums()
        trainer.synchronize()
        start = reported = time.perf_counter()
        count, length = 0, 1
        while count < len(rows):
            part = rows[count : count + length]
            called = time.perf_counter()
            trainer.steps(plan, part.start, part.stop)
            count += len(part)
            if losses:
                sums = np.vstack([sums, trainer.sums()])
                trainer.clear_sums()
            else:
                trainer.synchronize()
                length = max(1, int(CALL_SECONDS * len(part) / (time.perf_counter() - called)))
            if time.perf_counter() - reported > PROGRESS_SECONDS:
                progress(step=count, **_means(trainer, count, sums))
                reported = time.perf_counter()
        trainer.synchronize()
        seconds = time.perf_counter() - start
        result = _means(trainer, len(rows), sums) | {"seconds": seconds, "images": len(rows) * trainer.batch}
        return result, {"losses": sums[:, 0]} if losses else {}

    def training_stages(self, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """Forward passes in training mode through all rows of a plan, without an update.

        Args:
            arrays: the plan, as in `train_epoch`.

        Returns:
            The groups `stages`, of the first row, and `state`: the weights, with the running statistics after all rows.
        """
        trainer = self._current()
        plan = trainer.to_device(arrays)
        stages = trainer.stages(plan, 0)
        for index in range(1, len(arrays["order"])):
            trainer.loss(plan, index)
        return {}, pack(stages=stages, state=trainer.export())

    def gradients(self, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """The loss of a plan's first row, and its gradients; the weights do not change.

        Args:
            arrays: the plan, as in `train_epoch`.

        Returns:
            `loss`, the mean of the batch; by canonical name the gradients of the trainable arrays that it depends on.

        Raises:
            RuntimeError: no training was started in this worker.
        """
        trainer = self._current()
        loss, gradients = trainer.gradients(trainer.to_device(arrays), 0)
        return {"loss": loss}, gradients

    def evaluate(self, progress: Callable[..., None], batch: int = EVALUATION_BATCH) -> tuple[dict[str, Any], Arrays]:
        """Evaluate all test images.

        Args:
            progress: is called with the number of `images` so far.
            batch: how many images are evaluated at a time.

        Returns:
            Mean `loss`, `accuracy` and the number of `images`; their `logits` [n, classes].

        Raises:
            ValueError: there are no test images.
        """
        trainer = self._current()
        loss, hits, logits = 0.0, 0, []
        for part in evaluation_parts(len(trainer.test_images), batch):
            losses, correct, batch_logits = trainer.evaluate(part)
            loss, hits = loss + losses, hits + correct
            logits.append(batch_logits)
            progress(images=part.stop)
        if not logits:
            raise ValueError("expected test images, found none: nothing was evaluated")
        count = sum(map(len, logits))
        return {"loss": loss / count, "accuracy": hits / count, "images": count}, {"logits": np.concatenate(logits)}

    def digest_batches(self, arrays: Arrays) -> dict[str, Any]:
        """Digest every batch of a plan, as the device makes it: images NHWC in the training's dtype and int32 labels.

        Args:
            arrays: the plan, as in `train_epoch`.

        Returns:
            `digest`: one sha256 in hexadecimal over all batches, see `batch_digest`.

        Raises:
            RuntimeError: no training was started in this worker.
            ValueError: a plan without a row.
        """
        trainer = self._current()
        plan = trainer.to_device(arrays)

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for index in range(len(arrays["order"])):
                yield trainer.batch_of(plan, index)

        return {"digest": batch_digest(batches())}

    def export_training(self, optimizer: bool = False, weights: bool = True) -> tuple[dict[str, Any], Arrays]:
        """The training's state now.

        Args:
            optimizer: whether to return what the optimizer remembers.
            weights: whether the state holds the weights; else only the running statistics.

        Returns:
            `peak_memory` in bytes; the groups `state` and, on request, `optimizer`.
        """
        trainer = self._current()
        remembered = trainer.export_optimizer() if optimizer else {}
        state = trainer.export(weights=weights)
        return {"peak_memory": trainer.peak_memory()}, pack(state=state, optimizer=remembered)

    def digest_training(self) -> dict[str, Any]:
        """Digest what `export_training` would give, to compare it without sending it.

        Returns:
            `digests`: sha256 of every array of the state and of the optimizer's memory, by name.

        Raises:
            RuntimeError: no training was started in this worker.
        """
        trainer = self._current()
        return {"digests": digests(trainer.export() | trainer.export_optimizer())}

    def load_training(self, arrays: Arrays) -> dict[str, Any]:
        """Continue from what `export_training` gave.

        Args:
            arrays: the groups `state`, with the weights, and `optimizer`; without the latter the optimizer begins anew.

        Returns:
            Nothing: {}, the reply of a verb.

        Raises:
            RuntimeError: no training was started in this worker.
            StateError: weights that do not fit; nothing is written then.
            ValueError: a memory of the optimizer that is not of this update rule; nothing is written then.
        """
        trainer, remembered = self._current(), unpack(arrays, "optimizer")
        trainer.check_optimizer(remembered)
        trainer.load(unpack(arrays, "state"))
        trainer.load_optimizer(remembered)
        return {}

    def repeated_steps(self, arrays: Arrays) -> Callable[[int], None]:
        """For timing: steps of the training, over and over through one epoch's plan.

        Args:
            arrays: the plan, as in `train_epoch`; it is put on the device once.

        Returns:
            A function that trains so many steps, from the plan's first row on; it does not wait for the device.

        Raises:
            RuntimeError: no training was started in this worker.
        """
        trainer = self._current()
        plan, rows = trainer.to_device(arrays), len(arrays["order"])

        def run(steps: int) -> None:
            for begin in range(0, steps, rows):
                trainer.steps(plan, 0, min(rows, steps - begin))

        return run

    def _current(self) -> Trainer:
        if self._trainer is None:
            raise RuntimeError("no training was started in this worker (a worker that died forgets its training)")
        return self._trainer


def _means(trainer: Trainer, steps: int, earlier: np.ndarray) -> dict[str, float]:
    """Of so many steps; `earlier` what was already fetched of them, [n, 2]."""
    loss, hits = trainer.sums() + earlier.sum(axis=0)
    return {"loss": float(loss) / steps, "accuracy": float(hits) / (steps * trainer.batch)}


def logits_of(
    forward: Callable[[np.ndarray], np.ndarray], data: Arrays, dtype: str, progress: Callable[..., None]
) -> np.ndarray:
    """Logits of images, preprocessed as a training evaluates them.

    Args:
        forward: from preprocessed images NHWC in `dtype` to logits; images are in 0..1, less the mean where there is
            one, and float32 numbers in either dtype.
        data: uint8 `images` [n, h, w, c], n >= 1, and float32 `mean` [h, w, c] or none.
        dtype: "float32" or "float64".
        progress: is called with the number of `images` so far.

    Returns:
        Logits [n, classes].
    """
    images, logits = data["images"], []
    for begin in range(0, len(images), EVALUATION_BATCH):
        batch = images[begin : begin + EVALUATION_BATCH].astype(np.float32) * np.float32(1 / 255)
        if "mean" in data:
            batch -= data["mean"]
        logits.append(forward(batch.astype(dtype)))
        progress(images=begin + len(batch))
    return np.concatenate(logits)
