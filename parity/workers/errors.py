"""Workers that do not answer: one error, which names the framework, the network and the step."""

from __future__ import annotations

from collections.abc import Sequence

from parity.printable import printable
from parity.workers.frameworks import FRAMEWORKS


class WorkerError(Exception):
    """A worker that did not answer; the message names the framework, the network and the step.

    Attributes:
        framework: its name.
        network: what the request was about; None where there was none.
        step: the verb, or "start".
        cause: "missing" (framework not installed), "killed", "hang" or "raised".
        detail: what happened, without the names.
    """

    def __init__(self, framework: str, network: str | None, step: str, cause: str, detail: str) -> None:
        prefix = f"{FRAMEWORKS[framework].title}, network {network}" if network else FRAMEWORKS[framework].title
        detail = printable(detail)
        super().__init__(printable(f"{prefix}, step {step!r}: ") + detail)
        self.framework, self.network, self.step, self.cause, self.detail = framework, network, step, cause, detail


class WorkersError(WorkerError):
    """Several workers that did not answer; the attributes are those of the first error, the message names all."""

    def __init__(self, errors: Sequence[WorkerError]) -> None:
        Exception.__init__(self, "\n".join(str(error) for error in errors))
        self.errors = errors
        first = errors[0]
        self.framework, self.network, self.step = first.framework, first.network, first.step
        self.cause, self.detail = first.cause, str(self)


def without_frames(message: str) -> str:
    """A worker's message without the frames of its traceback, which do not help with a broken installation.

    Args:
        message: of a `WorkerError`.

    Returns:
        Its lines but those of frames, which are indented by six spaces or more, and their title.
    """
    lines = (line for line in message.splitlines() if not line.startswith(6 * " "))
    return "\n".join(line for line in lines if not line.strip().startswith("Traceback"))
