"""States drawn in numpy: initial weights for training, and random ones for proofs."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

import numpy as np

from parity.weights.state import Entry, State

_BRANCH = re.compile(r"^(.*/block\d+)/conv\d+/kernel$")


def training_state(entries: Sequence[Entry], scheme: str, seed: int) -> State:
    """Initial float32 weights; biases, betas and means 0, gammas and variances 1.

    Args:
        entries: the arrays of the state.
        scheme: of the kernels: "he_normal" N(0, 2 / fan_in), "glorot_uniform" U(+-sqrt(6 / (fan_in + fan_out))), or
            "torch" (PyTorch's default: kernels and biases U(+-1 / sqrt(fan_in))).
        seed: an array depends on this and on its name only.

    Returns:
        Arrays by name in the order of the entries, float32 whatever their dtypes.

    Raises:
        ValueError: another scheme.

    Example:
        >>> state = training_state([Entry("conv/kernel", (3, 3, 1, 8), "float32", True)], "he_normal", seed=0)
        >>> state["conv/kernel"].shape, state["conv/kernel"].dtype
        ((3, 3, 1, 8), dtype('float32'))
    """
    fans = {entry.name.rpartition("/")[0]: _fans(entry.shape) for entry in entries if entry.name.endswith("/kernel")}
    state: State = {}
    for entry in entries:
        layer, _, kind = entry.name.rpartition("/")
        draw = generator(seed, entry.name)
        if kind in ("gamma", "variance"):
            values = np.ones(entry.shape)
        elif kind == "bias" and scheme == "torch":
            values = draw.uniform(-1, 1, entry.shape) / math.sqrt(fans[layer][0])
        elif kind != "kernel":
            values = np.zeros(entry.shape)
        elif scheme == "he_normal":
            values = draw.normal(size=entry.shape) * math.sqrt(2 / fans[layer][0])
        elif scheme == "glorot_uniform":
            values = draw.uniform(-1, 1, entry.shape) * math.sqrt(6 / sum(fans[layer]))
        elif scheme == "torch":
            values = draw.uniform(-1, 1, entry.shape) / math.sqrt(fans[layer][0])
        else:
            raise ValueError(f"unknown initialisation {scheme!r}; known: he_normal, glorot_uniform, torch")
        state[entry.name] = values.astype(np.float32)
    return state


def proof_state(entries: Sequence[Entry], seed: int) -> State:
    """Random values for every array, so that a zero bias or a variance of one hides no fault.

    float32 numbers in each entry's dtype, so that a float64 model and a float32 model can hold exactly the same state.
    The last kernel of each of n residual blocks is divided by sqrt(n): the sum over hundreds of them would overflow.

    Args:
        entries: the arrays of the state.
        seed: an array depends on this and on its name only.

    Returns:
        Arrays by name in the order of the entries: kernels normal with variance 2 / fan_in, gammas and variances
        uniform in 0.5..1.5, all else normal with standard deviation 0.1.
    """
    state: State = {}
    last = {block: name for name in (entry.name for entry in entries) for block in _BRANCH.findall(name)}
    for entry in entries:
        draw = generator(seed, entry.name)
        match entry.name.rpartition("/")[2]:
            case "kernel":
                values = draw.normal(size=entry.shape) * math.sqrt(2 / _fans(entry.shape)[0])
                if entry.name in last.values():
                    values /= math.sqrt(len(last))
            case "gamma" | "variance":
                values = draw.uniform(0.5, 1.5, entry.shape)
            case _:  # bias, beta, mean
                values = draw.normal(size=entry.shape) * 0.1
        state[entry.name] = values.astype(np.float32).astype(entry.dtype)
    return state


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of an HWIO or [in, out] kernel."""
    field = math.prod(shape[:-2])
    return field * shape[-2], field * shape[-1]


def generator(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for every array, so that a state does not depend on the order of its entries."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def initial_state(entries: Sequence[Entry], init: str, seed: int, precision: str) -> State:
    """The weights that a training begins with: the same float32 numbers in any precision.

    Args:
        entries: the arrays of the state.
        init: a scheme of `training_state`.
        seed: as there.
        precision: "float64" for float64 arrays; another one for float32 arrays.

    Returns:
        Arrays by name, float64 or float32.

    Raises:
        ValueError: another scheme.
    """
    state = training_state(entries, init, seed)
    return {name: array.astype(np.float64) for name, array in state.items()} if precision == "float64" else state
