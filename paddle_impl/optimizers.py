"""The update rules of parity.recipes.Optimizer on Paddle's fused kernels, which follow them as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import paddle


class Optimizer:
    """Updates `variables` in place; `decays` holds the weight decay of each."""

    def __init__(self, rule: Mapping[str, Any], variables: Sequence[paddle.Tensor], decays: Sequence[float]) -> None:
        self.rule, self.variables, self.decays = rule, list(variables), list(decays)
        for variable, decay in zip(self.variables, self.decays, strict=True):
            # coupled: the regulariser adds decay * w to the gradient, for these parameters only
            variable.regularizer = paddle.regularizer.L2Decay(decay) if decay else None
        self.reset()

    def apply(self, rate: float) -> None:
        """One step with the learning rate `rate`, on the gradients that backward() left; clears them."""
        self.kernel.set_lr(rate)
        self.kernel.step()
        self.kernel.clear_grad(set_to_zero=False)

    def reset(self) -> None:
        """Forget every step."""
        if self.rule["kind"] == "adam":
            self.kernel: paddle.optimizer.Optimizer = paddle.optimizer.Adam(
                beta1=self.rule["beta1"],
                beta2=self.rule["beta2"],
                epsilon=self.rule["epsilon"],
                parameters=self.variables,
            )
        else:
            self.kernel = paddle.optimizer.Momentum(
                momentum=self.rule["momentum"],
                use_nesterov=self.rule["kind"] == "nesterov",
                parameters=self.variables,
            )
