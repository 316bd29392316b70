"""The verbs that read the clock where the model is: for many steps, and for every transfer of weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.numerics.arrays import Arrays, unpack
from parity.runtime.training_loop import Loop
from parity.runtime.twin import Twin
from parity.weights.files import load_state, save_state
from parity.weights.state import State


def timed_transfers(export: Callable[[], State], load: Callable[[State], None], rounds: int) -> dict[str, Any]:
    """Measure the transfers of a model's state: out of the model, into it, to a file and from a file.

    Args:
        export: copies the model's state out.
        load: writes a state into the model.
        rounds: how many times each transfer is measured.

    Returns:
        `seconds`: for every transfer `rounds` pairs, of the transfer and of a plain copy right before it. The plain
        copy is of the same arrays into fresh memory, as the transfers that make a copy have to do it; it shows the
        machine's rate at that moment.
    """
    state = export()
    seconds: dict[str, list[tuple[float, float]]] = {}
    # In memory where the system has such a folder: the disk's speed is not the transfer layer's.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        path = Path(folder) / "state.safetensors"
        transfers: dict[str, Callable[[], Any]] = {
            "export": export,
            "load": lambda: load(state),
            "save file": lambda: save_state(state, path),
            "load file": lambda: load_state(path),
        }
        for _ in range(rounds):
            for name, transfer in transfers.items():
                copied = _seconds(lambda: {key: array.copy() for key, array in state.items()})
                seconds.setdefault(name, []).append((_seconds(transfer), copied))
    return {"seconds": seconds}


def _seconds(action: Callable[[], Any]) -> float:
    """How long it takes; what it returns is freed after the clock was read, and before anything else is timed."""
    start = time.perf_counter()
    result = action()
    elapsed = time.perf_counter() - start
    del result
    return elapsed


Steps = Callable[[int], None]  # runs so many steps


@dataclass(frozen=True)
class ReadyMade:
    """What the framework's own loops are timed on: the twin with its weights, and one batch in memory."""

    model: Any
    images: np.ndarray  # float32 [batch, h, w, c] in 0..1
    labels: np.ndarray  # uint8 [batch]


Make = Callable[[ReadyMade], tuple[Steps, str]]  # the steps, and the mode they run in


class TimedModels:
    """What is being timed in this worker, by name.

    "train step" is the suite's own, of `loop`, data pipeline included; `makers` prepare the others, the framework's own
    on a ready-made batch.
    """

    def __init__(self, twin: Twin, loop: Loop, makers: Mapping[str, Make]) -> None:
        self._twin, self._loop, self._makers = twin, loop, makers
        self._started: dict[str, Steps] = {}

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return self.start_timing, self.time_steps, self.time_transfer

    def start_timing(
        self, network: str, what: str, arrays: Arrays, beside: bool = False, **recipe: Any
    ) -> dict[str, Any]:
        """Prepare one model and run its first step; earlier ones are dropped, unless it is to be timed `beside` them.

        Args:
            network: its name.
            what: "train step", or one of the framework's own loops by name.
            arrays: the groups `state`, `data` and `plan` of a training.
            beside: whether models that were started before are kept.
            recipe: as in `Loop.start_training`.

        Returns:
            `first_seconds` of the first step, with what it compiles; `mode` in which the steps run; `step_seconds` of
            a further step.
        """
        if not beside:
            self._started.clear()
        if what == "train step":
            mode = self._loop.start_training(network, arrays=arrays, **recipe)["mode"]
            steps = self._loop.repeated_steps(unpack(arrays, "plan"))
        else:
            steps, mode = self._makers[what](self._ready_made(network, arrays, recipe["batch"]))
        start = time.perf_counter()
        steps(1)
        self._twin.device.synchronize()
        first = time.perf_counter() - start
        self._started[what] = steps
        return {"first_seconds": first, "mode": mode, "step_seconds": self.time_steps(what, 2)["seconds"] / 2}

    def time_steps(self, what: str, steps: int) -> dict[str, float]:
        """Seconds of so many further steps of a model that was started.

        Args:
            what: as in `start_timing`.
            steps: how many.

        Returns:
            `seconds` of all steps together, until the device has finished.

        Raises:
            RuntimeError: no timing of that name was started in this worker.
        """
        if what not in self._started:
            raise RuntimeError(f"no timing of {what!r} was started in this worker (one that died forgets it)")
        self._twin.device.synchronize()
        start = time.perf_counter()
        self._started[what](steps)
        self._twin.device.synchronize()
        return {"seconds": time.perf_counter() - start}

    def time_transfer(self, network: str, rounds: int) -> dict[str, Any]:
        """The seconds of every transfer of the network's state.

        Args:
            network: as the catalogue names it; a new float32 model of it is built.
            rounds: how many times each transfer is measured.

        Returns:
            `seconds`, see `timed_transfers`.

        Raises:
            UnknownNetworkError: there is no such network.
            OSError: no room for the file.
        """
        twin, model = self._twin, self._twin.build(network, "float32")
        return timed_transfers(
            lambda: twin.export_state(model), lambda state: twin.load_state(model, state, network), rounds
        )

    def _ready_made(self, network: str, arrays: Arrays, batch: int) -> ReadyMade:
        model = self._twin.build(network, "float32")
        self._twin.load_state(model, unpack(arrays, "state"), network)
        data = unpack(arrays, "data")
        images = data["test_images"][:batch].astype(np.float32) / 255
        return ReadyMade(model, images, data["test_labels"][:batch])
