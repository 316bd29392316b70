"""The update rules of parity.catalogue.recipes.Optimizer on Paddle's fused kernels, which follow them as they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import paddle

from paddle_impl.weights import memory
from parity.numerics.arrays import Arrays
from parity.runtime.model_state import Slot
from parity.runtime.optimizer_alone import require_memory_of, updates_at
from parity.weights.layout import SAME
from parity.weights.state import Entry

# what a kernel keeps of each parameter, by Paddle's names -> the slot's name
KEPT: dict[str, dict[str, str]] = {
    "sgd": {},
    "momentum": {"velocity_0": "velocity"},
    "nesterov": {"velocity_0": "velocity"},
    "adam": {"moment1_0": "m", "moment2_0": "v", "beta1_pow_acc_0": "beta1_power", "beta2_pow_acc_0": "beta2_power"},
}


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
    gradient = paddle.to_tensor(arrays["gradient"])
    with paddle.utils.unique_name.guard():
        weights = paddle.create_parameter(gradient.shape, arrays["gradient"].dtype.name)
    weights.set_value(paddle.zeros_like(gradient))
    entry = Entry("alone/kernel", arrays["gradient"].shape, arrays["gradient"].dtype.name, True)
    optimizer = Optimizer(rule, [Slot(entry, weights, SAME)], [0.0])

    def run(steps: int) -> None:
        for _ in range(steps):
            weights.grad = gradient
            optimizer.apply(rate)

    def clear() -> None:
        weights.set_value(paddle.zeros_like(gradient))

    return {}, updates_at(checkpoints, run, clear, weights.numpy, progress)


class Optimizer:
    """Updates parameters in place.

    Args:
        rule: the fields of `parity.catalogue.recipes.Optimizer`.
        slots: the parameters.
        decays: the weight decay of each parameter; 0.0 for none.
    """

    def __init__(self, rule: Mapping[str, Any], slots: Sequence[Slot], decays: Sequence[float]) -> None:
        self.rule, self.slots = rule, list(slots)
        for slot, decay in zip(self.slots, decays, strict=True):
            # coupled: the regulariser adds decay * w to the gradient, for these parameters only
            slot.tensor.regularizer = paddle.regularizer.L2Decay(decay) if decay else None
        self.stepped = False
        self.restored: Arrays = {}
        self.load({})

    def apply(self, rate: float) -> None:
        """One step with the learning rate `rate`, on the gradients that backward() left; clears them."""
        self.kernel.set_lr(rate)
        if self.stepped:
            self.kernel.step()
        else:
            with paddle.utils.unique_name.guard():  # the first step names what is kept: as `KEPT` says, not numbered on
                self.kernel.step()
            self.stepped = True
            self.restored = {}
        self.clear_gradients()

    def clear_gradients(self) -> None:
        """Forget the gradients."""
        self.kernel.clear_grad(set_to_zero=False)

    def export(self) -> Arrays:
        """What is remembered, by slot and canonical name: `velocity/stem/conv/kernel`; empty before the first step."""
        if not self.stepped:
            return dict(self.restored)  # the kernel takes it up with its next step
        kept = self.kernel.state_dict()
        return {
            name: slot.layout.read(memory(kept[own])) if kept[own].shape == slot.tensor.shape else kept[own].numpy()
            for name, own, slot in self._memory_entries()
        }

    def check(self, state: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError where `load` cannot go on from a state: an array is missing or extra."""
        if state:
            require_memory_of(self.rule["kind"], [name for name, _, _ in self._memory_entries()], state)

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `export` gave; from nothing: forget every step. Raises ValueError as `check` does."""
        self.check(state)
        self.kernel, self.stepped = self._new_kernel(), False
        self.restored = dict(state)
        if not state:
            return
        kept = {}
        for name, own, slot in self._memory_entries():
            stored = state[name]
            if stored.size != 1 or slot.tensor.shape == [1]:
                stored = np.empty(slot.tensor.shape, state[name].dtype)
                slot.layout.write(state[name], stored)
            kept[own] = paddle.to_tensor(stored)
        self.kernel.set_state_dict(kept)

    def _new_kernel(self) -> paddle.optimizer.Optimizer:
        parameters = [slot.tensor for slot in self.slots]
        if self.rule["kind"] == "adam":
            return paddle.optimizer.Adam(
                beta1=self.rule["beta1"],
                beta2=self.rule["beta2"],
                epsilon=self.rule["epsilon"],
                parameters=parameters,
            )
        if self.rule["kind"] == "sgd":
            return paddle.optimizer.SGD(parameters=parameters)
        return paddle.optimizer.Momentum(
            momentum=self.rule["momentum"],
            use_nesterov=self.rule["kind"] == "nesterov",
            parameters=parameters,
        )

    def _memory_entries(self) -> list[tuple[str, str, Slot]]:
        """(name in an exported state, Paddle's own name, parameter) of everything that is kept."""
        return [
            (f"{name}/{slot.entry.name}", f"{slot.tensor.name}_{own}", slot)
            for own, name in KEPT[self.rule["kind"]].items()
            for slot in self.slots
        ]
