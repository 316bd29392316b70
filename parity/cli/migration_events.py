"""What the terminal shows while a user's pair of models is compared."""

from __future__ import annotations

import time
from typing import Any

from msgspec.structs import replace
from rich.console import Console

from parity.cli import console, migration_output, proof_output
from parity.cli.migration_output import MOST, shortened
from parity.migration.align.recorded_pair import RecordedPair

SILENCE = 5.0  # seconds without a line after which a long step says how far it is


class MigrationEvents:
    """Prints the events of `compare_pair`: proofs and the verdict as results, stages and progress on standard error.

    Args:
        pair: that is compared.
        out: where results go.
        verbose: whether to print all problems of a proof.
        own_weights: whether another verdict follows, of the models with their own weights.
    """

    def __init__(self, pair: RecordedPair, out: Console, *, verbose: bool, own_weights: bool) -> None:
        self.pair, self.out, self.verbose, self.own_weights = pair, out, verbose, own_weights
        self.printed = time.monotonic()

    def __call__(self, kind: str, event: Any) -> None:
        """Print one event."""
        if kind == "progress":
            if time.monotonic() - self.printed < SILENCE:
                return
            console.print_message(console.stderr(), f"  {event}", "dim")
        elif kind == "stage":
            console.print_message(console.stderr(), f"{event} ...", "dim")
        elif kind == "proof":
            shown = event.problems if self.verbose else shortened(event.problems, MOST["problem"])
            proof_output.print_proof(self.out, replace(event, problems=shown))
        elif kind == "verdict":
            line = migration_output.verdict_line(event, self.pair.name, own_weights=self.own_weights)
            colour = {"equal": "bold green", "different": "bold red"}.get(event.verdict, "bold yellow")
            console.print_message(self.out, line, colour)
            missing = event.missing if event.verdict == "undecided" else []
            for reason in missing if self.verbose else shortened(missing, MOST["reason"]):
                console.print_message(self.out, f"could not be established: {reason}")
        self.printed = time.monotonic()
