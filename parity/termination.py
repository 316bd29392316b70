"""SIGTERM ends a run as Ctrl-C does: with what there is of a result, and nothing left behind."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import NoReturn

_came = signal.SIGINT  # what has interrupted this process, if anything has


def end_like_ctrl_c() -> None:
    """From now on SIGTERM raises KeyboardInterrupt in the main thread; not where the user has it ignored or handled."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)


def end_at_once() -> None:
    """Undo `end_like_ctrl_c`."""
    if signal.getsignal(signal.SIGTERM) is _interrupt:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_code() -> int:
    """Of a run that was interrupted: 130 by Ctrl-C, 143 by SIGTERM."""
    return 128 + _came


def terminated() -> bool:
    """Whether SIGTERM has come."""
    return _came == signal.SIGTERM


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _came
    _came = signal.Signals(number)
    raise KeyboardInterrupt
