"""Let SIGTERM end a run as Ctrl-C does: with a partial result, and no process or temporary file left."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

_received = signal.SIGINT  # the signal that has interrupted this process, if one has


def end_like_ctrl_c() -> None:
    """From now on SIGTERM raises KeyboardInterrupt in the main thread, unless it is already ignored or handled."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def end_at_once() -> None:
    """Undo `end_like_ctrl_c`."""
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code() -> int:
    """The exit code of a run that was interrupted: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + _received


def terminated() -> bool:
    """Whether SIGTERM was received."""
    return _received == signal.SIGTERM


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt
