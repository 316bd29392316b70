"""Let SIGTERM end a run as Ctrl-C does: with a partial result, and no process or temporary file left."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
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


@contextlib.contextmanager
def without_interruption() -> Iterator[None]:
    """A context that nothing interrupts: Ctrl-C, and SIGTERM where it ends a run likewise, take effect at its end.

    Yields:
        Nothing.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
        yield
        return
    came: list[int] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {number: handler for number, handler in usual.items() if callable(handler)}
    for number in handled:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if came:
        handled[signal.Signals(came[0])](came[0], None)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    global _received
    _received = signal.Signals(number)
    raise KeyboardInterrupt
