"""Recurrent layers over sequences: LSTM, GRU and the simple one, in either direction or both, one or several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.kinds.activation import ELU, GELU, Activation, LeakyReLU, Softplus
from parity.kinds.kind import Kind, optional
from parity.numerics.geometry import single

GATES = {"lstm": 4, "gru": 3, "rnn": 1}  # i, f, c, o; z, r, h; one

MOST_LAYERS = 16  # whose arrays have names

# Functions that have numbers, as Keras calls them without any.
_DEFAULTS: dict[str, Activation] = {
    "elu": ELU(1.0),
    "gelu": GELU(approximate=False),
    "leaky_relu": LeakyReLU(single(0.2)),
    "softplus": Softplus(1.0, None),
}

_MERGES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "concat": lambda one, other: np.concatenate([one, other], axis=-1),
    "sum": np.add,
    "mul": np.multiply,
    "ave": lambda one, other: (one + other) / 2,
}


def prefix_of(layer: int, *, backward: bool) -> str:
    """What the names of a layer's arrays begin with, for one direction.

    Args:
        layer: from 0 on, of several on top of each other.
        backward: of the second direction of two.

    Example:
        >>> prefix_of(0, backward=False), prefix_of(1, backward=True)
        ('', 'layer1_backward_')
    """
    return (f"layer{layer}_" if layer else "") + ("backward_" if backward else "")


@dataclass(frozen=True)
class Recurrent(Kind):
    """Sequences [n, t, in] -> [n, t, u], or the last of them [n, u]; both directions merged have 2 u where joined.

    Its arrays are `kernel` [in, gates * u], `recurrent_kernel` [u, gates * u], `bias` and `recurrent_bias` [gates * u],
    those of the second direction and of more layers with a prefix, see `prefix_of`. Gates are in Keras's order: of an
    LSTM input, forget, candidate, output; of a GRU update, reset, candidate.

    Its inputs are the sequences; where `masked`, a mask [n, t], 0 where a step is passed over, or lengths [n]; then the
    initial states, where given: of each direction of each layer the output [n, u], and of an LSTM its cell [n, u], or
    both as [layers * directions, n, u].
    """

    name = "recurrent"
    cell: str  # "lstm", "gru" or "rnn"
    activation: str  # of the candidate
    recurrent_activation: str | None = optional(None)  # of the gates
    output_activation: str | None = optional(None)  # of an LSTM's cell, where it becomes its output
    reset_after: bool | None = optional(None)  # of a GRU: the reset gate acts on the product, not on what goes into it
    direction: str = optional("forward")  # "forward", "backward" or "bidirectional"
    merge: str | None = optional(None)  # of two directions: "concat", "sum", "mul" or "ave"
    sequences: bool = optional(default=True)  # the outputs of all steps; else the one that was computed last
    ends: bool = optional(default=True)  # of two directions' last outputs: each one's own; else both of the last step
    realigned: bool = optional(default=True)  # of a backward layer: its outputs stand where their inputs do
    layers: int = optional(1)
    masked: bool = optional(default=False)
    masked_output: str | None = optional(None)  # of a step that is passed over: "zeros", or "repeated" the one before
    initial_state: bool = optional(default=False)
    rate: float = optional(0.0)  # of the dropout of inputs, in training
    recurrent_rate: float = optional(0.0)  # of that of states
    rate_between: float = optional(0.0)  # of that between layers

    traps = {
        "activation": "act-other",
        "recurrent_activation": "act-other",
        "output_activation": "act-other",
        "rate": "dropout-mode",
        "recurrent_rate": "dropout-mode",
        "rate_between": "dropout-mode",
    }
    training_only = ("rate", "recurrent_rate", "rate_between")
    neutral = {
        f"{prefix_of(layer, backward=backward)}{array}": 0.0
        for layer in range(MOST_LAYERS)
        for backward in (False, True)
        for array in ("bias", "recurrent_bias")
    }
    several_inputs = ordered = True

    def label(self, number: str) -> str:
        """The field in words: "recurrent activation"."""
        words = {
            "sequences": "outputs of all steps",
            "ends": "output of the backward half",
            "realigned": "outputs in the order of the inputs",
            "masked_output": "output of a masked step",
            "initial_state": "initial state given",
            "rate": "dropout of the inputs",
            "recurrent_rate": "dropout of the states",
            "rate_between": "dropout between layers",
        }
        return words.get(number, number.replace("_", " "))

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: as the class says; a row [n, c] is a sequence of one step.
            arrays: by kind.

        Returns:
            [n, t, u] or [n, u], float64.

        Raises:
            ValueError: an activation without a reference, or inputs that are not as the numbers say.
        """
        x, *rest = inputs
        x = x[:, None] if x.ndim == 2 else x
        mask = _mask(rest.pop(0), x.shape[1]) if self.masked else None
        states = self._states(rest) if self.initial_state else []
        both = self.direction == "bidirectional"
        at_last_step = both and not self.sequences and not self.ends
        for layer in range(self.layers):
            whole = replace(self, sequences=self.sequences or at_last_step or layer < self.layers - 1)
            directions = (False, True) if both else (self.direction == "backward",)
            outputs = []
            for backward in directions:
                prefix = prefix_of(layer, backward=backward and both)
                own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
                initial = states.pop(0) if states else None
                outputs.append(whole._run(x, mask, own, initial, backward=backward))
            x = _MERGES[self.merge or "concat"](*outputs) if both else outputs[0]
        return x[:, -1] if at_last_step else x

    def _states(self, given: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """The initial states of each direction of each layer."""
        parts = 2 if self.cell == "lstm" else 1
        runs = self.layers * (2 if self.direction == "bidirectional" else 1)
        if len(given) == parts and given[0].ndim == 3:  # all in one, as Paddle has them
            return [[state[run] for state in given] for run in range(runs)]
        if len(given) != parts * runs:
            raise ValueError(f"expected {parts * runs} initial states; found {len(given)}")
        return [list(given[run * parts : (run + 1) * parts]) for run in range(runs)]

    def _run(
        self,
        x: np.ndarray,
        mask: np.ndarray | None,
        own: Mapping[str, np.ndarray],
        initial: list[np.ndarray] | None,
        *,
        backward: bool,
    ) -> np.ndarray:
        """One layer in one direction."""
        steps = range(x.shape[1])[:: -1 if backward else 1]
        units = len(own["recurrent_kernel"])
        state = initial or [np.zeros((len(x), units))] * (2 if self.cell == "lstm" else 1)
        before = np.zeros((len(x), units))  # the output of the step before
        outputs = {}
        for step in steps:
            made = self._step(x[:, step], state, own)
            output = made[0]
            if mask is not None:
                kept = mask[:, step, None]
                state = [np.where(kept, new, old) for new, old in zip(made, state, strict=True)]
                output = np.where(kept, output, 0 if self.masked_output == "zeros" else before)
            else:
                state = made
            outputs[step] = before = output
        if not self.sequences:
            return before
        both = self.direction == "bidirectional"
        order = sorted(outputs) if self.realigned or both or not backward else list(outputs)
        return np.stack([outputs[step] for step in order], axis=1)

    def _step(self, x: np.ndarray, state: Sequence[np.ndarray], own: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The new states, the output first."""
        h, kernel = state[0], own["recurrent_kernel"]
        of_x = np.split(x @ own["kernel"] + own.get("bias", 0), GATES[self.cell], axis=-1)
        recurrent = h @ kernel + own.get("recurrent_bias", 0)
        of_h = np.split(recurrent, GATES[self.cell], axis=-1)
        activation = _function(self.activation)
        if self.cell == "rnn":
            return [activation(of_x[0] + of_h[0])]
        gate = _function(self.recurrent_activation or "sigmoid")
        if self.cell == "lstm":
            entering, forgotten, candidate, leaving = (one + other for one, other in zip(of_x, of_h, strict=True))
            c = gate(forgotten) * state[1] + gate(entering) * activation(candidate)
            return [gate(leaving) * _function(self.output_activation or self.activation)(c), c]
        update, reset = gate(of_x[0] + of_h[0]), gate(of_x[1] + of_h[1])
        if self.reset_after:
            candidate = activation(of_x[2] + reset * of_h[2])
        else:
            units = h.shape[-1]
            candidate = activation(of_x[2] + (reset * h) @ kernel[:, 2 * units :])
        return [update * h + (1 - update) * candidate]


def _function(name: str) -> Callable[[np.ndarray], np.ndarray]:
    from parity.kinds import of  # which imports this file

    known: Any = _DEFAULTS.get(name) or of(Activation.name, {"function": name})
    return lambda x: np.asarray(known.of(x))


def _mask(given: np.ndarray, steps: int) -> np.ndarray:
    """[n, t], true where a step counts; of lengths [n] or of a mask."""
    return np.arange(steps) < given[:, None] if given.ndim == 1 else given.astype(bool)
