"""Read saved runs and merge them: for each key, the record of the latest run.

Keys: proofs by (network, level); speed by (network, framework, what, batch); training by (network, framework, seed);
overhead by (network, framework, baseline).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from parity.networks import NETWORKS
from parity.results import Epoch, Overhead, Proof, Record, RecordError, SavedRun, Speed, Training, load_run
from reports.text import TITLES, framework_order

R = TypeVar("R", bound=Record)

SHAPES: dict[str, type] = {"compared": dict, "frameworks": dict, "problems": list, "ratios": list}


@dataclass(frozen=True)
class Sourced(Generic[R]):
    """A record with pytest-benchmark's statistics (seconds) and the run that it came from."""

    record: R
    stats: dict[str, Any]
    run: SavedRun


@dataclass(frozen=True)
class Evidence:
    """The merged records of all runs, each list in the catalogue's order of networks."""

    runs: list[SavedRun]  # oldest first
    proofs: list[Sourced[Proof]]
    speeds: list[Sourced[Speed]]
    trainings: list[Sourced[Training]]
    overheads: list[Sourced[Overhead]]

    @property
    def networks(self) -> list[str]:
        """Every network that was proven, timed or trained; the suite's own overhead says nothing about a network."""
        records: list[Record] = [*self.measured, *(item.record for item in self.proofs)]
        return sorted({_network(record) for record in records}, key=network_order)

    @property
    def measured(self) -> list[Speed | Training]:
        """The records of speed and training: what was timed."""
        return [*(item.record for item in self.speeds), *(item.record for item in self.trainings)]

    @property
    def frameworks(self) -> list[str]:
        """The project's two frameworks, and any other that a record or an environment names."""
        named = {record.framework for record in self.measured} | {item.record.framework for item in self.overheads}
        named |= {name for run in self.runs for name in lookup(run.environment, "frameworks") or {}}
        return sorted(named | set(TITLES), key=framework_order)

    def versions(self, framework: str) -> list[str]:
        """The versions of a framework in these runs, oldest run first, each once."""
        found = [lookup(run.environment, "frameworks", framework, "version") for run in self.runs]
        return list(dict.fromkeys(str(version) for version in found if version))

    @property
    def datasets(self) -> list[str]:
        """The titles of all data sets that were used, each once; drawn images are marked if their title does not."""
        titles = [*(item.record.dataset for item in self.proofs), *(item.record.dataset for item in self.trainings)]
        recorded = dict.fromkeys(title for title in titles if title)
        drawn = set()
        for run in self.runs:
            title, source = (lookup(run.environment, "dataset", key) for key in ("title", "source"))
            if title:
                recorded.setdefault(str(title))
                drawn |= {str(title)} if is_drawn(f"{title} {source}") else set()
        return [f"{title} (generated data)" if title in drawn and not is_drawn(title) else title for title in recorded]


def is_drawn(title: str) -> bool:
    """Whether a title or source tells of generated images in place of a real data set."""
    return any(word in title.lower() for word in ("generated", "synthetic"))


def lookup(environment: Any, *keys: str) -> Any:
    """The value at a path of keys, or None where any of them is absent."""
    for key in keys:
        if not isinstance(environment, dict):
            return None
        environment = environment.get(key)
    return environment


def network_order(network: str) -> tuple[int, str]:
    """Sort key: the catalogue's order, then names that it does not hold."""
    known = list(NETWORKS)
    return (known.index(network) if network in known else len(known), network)


def epochs_of(record: Training) -> list[Epoch]:
    """The finished epochs of a training record. Raises TypeError when one lacks a field or has one too many."""
    return [Epoch(**values) for values in record.epochs]


def read(paths: Sequence[Path]) -> Evidence:
    """Read and merge saved runs. "Later" is by the runs' own date; runs without one come first, in the order given.

    Raises:
        RecordError: a file is not a saved run, or none of the files holds a record of this suite.
    """
    runs = sorted((_load(Path(path)) for path in paths), key=_moment)
    if not any(run.entries for run in runs):
        names = ", ".join(str(path) for path in paths) or "no file was given"
        raise RecordError(
            f"nothing to report: expected records of proofs, speed or training, found none ({names}). "
            "Save some with `pytest parity/ --benchmark-save=NAME` or `parity train`."
        )
    return Evidence(
        runs,
        _merge(runs, Proof, lambda record: (record.network, record.level)),
        _merge(runs, Speed, lambda record: (record.network, record.framework, record.what, record.batch)),
        _merge(runs, Training, lambda record: (record.network, record.framework, record.seed)),
        _merge(runs, Overhead, lambda record: (record.network, record.framework, record.baseline)),
    )


def _load(path: Path) -> SavedRun:
    """One saved run whose epochs are readable too."""
    try:
        run = load_run(path)
        for record, _ in run.entries:
            if isinstance(record, Training):
                epochs_of(record)
            for name, shape in SHAPES.items():
                value: Any = getattr(record, name, shape())
                if not isinstance(value, shape):
                    raise TypeError(f"{name!r} of a {record.kind} record: expected a {shape.__name__}, found {value!r}")
    except (AttributeError, TypeError) as error:  # JSON of another shape: a list where an object belongs, and so on
        raise RecordError(f"{path}: not in the form of a saved run: {error}") from None
    return run


def _moment(run: SavedRun) -> datetime:
    """When the run was saved; the beginning of time when that is not recorded."""
    try:
        moment = datetime.fromisoformat(run.datetime)
    except (TypeError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _merge(runs: Sequence[SavedRun], kind: type[R], key: Callable[[R], tuple[Hashable, ...]]) -> list[Sourced[R]]:
    """The latest record of each key, in the catalogue's order of networks, then in the order of frameworks."""
    latest: dict[tuple[Hashable, ...], Sourced[R]] = {}
    for run in runs:
        for record, stats in run.entries:
            if isinstance(record, kind):
                latest[key(record)] = Sourced(record, stats if isinstance(stats, dict) else {}, run)

    def order(item: Sourced[R]) -> tuple[tuple[int, str], tuple[int, str]]:
        return network_order(_network(item.record)), framework_order(getattr(item.record, "framework", ""))

    return sorted(latest.values(), key=order)


def _network(record: Record) -> str:
    """The network of a record: every kind has one, though their base class does not say so."""
    return str(getattr(record, "network", ""))
