"""Errors of a user's model, as one message without the worker's traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parity.catalogue.targets import TargetError
from parity.workers.errors import WorkerError, WorkersError, without_frames


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors of a user's model into one TargetError without the worker's traceback."""
    try:
        yield
    except WorkersError as error:
        if any(_user_message(worker_error) for worker_error in error.errors):
            raise TargetError(
                "\n".join(_user_message(worker_error) or str(worker_error) for worker_error in error.errors)
            ) from None
        raise
    except WorkerError as error:
        if words := _user_message(error):
            raise TargetError(words) from None
        raise


def _user_message(error: WorkerError) -> str:
    """The message of an error that concerns the user's model; empty for any other error."""
    kind, _, words = error.detail.partition(": ")
    if error.cause != "raised" or kind not in ("TargetError", "PrecisionError", "WeightsError", "StateError"):
        return ""
    return without_frames(words)
