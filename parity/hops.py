"""Time every hop of the transfer layer against plain copies of the same arrays, in the process that holds the model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from parity.weights import State, load_state, save_state


def time_hops(export: Callable[[], State], load: Callable[[State], None], rounds: int) -> dict[str, Any]:
    """Bytes of the state, and the seconds of each hop, `rounds` times in turn.

    `export` copies the model's state out, `load` writes one into the model. "copy" is the machine's own rate for the
    same arrays: into fresh memory, as the hops that make a copy have to.
    """
    state = export()
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        hops: dict[str, Callable[[], Any]] = {
            "copy": lambda: {name: array.copy() for name, array in state.items()},
            "export": export,
            "load": lambda: load(state),
            "save file": lambda: save_state(state, path),
            "load file": lambda: load_state(path),
        }
        for _ in range(rounds):
            for name, hop in hops.items():
                start = time.perf_counter()
                result = hop()
                seconds.setdefault(name, []).append(time.perf_counter() - start)
                del result  # its memory must not weigh on the next hop
    return {"bytes": sum(array.nbytes for array in state.values()), "seconds": seconds}
