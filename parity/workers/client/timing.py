"""Seconds of steps and of transfers, read inside the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from parity.workers.client.requests import Requests

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    from parity.catalogue.recipes import TrainerSettings
    from parity.numerics.arrays import Arrays


@dataclass(frozen=True)
class StartedTiming:
    """A step that is ready to be timed.

    Attributes:
        first_seconds: of the first step, including compilation.
        mode: how steps run: "eager", "to_static", "tf.function", "Model.fit".
        step_seconds: of one further step, for choosing how many to time.
    """

    first_seconds: float
    mode: str
    step_seconds: float


TransferSeconds = dict[str, list[tuple[float, float]]]  # by transfer, a pair a round


class TimingRequests(Requests):
    """Requests for timings."""

    def start_timing(
        self, network: str, what: str, arrays: Arrays, seed: int, settings: TrainerSettings, beside: bool = False
    ) -> StartedTiming:
        """Prepare one kind of step and run the first one.

        Args:
            network: its name.
            what: "forward", "train step", or a baseline by its name in the twins' `timing`.
            arrays: the groups `state`, `data` and `plan` of a training.
            seed: as in `start_training`, and `settings` too.
            settings: those of the training.
            beside: whether steps that were prepared before stay; else they are dropped.
        """
        given = {"seed": seed, **settings.as_arguments()}
        reply = self.call("start_timing", network=network, what=what, arrays=arrays, beside=beside, **given)
        return StartedTiming(**reply.result)

    def time_steps(self, network: str, what: str, steps: int) -> float:
        """The seconds of further steps.

        Args:
            network: its name.
            what: as in `start_timing`. Fails for one that was not started.
            steps: how many.
        """
        return float(self.call("time_steps", network=network, what=what, steps=steps).result["seconds"])

    def time_transfer(self, network: str, rounds: int) -> TransferSeconds:
        """Time every transfer of a state between numpy, the framework and a file.

        Args:
            network: whose state it is.
            rounds: how often.

        Returns:
            By transfer ("export", "load", "save file", "load file") and round, the seconds of the transfer and of a
            plain copy.
        """
        result = self.call("time_transfer", network=network, rounds=rounds).result
        return {
            transfer: [(moved, copied) for moved, copied in rounds_seconds]
            for transfer, rounds_seconds in result["seconds"].items()
        }
