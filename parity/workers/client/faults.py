"""Known faults, put into a built twin and taken out again."""

from __future__ import annotations

from parity.workers.client.requests import Requests


class FaultRequests(Requests):
    """For `parity.faults` alone."""

    def inject(self, network: str, fault: str, stage: str = "") -> None:
        """Put a fault into a layer of the network, or into its training, until `restore`.

        Args:
            network: its name.
            fault: a `change` of `parity.catalogue.traps.FAULTS`. Fails for one that this framework does not have.
            stage: the layer's canonical name; faults of the training do not look at it.
        """
        self.call("inject", network=network, fault=fault, stage=stage)

    def restore(self) -> None:
        """Take the fault out, and forget the training, which may be compiled with it."""
        self.call("restore")
