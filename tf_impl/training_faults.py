"""Known faults for training and evaluation; `tf_impl.faults` injects them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import tensorflow as tf

from parity.catalogue.traps import FaultName
from parity.runtime.fault_session import Patches
from parity.runtime.trainer_faults import faults_of
from tf_impl import training
from tf_impl.optimizers import Optimizer, Update
from tf_impl.training import Trainer

TRAINING_FAULTS = faults_of(Trainer)


@TRAINING_FAULTS.named(FaultName.SOFTMAX_TWICE)
def _softmax_twice() -> Patches:
    """The loss takes probabilities for logits."""
    own = training._losses
    yield patch.object(training, "_losses", lambda logits, labels: own(tf.nn.softmax(logits), labels))


@TRAINING_FAULTS.named(FaultName.LABEL_COLUMN)
def _label_column() -> Patches:
    """Labels [n, 1] against losses [n]: every image's loss counts every label."""
    own = training._losses

    def losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        count = tf.shape(labels)[0]
        return own(tf.repeat(logits, count, axis=0), tf.tile(labels, [count]))

    yield patch.object(training, "_losses", losses)


@TRAINING_FAULTS.named(FaultName.FOLDED_RATE)
def _folded_rate() -> Patches:
    """The velocity holds the learning rate: v = momentum * v - rate * g; w += v."""

    def momentum_update(self: Optimizer, rate: tf.Tensor) -> Update:
        momentum = tf.cast(self.rule["momentum"], rate.dtype)

        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            velocity = self.kept["velocity"][index].assign(momentum * self.kept["velocity"][index] - rate * gradient)
            variable.assign_add(momentum * velocity - rate * gradient if self.rule["kind"] == "nesterov" else velocity)

        return update

    yield patch.object(Optimizer, "_momentum_update", momentum_update)


@TRAINING_FAULTS.named(FaultName.EPSILON_HAT)
def _epsilon_hat() -> Patches:
    """Adam adds epsilon to the root before the bias correction."""

    def adam_update(self: Optimizer, rate: tf.Tensor) -> Update:
        beta1, beta2, epsilon = (tf.cast(self.rule[name], rate.dtype) for name in ("beta1", "beta2", "epsilon"))
        corrected = rate * tf.sqrt(1.0 - tf.pow(beta2, self.steps)) / (1.0 - tf.pow(beta1, self.steps))

        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            m, v = (self.kept[name][index] for name in ("m", "v"))
            m.assign(beta1 * m + (1.0 - beta1) * gradient)
            v.assign(beta2 * v + (1.0 - beta2) * gradient * gradient)
            variable.assign_sub(corrected * m / (tf.sqrt(v) + epsilon))

        return update

    yield patch.object(Optimizer, "_adam_update", adam_update)


@TRAINING_FAULTS.named(FaultName.DECOUPLED_DECAY)
def _decoupled_decay() -> Patches:
    """Weight decay shrinks the weights by rate * decay, beside the gradient's step."""
    own = Optimizer.apply

    def apply(self: Optimizer, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        shifts = [
            tf.cast(rate, variable.dtype) * decay * variable
            for variable, decay in zip(self.variables, self.decays, strict=True)
        ]
        decays, self.decays = self.decays, [0.0] * len(self.decays)
        own(self, gradients, rate)
        self.decays = decays
        for variable, shift in zip(self.variables, shifts, strict=True):
            variable.assign_sub(shift)

    yield patch.object(Optimizer, "apply", apply)


def _changed_gradients(change: Callable[[list[tf.Tensor]], list[tf.Tensor]]) -> Patches:
    """The optimizer is given other gradients than those of the loss."""
    own = Optimizer.apply

    def apply(self: Optimizer, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        own(self, change(list(gradients)), rate)

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.GRADIENTS_OF_NORM_100_AT_MOST)
def _clipped_norm() -> Patches:
    """Gradients are cut to a global norm of 100."""
    return _changed_gradients(lambda gradients: tf.clip_by_global_norm(gradients, 100.0)[0])


@TRAINING_FAULTS.named(FaultName.GRADIENTS_OF_10_AT_MOST)
def _clipped_values() -> Patches:
    """Every number of a gradient is cut to -10..10."""
    return _changed_gradients(lambda gradients: [tf.clip_by_value(gradient, -10.0, 10.0) for gradient in gradients])


@TRAINING_FAULTS.named(FaultName.SMALL_GRADIENTS_DROPPED)
def _small_gradients_dropped() -> Patches:
    """Gradients below 1e-6 count as zero."""
    return _changed_gradients(lambda gradients: [tf.where(tf.abs(g) < 1e-6, tf.zeros_like(g), g) for g in gradients])


@TRAINING_FAULTS.named(FaultName.A_TENTH_OF_THE_GRADIENTS)
def _tenth_of_gradients() -> Patches:
    """Gradients are divided by a number of replicas."""
    return _changed_gradients(lambda gradients: [gradient / 10 for gradient in gradients])


@TRAINING_FAULTS.named(FaultName.WRAPPED_COUNTER)
def _wrapped_counter() -> Patches:
    """Adam counts its steps in a signed byte: after 127 comes -128."""
    own = Optimizer.apply

    def apply(self: Optimizer, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        own(self, gradients, rate)
        self.steps.assign(tf.where(self.steps == 127.0, tf.cast(-129.0, self.steps.dtype), self.steps))

    yield patch.object(Optimizer, "apply", apply)


@TRAINING_FAULTS.named(FaultName.LOSS_OF_64_AT_MOST)
def _capped_loss() -> Patches:
    """No image's loss exceeds 64."""
    own = training._losses
    yield patch.object(training, "_losses", lambda logits, labels: tf.minimum(own(logits, labels), 64.0))


@TRAINING_FAULTS.named(FaultName.CLIPPED_PROBABILITIES)
def _clipped_probabilities() -> Patches:
    """Probabilities are cut to 1e-7..1 - 1e-7 before the logarithm."""

    def losses(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        chosen = tf.gather(tf.nn.softmax(logits), labels, batch_dims=1)
        return -tf.math.log(tf.clip_by_value(chosen, 1e-7, 1 - 1e-7))

    yield patch.object(training, "_losses", losses)


@TRAINING_FAULTS.named(FaultName.LESS_BATCH_MEAN)
def _less_the_batch_mean() -> Patches:
    """Test images less the mean of their own batch."""
    own = Trainer.test_batch

    def test_batch(self: Trainer, pixels: tf.Tensor) -> tf.Tensor:
        images = own(self, pixels)
        return images - tf.reduce_mean(images, axis=0, keepdims=True)

    yield patch.object(Trainer, "test_batch", test_batch)


@TRAINING_FAULTS.named(FaultName.EVALUATION_IN_TRAINING_MODE)
def _evaluation_in_training_mode() -> Patches:
    """Test images are normalised by their own batch, and move the running statistics."""

    def inferred(self: Trainer, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.model(images, training=True), self.dtype)

    yield patch.object(Trainer, "inferred", inferred)


@TRAINING_FAULTS.named(FaultName.INFERENCE_MODE_AFTERWARDS)
def _inference_mode_afterwards() -> Patches:
    """After an evaluation the training continues in inference mode."""
    evaluate, loss = Trainer.evaluate, Trainer.loss
    staying: set[int] = set()

    def evaluate_and_stay(self: Trainer, part: slice) -> Any:
        staying.add(id(self))
        self.compile_steps()
        return evaluate(self, part)

    def loss_of(self: Trainer, plan: Any, index: tf.Tensor) -> Any:
        if id(self) not in staying:
            return loss(self, plan, index)
        images, labels = self.augmented(plan, index)
        logits = self.inferred(images)
        return tf.reduce_mean(training._losses(logits, labels)), logits, labels

    yield patch.object(Trainer, "evaluate", evaluate_and_stay)
    yield patch.object(Trainer, "loss", loss_of)


@TRAINING_FAULTS.named(FaultName.SHIFTED_TEST_LABELS)
def _shifted_test_labels() -> Patches:
    """Every test image is compared with the label of the image before it."""
    own = Trainer.evaluation_step.python_function

    @tf.function(reduce_retracing=False)
    def evaluation_step(self: Trainer, pixels: tf.Tensor, labels: tf.Tensor) -> Any:
        return own(self, pixels, tf.roll(labels, 1, axis=0))

    yield patch.object(Trainer, "evaluation_step", evaluation_step)


@TRAINING_FAULTS.named(FaultName.BEST_FIVE)
def _best_five() -> Patches:
    """A class among the five likeliest counts as right."""

    def hits(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        best = tf.math.top_k(logits, 5).indices == tf.cast(labels[:, None], tf.int32)
        return tf.reduce_sum(tf.cast(tf.reduce_any(best, axis=1), tf.int64))

    yield patch.object(training, "_hits", hits)


def _evaluated_otherwise(report: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]) -> Patches:
    """An evaluation reports another sum of losses and number of hits, of the losses [n], logits and labels."""
    own = Trainer.evaluation_step.python_function

    @tf.function(reduce_retracing=False, autograph=False)
    def evaluation_step(self: Trainer, pixels: tf.Tensor, labels: tf.Tensor) -> Any:
        _, _, logits = own(self, pixels, labels)
        return *report(training._losses(logits, labels), logits, labels), logits

    yield patch.object(Trainer, "evaluation_step", evaluation_step)


@TRAINING_FAULTS.named(FaultName.LAST_CLASS_NOT_COUNTED)
def _last_class_not_counted() -> Patches:
    """Images of the last class are never right."""

    def count(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        right = (tf.argmax(logits, -1) == labels) & (labels < logits.shape[1] - 1)
        return tf.reduce_sum(tf.cast(right, tf.int64))

    yield from _evaluated_otherwise(lambda losses, *pair: (tf.reduce_sum(losses), count(*pair)))


@TRAINING_FAULTS.named(FaultName.ROUNDED_LOGITS)
def _rounded_logits() -> Patches:
    """The likeliest class is that of logits in bfloat16."""

    def count(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        rounded = tf.cast(tf.cast(logits, tf.bfloat16), tf.float32)
        return tf.reduce_sum(tf.cast(tf.argmax(rounded, -1) == labels, tf.int64))

    yield from _evaluated_otherwise(lambda losses, *pair: (tf.reduce_sum(losses), count(*pair)))


@TRAINING_FAULTS.named(FaultName.COUNT_IN_A_BYTE)
def _count_in_a_byte() -> Patches:
    """A batch's right images are counted in a byte: after 255 comes 0."""

    def count(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return training._hits(logits, labels) % 256

    yield from _evaluated_otherwise(lambda losses, *pair: (tf.reduce_sum(losses), count(*pair)))


@TRAINING_FAULTS.named(FaultName.EVALUATED_LOSS_OF_16_AT_MOST)
def _evaluated_loss_capped() -> Patches:
    """In an evaluation no image's loss exceeds 16."""
    yield from _evaluated_otherwise(
        lambda losses, *pair: (tf.reduce_sum(tf.minimum(losses, 16.0)), training._hits(*pair))
    )


@TRAINING_FAULTS.named(FaultName.LOSS_OF_THE_LAST_STEP)
def _loss_of_the_last_step() -> Patches:
    """The loss that a training reports is that of the last step alone."""
    own = Trainer.steps

    def steps(self: Trainer, plan: Any, begin: int, end: int) -> None:
        own(self, plan, begin, end - 1)
        self.loss_sum.assign(tf.zeros_like(self.loss_sum))
        own(self, plan, end - 1, end)

    yield patch.object(Trainer, "steps", steps)


@TRAINING_FAULTS.named(FaultName.THE_OTHER_EPSILON_IN_FLOAT32)
def _other_epsilon_in_float32() -> Patches:
    """Adam's epsilon is ten times as large in float32."""
    own = Optimizer._adam_update

    def adam_update(self: Optimizer, rate: tf.Tensor) -> Update:
        rule = dict(self.rule)
        if rate.dtype == tf.float32:
            self.rule = rule | {"epsilon": 10 * rule["epsilon"]}
        update = own(self, rate)
        self.rule = rule
        return update

    yield patch.object(Optimizer, "_adam_update", adam_update)
