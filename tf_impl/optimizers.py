"""The update rules of parity.catalogue.recipes.Optimizer on TensorFlow's fused kernels.

Keras's own optimizers are not used: its SGD folds the learning rate into the velocity, so that it parts from the rule
whenever the rate changes, and its Adam places epsilon elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.numerics.arrays import Arrays
from parity.runtime.model_state import Slot
from parity.runtime.optimizer_alone import require_memory_of, updates_at
from parity.weights.layout import SAME
from parity.weights.state import Entry

# the slots that a rule keeps of each parameter
KEPT: dict[str, tuple[str, ...]] = {
    "sgd": (),
    "momentum": ("velocity",),
    "nesterov": ("velocity",),
    "adam": ("m", "v"),
}

Update = Callable[[int, tf.Variable, tf.Tensor], None]


def repeated_updates(
    rule: dict[str, Any], rate: float, checkpoints: Sequence[int], arrays: Arrays, progress: Callable[..., None]
) -> tuple[dict[str, Any], Arrays]:
    """An optimizer without a network, given the same gradient in every step.

    A verb. The weights are set to zero before each update that is kept, so that it is exact.

    Args:
        rule: the fields of `parity.catalogue.recipes.Optimizer`.
        rate: the learning rate.
        checkpoints: numbers of the steps whose updates are kept, counted from 1 and in ascending order.
        arrays: `gradient` [n].
        progress: is called with `step` from time to time.

    Returns:
        `updates` [checkpoints, n].
    """
    gradient = tf.constant(arrays["gradient"])
    weights = keras.Variable(tf.zeros_like(gradient), dtype=gradient.dtype.name)
    entry = Entry("alone/kernel", arrays["gradient"].shape, gradient.dtype.name, True)
    optimizer = Optimizer(rule, [Slot(entry, weights, SAME)], [0.0])

    @tf.function(reduce_retracing=False)
    def apply(steps: tf.Tensor) -> None:
        for _ in tf.range(steps):
            optimizer.apply([gradient], tf.constant(rate, tf.float32))

    def run(steps: int) -> None:
        apply(tf.constant(steps))

    def clear() -> None:
        weights.assign(tf.zeros_like(gradient))

    return {}, updates_at(checkpoints, run, clear, weights.numpy, progress)


class Optimizer:
    """Updates parameters in place.

    Args:
        rule: the fields of `parity.catalogue.recipes.Optimizer`.
        slots: the parameters.
        decays: the weight decay of each parameter; 0.0 for none.
    """

    def __init__(self, rule: Mapping[str, Any], slots: Sequence[Slot], decays: Sequence[float]) -> None:
        self.rule, self.decays = rule, list(decays)
        self.names = [slot.entry.name for slot in slots]
        self.variables = [slot.tensor.value for slot in slots]
        self.kept = {
            name: [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]
            for name in KEPT[rule["kind"]]
        }
        self.steps = tf.Variable(0.0, dtype=self.variables[0].dtype, trainable=False)

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        """One step with the learning rate `rate` (a scalar)."""
        self.steps.assign_add(1.0)
        rate = tf.cast(rate, self.variables[0].dtype)
        makers = {"sgd": self._sgd_update, "adam": self._adam_update}
        update = makers.get(self.rule["kind"], self._momentum_update)(rate)
        for index, (variable, gradient, decay) in enumerate(zip(self.variables, gradients, self.decays, strict=True)):
            if decay:
                gradient = gradient + tf.cast(decay, variable.dtype) * variable
            update(index, variable, gradient)

    def export(self) -> Arrays:
        """What is remembered, by slot and canonical name: `velocity/stem/conv/kernel`, and the number of `steps`."""
        return {name: variable.numpy() for name, variable in self._memory_entries().items()}

    def check(self, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError where `load` cannot go on from a state: an array is missing or extra."""
        if state:
            require_memory_of(self.rule["kind"], self._memory_entries(), state)

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `export` gave; from nothing: forget every step. Raises ValueError as `check` does."""
        self.check(state)
        for name, variable in self._memory_entries().items():
            variable.assign(state[name] if state else tf.zeros_like(variable))

    def _memory_entries(self) -> dict[str, tf.Variable]:
        """Everything that is kept, by its name in an exported state."""
        kept = {
            f"{slot}/{name}": variable
            for slot, variables in self.kept.items()
            for name, variable in zip(self.names, variables, strict=True)
        }
        return kept | {"steps": self.steps}

    def _sgd_update(self, rate: tf.Tensor) -> Update:
        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable.handle, alpha=rate, delta=gradient)

        return update

    def _momentum_update(self, rate: tf.Tensor) -> Update:
        momentum = tf.cast(self.rule["momentum"], rate.dtype)

        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=self.kept["velocity"][index].handle,
                lr=rate,
                grad=gradient,
                momentum=momentum,
                use_nesterov=self.rule["kind"] == "nesterov",
            )

        return update

    def _adam_update(self, rate: tf.Tensor) -> Update:
        beta1, beta2, epsilon = (tf.cast(self.rule[name], rate.dtype) for name in ("beta1", "beta2", "epsilon"))
        power1, power2 = tf.pow(beta1, self.steps), tf.pow(beta2, self.steps)
        epsilon_hat = epsilon * tf.sqrt(1.0 - power2)  # the kernel adds it to the uncorrected root

        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self.kept["m"][index].handle,
                v=self.kept["v"][index].handle,
                beta1_power=power1,
                beta2_power=power2,
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                epsilon=epsilon_hat,
                grad=gradient,
            )

        return update
