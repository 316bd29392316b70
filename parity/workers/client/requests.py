"""How the methods of a client reach the worker: one abstract `call`, through which every request goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    import numpy as np

    from parity.numerics.arrays import Arrays
    from parity.workers.reply import Reply


class Requests(ABC):
    """The base of all requests to a worker.

    Attributes:
        framework: its name in `parity.workers.frameworks.FRAMEWORKS`.
        device: "cpu" or "gpu".
        threads: the CPU threads that it was started with.
    """

    framework: str
    device: str
    threads: int

    @abstractmethod
    def call(
        self,
        verb: str,
        *,
        network: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        """Send one request and wait for its reply: for the methods of a client, which everybody else uses.

        Args:
            verb: the function's name.
            network: what the request is about.
            arrays: named arrays, for verbs that take some; None for others.
            on_progress: called with each message on the way, for verbs that send some; None for others.
            arguments: all else, as plain JSON values.

        Raises:
            WorkerError: the worker did not answer.
        """


def counted(on_progress: Callable[[int], None] | None, what: str) -> Callable[[dict[str, Any]], None]:
    """A callback for messages that hold one count.

    Args:
        on_progress: called with the count; None ignores the messages.
        what: the key of the count in a message.
    """
    return lambda message: on_progress(int(message[what])) if on_progress is not None else None


def group(arrays: Arrays, name: str) -> Arrays:
    """One group of packed arrays.

    Args:
        arrays: of a reply, packed by `parity.numerics.arrays.pack`.
        name: of the group.
    """
    from parity.numerics.arrays import unpack

    return unpack(arrays, name)
