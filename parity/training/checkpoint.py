"""A checkpoint: a training between two epochs, in one file, with weights, optimizer state and the curve so far.

Its position in the epoch plan is the number of finished epochs: every epoch's plan follows from the seed and that
number. The file is a safetensors file whose metadata holds the rest as JSON, with a digest of everything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from parity.numerics.arrays import Arrays
from parity.records.records import Epoch, TrainingSession
from parity.records.validation import RecordError, validated
from parity.training.fingerprint import differences
from parity.weights.files import load_state, read_metadata, save_state
from parity.weights.state import StateError, digest

KEY = "parity checkpoint"

REMEDY = "It was left as it is: remove it or move it away to begin anew, or write to another directory."


class CheckpointError(Exception):
    """A checkpoint from which no training can continue; the message names the file and the reason."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to continue as if it had never stopped."""

    configuration: dict[str, Any]  # of parity.training.fingerprint
    arrays: Arrays  # the groups `state` and `optimizer`, as a worker's `export_training` gives them
    epochs: list[Epoch]  # those that are finished
    sessions: list[TrainingSession]
    digests: dict[str, str]  # initial weights and first epoch's batches
    problems: list[str]

    def save(self, path: Path) -> None:
        """Write the file under a temporary name and rename it: at any time it is the old or the complete new one.

        Raises:
            OSError: it could not be written; the earlier file stays.
        """
        facts = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "arrays"}
        facts |= {"epochs": to_builtins(self.epochs), "sessions": to_builtins(self.sessions)}
        facts["digest"] = _digest(self.arrays, facts)
        save_state(self.arrays, path, metadata={KEY: json.dumps(facts)})

    @classmethod
    def load(cls, path: Path, configuration: Mapping[str, Any], epochs: int) -> Checkpoint | None:
        """Read a checkpoint.

        Args:
            path: of the file.
            configuration: of the training that is to continue, see `parity.training.fingerprint`.
            epochs: its number of epochs in all.

        Returns:
            The checkpoint; None where there is no file.

        Raises:
            CheckpointError: it is damaged, of another training, or has more than `epochs` epochs.
        """
        if not path.exists():
            return None
        try:
            arrays = load_state(path)
            facts = json.loads(read_metadata(path)[KEY])
            if facts.pop("digest") != _digest(arrays, facts):
                raise ValueError("its content does not match its own digest: it was damaged")
            facts |= {"epochs": validated(facts["epochs"], list[Epoch], "epochs")}
            facts |= {"sessions": validated(facts["sessions"], list[TrainingSession], "sessions")}
            checkpoint = cls(arrays=arrays, **facts)
        except (StateError, RecordError, ValueError, KeyError, TypeError, RecursionError) as error:
            detail = f"not one of this suite's ({error} is missing)" if isinstance(error, KeyError) else str(error)
            raise CheckpointError(f"{path}: expected a checkpoint, found: {detail}. {REMEDY}") from None
        if odd := differences(checkpoint.configuration, configuration):
            raise CheckpointError(f"{path}: a checkpoint of another training:\n  " + "\n  ".join(odd) + f"\n{REMEDY}")
        if (finished := len(checkpoint.epochs)) > epochs:
            raise CheckpointError(
                f"{path}: expected a checkpoint within {epochs} epochs, found {finished} finished. {REMEDY}"
            )
        return checkpoint


def _digest(arrays: Arrays, facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(f"{digest(arrays)} {json.dumps(facts, sort_keys=True)}".encode()).hexdigest()
