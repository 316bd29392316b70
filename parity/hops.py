"""Time every hop of the transfer layer against plain copies of the same arrays, in the process that holds the model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.weights import State, load_state, save_state


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
