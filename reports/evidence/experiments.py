"""Trainings grouped by what they were: one network under one set of conditions, by framework and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parity.records.records import Training
from reports.evidence.network_facts import network_order
from reports.formatting import TITLES, code, count_text, framework_order, is_number, plain, some

# Trainings that differ in one of these do not belong into one mean; the network itself comes first.
CONDITIONS = (
    "network",
    "recipe",
    "dataset",
    "train_images",
    "test_images",
    "batch",
    "precision",
    "device",
    "epochs_planned",
    "replicas",
    "synchronised",
)


def conditions(record: Training) -> tuple[Any, ...]:
    """The values of `CONDITIONS`."""
    return tuple(getattr(record, name) for name in CONDITIONS)


def sound(record: Training) -> bool:
    """Whether a training finished with a test accuracy that is a number: what counts in means and tests."""
    return record.finished and is_number(record.epochs[-1].test_accuracy)


@dataclass(frozen=True, eq=False)
class Experiment:
    """The trainings of one network under one set of conditions."""

    trained: dict[str, dict[int, Training]]  # framework -> seed -> record, both in order
    qualifier: str = ""  # the conditions in which it differs from other experiments with the same network; plain text
    versions: str = ""  # those of the frameworks, where the report covers several; plain text

    @property
    def sample(self) -> Training:
        """One of its records, for what all have in common."""
        return next(iter(next(iter(self.trained.values())).values()))

    @property
    def network(self) -> str:
        """Name of the network."""
        return self.sample.network

    @property
    def title(self) -> str:
        """Its name for a picture: the network, and the qualifier where one is needed."""
        return f"{self.network} ({self.qualifier})" if self.qualifier else self.network

    @property
    def label(self) -> str:
        """Its name for a table, in Markdown."""
        return code(self.network) + (f" ({plain(self.qualifier)})" if self.qualifier else "")

    @property
    def seeds(self) -> list[int]:
        """Every seed of either framework."""
        return sorted({seed for records in self.trained.values() for seed in records})

    def records(self, framework: str) -> list[Training]:
        """The framework's trainings in the order of their seeds."""
        return list(self.trained.get(framework, {}).values())

    def sound(self, framework: str) -> list[Training]:
        """Those that finished with a number."""
        return [record for record in self.records(framework) if sound(record)]

    def both(self, seed: int) -> tuple[Training, Training] | None:
        """The records of the project's two frameworks for a seed, or None when one is absent."""
        records = [self.trained[name][seed] for name in TITLES if seed in self.trained.get(name, {})]
        return (records[0], records[1]) if len(records) == 2 else None


def experiments(records: Sequence[Training], versions: str = "") -> list[Experiment]:
    """The records grouped, in the catalogue's order of networks, then in the order of their conditions.

    All records are of the same versions of the frameworks; `versions` names them where there are others.
    """
    grouped: dict[tuple[Any, ...], list[Training]] = {}
    for record in records:
        grouped.setdefault(conditions(record), []).append(record)
    groups = []
    for key in sorted(grouped, key=lambda key: (network_order(key[0]), *key[1:])):
        siblings = [other for other in grouped if other[0] == key[0]]
        differing = [
            name
            for index, name in enumerate(CONDITIONS)
            if len({other[index] for other in siblings}) > 1  # only those in which they differ
        ]
        trained: dict[str, dict[int, Training]] = {}
        for record in sorted(grouped[key], key=lambda record: (framework_order(record.framework), record.seed)):
            trained.setdefault(record.framework, {})[record.seed] = record
        words = [_word(name, grouped[key][0]) for name in differing]
        groups.append(Experiment(trained, ", ".join([*words, *([versions] if versions else [])]), versions))
    return groups


def _word(condition: str, record: Training) -> str:
    """One condition as a qualifier."""
    words = {
        "train_images": f"{count_text(record.train_images)} images",
        "test_images": f"{count_text(record.test_images)} test images",
        "batch": f"batch {record.batch}",
        "epochs_planned": some(record.epochs_planned, "epoch"),
        "replicas": some(record.replicas, "replica"),
        "synchronised": "batch norm over all replicas" if record.synchronised else "batch norm of each replica",
    }
    return words.get(condition) or str(getattr(record, condition))
