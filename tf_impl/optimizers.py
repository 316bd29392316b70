"""The update rules of parity.recipes.Optimizer on TensorFlow's fused kernels.

Keras's own optimizers are not used: its SGD folds the learning rate into the velocity, so that it parts from the rule
whenever the rate changes, and its Adam places epsilon elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

Update = Callable[[int, tf.Variable, tf.Tensor], None]


class Optimizer:
    """Updates `variables` in place; `decays` holds the weight decay of each."""

    def __init__(self, rule: Mapping[str, Any], variables: Sequence[tf.Variable], decays: Sequence[float]) -> None:
        self.rule, self.variables, self.decays = rule, list(variables), list(decays)
        self.slots = [
            [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]
            for _ in range(2 if rule["kind"] == "adam" else 1)
        ]
        self.steps = tf.Variable(0.0, dtype=self.variables[0].dtype, trainable=False)

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor) -> None:
        """One step with the learning rate `rate` (a scalar)."""
        self.steps.assign_add(1.0)
        rate = tf.cast(rate, self.variables[0].dtype)
        update = self._adam_update(rate) if self.rule["kind"] == "adam" else self._momentum_update(rate)
        for index, (variable, gradient, decay) in enumerate(zip(self.variables, gradients, self.decays, strict=True)):
            if decay:
                gradient = gradient + tf.cast(decay, variable.dtype) * variable
            update(index, variable, gradient)

    def reset(self) -> None:
        """Forget every step."""
        self.steps.assign(0.0)
        for slot in self.slots:
            for variable in slot:
                variable.assign(tf.zeros_like(variable))

    def _momentum_update(self, rate: tf.Tensor) -> Update:
        momentum = tf.cast(self.rule["momentum"], rate.dtype)

        def update(index: int, variable: tf.Variable, gradient: tf.Tensor) -> None:
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.handle,
                accum=self.slots[0][index].handle,
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
                m=self.slots[0][index].handle,
                v=self.slots[1][index].handle,
                beta1_power=power1,
                beta2_power=power2,
                lr=rate,
                beta1=beta1,
                beta2=beta2,
                epsilon=epsilon_hat,
                grad=gradient,
            )

        return update
