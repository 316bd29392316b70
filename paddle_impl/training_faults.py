"""Known faults for training and evaluation; `paddle_impl.faults` injects them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import paddle
from paddle.nn import functional

from paddle_impl import training
from paddle_impl.optimizers import Optimizer
from paddle_impl.training import Trainer
from parity.catalogue.traps import FaultName
from parity.runtime.fault_session import Patches
from parity.runtime.trainer_faults import faults_of

TRAINING_FAULTS = faults_of(Trainer)


@TRAINING_FAULTS.named(FaultName.SOFTMAX_TWICE)
def _softmax_twice() -> Patches:
    """The loss takes probabilities for logits."""
    own = training._losses
    yield patch.object(training, "_losses", lambda logits, labels: own(functional.softmax(logits), labels))


@TRAINING_FAULTS.named(FaultName.LABEL_COLUMN)
def _label_column() -> Patches:
    """Labels [n, 1] against losses [n]: every image's loss counts every label."""
    own = training._losses

    def losses(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        count = len(labels)
        return own(logits.repeat_interleave(count, axis=0), labels.tile([count]))

    yield patch.object(training, "_losses", losses)


@TRAINING_FAULTS.named(FaultName.FOLDED_RATE)
def _folded_rate() -> Patches:
    """The velocity holds the learning rate: v = momentum * v - rate * g; w += v."""

    def apply(self: Optimizer, rate: float) -> None:
        def update(index: Any, parameter: paddle.Tensor, gradient: paddle.Tensor) -> None:
            momentum = self.rule["momentum"]
            before = _memory(self).get(index, paddle.zeros_like(parameter))
            velocity = momentum * before - rate * gradient
            _memory(self)[index] = velocity
            step = momentum * velocity - rate * gradient if self.rule["kind"] == "nesterov" else velocity
            parameter.set_value(parameter + step)

        _updated(self, update)

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.EPSILON_HAT)
def _epsilon_hat() -> Patches:
    """Adam adds epsilon to the root before the bias correction."""

    def apply(self: Optimizer, rate: float) -> None:
        steps = _memory(self).setdefault("steps", 0) + 1
        _memory(self)["steps"] = steps

        def update(index: Any, parameter: paddle.Tensor, gradient: paddle.Tensor) -> None:
            beta1, beta2 = self.rule["beta1"], self.rule["beta2"]
            none = paddle.zeros_like(parameter)
            m, v = _memory(self).get(index, (none, none))
            m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient * gradient
            _memory(self)[index] = m, v
            corrected = rate * (1 - beta2**steps) ** 0.5 / (1 - beta1**steps)
            parameter.set_value(parameter - corrected * m / (paddle.sqrt(v) + self.rule["epsilon"]))

        _updated(self, update)

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.DECOUPLED_DECAY)
def _decoupled_decay() -> Patches:
    """Weight decay shrinks the weights by rate * decay, beside the gradient's step."""
    own = Optimizer.apply

    @paddle.no_grad()
    def apply(self: Optimizer, rate: float) -> None:
        shrunk = [(slot.tensor, slot.tensor.regularizer) for slot in self.slots if slot.tensor.regularizer is not None]
        shifts = [rate * decay._coeff * tensor for tensor, decay in shrunk]
        for tensor, _ in shrunk:
            tensor.regularizer = None
        own(self, rate)
        for (tensor, decay), shift in zip(shrunk, shifts, strict=True):
            tensor.set_value(tensor - shift)
            tensor.regularizer = decay

    yield patch.object(Optimizer, "apply", apply)


def _changed_gradients(change: Callable[[list[paddle.Tensor]], list[paddle.Tensor]]) -> Patches:
    """The optimizer is given other gradients than those of the loss."""
    own = Optimizer.apply

    def apply(self: Optimizer, rate: float) -> None:
        with paddle.no_grad():
            for slot, gradient in zip(self.slots, change([slot.tensor.grad for slot in self.slots]), strict=True):
                slot.tensor.grad = gradient
        own(self, rate)

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.GRADIENTS_OF_NORM_100_AT_MOST)
def _clipped_norm() -> Patches:
    """Gradients are cut to a global norm of 100."""

    def clipped(gradients: list[paddle.Tensor]) -> list[paddle.Tensor]:
        norm = float(sum((gradient * gradient).sum() for gradient in gradients)) ** 0.5
        return [gradient * min(1.0, 100 / norm) for gradient in gradients]

    return _changed_gradients(clipped)


@TRAINING_FAULTS.named(FaultName.GRADIENTS_OF_10_AT_MOST)
def _clipped_values() -> Patches:
    """Every number of a gradient is cut to -10..10."""
    return _changed_gradients(lambda gradients: [gradient.clip(-10.0, 10.0) for gradient in gradients])


@TRAINING_FAULTS.named(FaultName.SMALL_GRADIENTS_DROPPED)
def _small_gradients_dropped() -> Patches:
    """Gradients below 1e-6 count as zero."""
    return _changed_gradients(lambda gradients: [g * (g.abs() >= 1e-6).astype(g.dtype) for g in gradients])


@TRAINING_FAULTS.named(FaultName.A_TENTH_OF_THE_GRADIENTS)
def _tenth_of_gradients() -> Patches:
    """Gradients are divided by a number of replicas."""
    return _changed_gradients(lambda gradients: [gradient / 10 for gradient in gradients])


@TRAINING_FAULTS.named(FaultName.WRAPPED_COUNTER)
def _wrapped_counter() -> Patches:
    """Adam counts its steps in a signed byte: after 127 comes -128."""
    own = Optimizer.apply

    def apply(self: Optimizer, rate: float) -> None:
        own(self, rate)
        steps = self.kernel.__dict__.setdefault("faulty", {"steps": 0})
        steps["steps"] += 1
        if steps["steps"] == 127:  # a kernel that keeps powers instead of a count goes on from those of -128
            kept = self.kernel.state_dict()
            for name, power in ((n, kept[n]) for n in kept if "_pow_acc_" in n):
                beta = self.rule["beta1" if "beta1" in name else "beta2"]
                power.set_value(paddle.full_like(power, beta**-128))

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.LOSS_OF_64_AT_MOST)
def _capped_loss() -> Patches:
    """No image's loss exceeds 64."""
    own = training._losses
    yield patch.object(training, "_losses", lambda logits, labels: own(logits, labels).clip(max=64.0))


@TRAINING_FAULTS.named(FaultName.CLIPPED_PROBABILITIES)
def _clipped_probabilities() -> Patches:
    """Probabilities are cut to 1e-7..1 - 1e-7 before the logarithm."""

    def losses(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        chosen = paddle.take_along_axis(functional.softmax(logits), labels.unsqueeze(1), axis=1).squeeze(1)
        return -paddle.log(chosen.clip(1e-7, 1 - 1e-7))

    yield patch.object(training, "_losses", losses)


@TRAINING_FAULTS.named(FaultName.LESS_BATCH_MEAN)
def _less_the_batch_mean() -> Patches:
    """Test images less the mean of their own batch."""
    own = Trainer.test_batch

    def test_batch(self: Trainer, pixels: paddle.Tensor) -> paddle.Tensor:
        images = own(self, pixels)
        return images - images.mean(axis=0, keepdim=True)

    yield patch.object(Trainer, "test_batch", test_batch)


@TRAINING_FAULTS.named(FaultName.EVALUATION_IN_TRAINING_MODE)
def _evaluation_in_training_mode() -> Patches:
    """Test images are normalised by their own batch, and move the running statistics."""

    def inferred(self: Trainer, images: paddle.Tensor) -> paddle.Tensor:
        self.model.train()
        return self.forward(images)

    yield patch.object(Trainer, "inferred", inferred)


@TRAINING_FAULTS.named(FaultName.INFERENCE_MODE_AFTERWARDS)
def _inference_mode_afterwards() -> Patches:
    """After an evaluation the training continues in inference mode."""
    evaluate, loss = Trainer.evaluate, Trainer.loss
    staying: set[int] = set()

    def evaluate_and_stay(self: Trainer, part: slice) -> Any:
        staying.add(id(self))
        return evaluate(self, part)

    def loss_of(self: Trainer, plan: Any, index: int) -> Any:
        if id(self) not in staying:
            return loss(self, plan, index)
        images, labels = self.augmented(plan, index)
        logits = self.inferred(images)
        return training._losses(logits, labels).mean(), logits, labels

    yield patch.object(Trainer, "evaluate", evaluate_and_stay)
    yield patch.object(Trainer, "loss", loss_of)


@TRAINING_FAULTS.named(FaultName.SHIFTED_TEST_LABELS)
def _shifted_test_labels() -> Patches:
    """Every test image is compared with the label of the image before it."""
    own = Trainer.evaluation_step

    def evaluation_step(self: Trainer, pixels: paddle.Tensor, labels: paddle.Tensor) -> Any:
        return own(self, pixels, paddle.roll(labels.astype("int64"), 1))

    yield patch.object(Trainer, "evaluation_step", evaluation_step)


@TRAINING_FAULTS.named(FaultName.BEST_FIVE)
def _best_five() -> Patches:
    """A class among the five likeliest counts as right."""

    def hits(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        best = logits.topk(5, axis=-1)[1] == labels.unsqueeze(1)
        return best.astype("int64").sum()

    yield patch.object(training, "_hits", hits)


def _evaluated_otherwise(
    report: Callable[[paddle.Tensor, paddle.Tensor, paddle.Tensor], tuple[paddle.Tensor, paddle.Tensor]],
) -> Patches:
    """An evaluation reports another sum of losses and number of hits, of the losses [n], logits and labels."""
    own = Trainer.evaluation_step

    def evaluation_step(self: Trainer, pixels: paddle.Tensor, labels: paddle.Tensor) -> Any:
        _, _, logits = own(self, pixels, labels)
        labels = labels.astype("int64")
        return *report(training._losses(logits, labels), logits, labels), logits

    yield patch.object(Trainer, "evaluation_step", evaluation_step)


@TRAINING_FAULTS.named(FaultName.LAST_CLASS_NOT_COUNTED)
def _last_class_not_counted() -> Patches:
    """Images of the last class are never right."""

    def count(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        right = paddle.logical_and(logits.argmax(axis=-1) == labels, labels < logits.shape[1] - 1)
        return right.astype("int64").sum()

    yield from _evaluated_otherwise(lambda losses, *pair: (losses.sum(), count(*pair)))


@TRAINING_FAULTS.named(FaultName.ROUNDED_LOGITS)
def _rounded_logits() -> Patches:
    """The likeliest class is that of logits in bfloat16."""

    def count(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        rounded = logits.astype("bfloat16").astype("float32")
        return (rounded.argmax(axis=-1) == labels).astype("int64").sum()

    yield from _evaluated_otherwise(lambda losses, *pair: (losses.sum(), count(*pair)))


@TRAINING_FAULTS.named(FaultName.COUNT_IN_A_BYTE)
def _count_in_a_byte() -> Patches:
    """A batch's right images are counted in a byte: after 255 comes 0."""

    def count(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        return training._hits(logits, labels) % 256

    yield from _evaluated_otherwise(lambda losses, *pair: (losses.sum(), count(*pair)))


@TRAINING_FAULTS.named(FaultName.EVALUATED_LOSS_OF_16_AT_MOST)
def _evaluated_loss_capped() -> Patches:
    """In an evaluation no image's loss exceeds 16."""
    yield from _evaluated_otherwise(lambda losses, *pair: (losses.clip(max=16.0).sum(), training._hits(*pair)))


@TRAINING_FAULTS.named(FaultName.LOSS_OF_THE_LAST_STEP)
def _loss_of_the_last_step() -> Patches:
    """The loss that a training reports is that of the last step alone."""
    own = Trainer.steps

    def steps(self: Trainer, plan: Any, begin: int, end: int) -> None:
        own(self, plan, begin, end - 1)
        self.loss_sum = paddle.zeros_like(self.loss_sum)
        own(self, plan, end - 1, end)

    yield patch.object(Trainer, "steps", steps)


@TRAINING_FAULTS.named(FaultName.THE_OTHER_EPSILON_IN_FLOAT32)
def _other_epsilon_in_float32() -> Patches:
    """Adam's epsilon is ten times as large in float32."""
    own = Optimizer._new_kernel

    def new_kernel(self: Optimizer) -> paddle.optimizer.Optimizer:
        rule = self.rule
        if self.slots[0].tensor.dtype == paddle.float32:
            self.rule = {**rule, "epsilon": 10 * rule["epsilon"]}
        kernel = own(self)
        self.rule = rule
        return kernel

    yield patch.object(Optimizer, "_new_kernel", new_kernel)


def _memory(optimizer: Optimizer) -> dict[Any, Any]:
    """What a faulty rule remembers, kept with the kernel that it replaces, which a new training makes anew."""
    return optimizer.kernel.__dict__.setdefault("faulty", {})


def _updated(optimizer: Optimizer, update: Callable[[Any, paddle.Tensor, paddle.Tensor], None]) -> None:
    """One step by a rule of one's own, on gradients with the weight decay added."""
    with paddle.no_grad():
        for index, slot in enumerate(optimizer.slots):
            decay = slot.tensor.regularizer
            gradient = slot.tensor.grad + (decay._coeff * slot.tensor if decay is not None else 0.0)
            update(index, slot.tensor, gradient)
    optimizer.clear_gradients()
