"""How many processes share a training: each takes its share of every batch."""

from __future__ import annotations

from dataclasses import dataclass

from parity.records.replicas import sharing_text
from parity.workers.interpreter import require_cores


@dataclass(frozen=True)
class Sharing:
    """The processes of one framework that train one network together, on one machine.

    Attributes:
        replicas: how many; 1: one process takes the whole batch.
        synchronised: whether batch norm computes its statistics over all replicas' shares, or over each one's own.

    Raises:
        ValueError: more replicas than cores, or synchronised statistics of one process.

    Example:
        >>> Sharing().words, Sharing(1).file_parts
        ('', [])
    """

    replicas: int = 1
    synchronised: bool = False

    def __post_init__(self) -> None:
        require_cores(self.replicas)
        if self.synchronised and self.replicas == 1:
            raise ValueError("--sync-batch-norm: expected --replicas 2 or more, whose statistics it joins, found one")

    @property
    def file_parts(self) -> list[str]:
        """What the name of a file says of it; nothing of one process."""
        if self.replicas == 1:
            return []
        return [f"{self.replicas}replicas", *(["syncbn"] if self.synchronised else [])]

    @property
    def words(self) -> str:
        """For a reader; empty for one process."""
        return sharing_text(self.replicas, self.synchronised)

    def require_shares(self, name: str, batch: int) -> None:
        """Refuse a batch that cannot be shared evenly.

        Args:
            name: of the network, for the message.
            batch: images a step.

        Raises:
            ValueError: fewer images than replicas, or shares of several sizes; the message says which batch would do.
        """
        if batch % self.replicas == 0:
            return
        below, above = (batch // self.replicas * self.replicas + more for more in (0, self.replicas))
        near = f"{below} or {above}" if below else str(above)
        why = "fewer images than replicas" if batch < self.replicas else "no multiple of the number of replicas"
        raise ValueError(
            f"{name}: expected a batch of which each of {self.replicas} replicas takes the same share, found {batch}: "
            f"{why}. Use --batch {near}."
        )
