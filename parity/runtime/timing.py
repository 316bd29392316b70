"""Time every hop of the transfer layer against plain copies of the same arrays, in the process that holds the model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parity.numerics.arrays import Arrays
from parity.weights.files import load_state, save_state
from parity.weights.state import State


def time_hops(export: Callable[[], State], load: Callable[[State], None], rounds: int) -> dict[str, Any]:
    """Bytes of the state, and for every hop `rounds` pairs of seconds: of the hop, and of a plain copy right before it.

    `export` copies the model's state out, `load` writes one into the model. The plain copy is of the same arrays into
    fresh memory, as the hops that make a copy have to; it is the machine's rate at that moment.
    """
    state = export()
    seconds: dict[str, list[tuple[float, float]]] = {}
    # In memory where there is such a place: the disk's speed is not the transfer layer's.
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        path = Path(folder) / "state.safetensors"
        hops: dict[str, Callable[[], Any]] = {
            "export": export,
            "load": lambda: load(state),
            "save file": lambda: save_state(state, path),
            "load file": lambda: load_state(path),
        }
        for _ in range(rounds):
            for name, hop in hops.items():
                copied = _seconds(lambda: {key: array.copy() for key, array in state.items()})
                seconds.setdefault(name, []).append((_seconds(hop), copied))
    return {"bytes": sum(array.nbytes for array in state.values()), "seconds": seconds}


def _seconds(action: Callable[[], Any]) -> float:
    """How long it takes; what it returns is freed after the clock was read, and before anything else is timed."""
    start = time.perf_counter()
    result = action()
    elapsed = time.perf_counter() - start
    del result
    return elapsed


Steps = Callable[[int], None]  # runs so many steps

Make = Callable[[str, Arrays, dict[str, Any]], tuple[Steps, str]]  # network, arrays, recipe -> steps, mode


class Subjects:
    """What is being timed in this worker, by name; `makers` prepares each, `synchronize` waits for the device."""

    def __init__(self, makers: Mapping[str, Make], synchronize: Callable[[], None]) -> None:
        self._makers, self._synchronize = makers, synchronize
        self._started: dict[str, Steps] = {}

    def start_timing(
        self, network: str, what: str, arrays: Arrays, beside: bool = False, **recipe: Any
    ) -> dict[str, Any]:
        """Prepare one subject and run its first step; earlier ones are dropped, unless it is to be timed `beside` them.

        `arrays` holds the groups `state`, `data` and `plan` of a training.
        """
        if not beside:
            self._started.clear()
        steps, mode = self._makers[what](network, arrays, recipe)
        start = time.perf_counter()
        steps(1)
        self._synchronize()
        first = time.perf_counter() - start
        self._started[what] = steps
        return {"first_seconds": first, "mode": mode, "step_seconds": self.time_steps(what, 2)["seconds"] / 2}

    def time_steps(self, what: str, steps: int) -> dict[str, float]:
        """Seconds of so many further steps of a subject."""
        if what not in self._started:
            raise RuntimeError(f"no timing of {what!r} was started in this worker (one that died forgets it)")
        self._synchronize()
        start = time.perf_counter()
        self._started[what](steps)
        self._synchronize()
        return {"seconds": time.perf_counter() - start}
