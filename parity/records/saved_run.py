"""A run on disk: its records in pytest-benchmark's JSON, written whole and read with checks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field

from parity import __version__
from parity.records.accuracy_records import CrossEvaluation, Equivalence, SequentialErrors
from parity.records.earlier_forms import of_today
from parity.records.environment import Environment
from parity.records.migrations import Migration
from parity.records.records import ControlRun, Curves, Detection, Proof, Record, RuleProof, Training
from parity.records.replicas import ReductionSpeed, ReplicaDetection, ReplicaProof, ReplicaSpeed
from parity.records.speed_records import Overhead, Profile, Speed, Trial
from parity.records.validation import RecordError, validated
from parity.system import write_atomically
from parity.termination import without_interruption

RECORDS = (
    Proof, RuleProof, Detection, ControlRun, Speed, Training, Overhead, Curves, Equivalence, CrossEvaluation, Migration,
    ReplicaProof, ReplicaDetection, ReplicaSpeed, ReductionSpeed, SequentialErrors, Trial,
    Profile,
)  # fmt: skip

RECORD_TYPES: dict[str, type[Record]] = {str(cls.__struct_config__.tag): cls for cls in RECORDS}

_KINDS: Any = Literal[tuple(RECORD_TYPES)]

# The fields of a record that its entry's name is made of, where it has them.
_NAMING = (
    "network", "level", "trap", "fault", "change", "rule", "framework", "stage", "trained_in", "distributions",
    "deviations", "true_difference", "seed", "elements",
)  # fmt: skip

_COUNTED = ("level", "true_difference", "seed")  # numbers, which are not clear without the field's name


def entries(records: Sequence[Record]) -> list[dict[str, Any]]:
    """An entry of a saved run's `benchmarks` for each record, under names of which none occurs twice.

    pytest-benchmark's tools compare by `fullname`; where two records would have the same name, the second is
    called `name (2)`.
    """
    params = [{name: facts[name] for name in _NAMING if name in facts} for facts in map(Record.as_dict, records)]
    used: Counter[str] = Counter()
    saved_entries = []
    for record, own in zip(records, params, strict=True):
        label = "-".join(f"{name}{value}" if name in _COUNTED else _label(value) for name, value in own.items())
        name = f"{record.kind}[{label}]"
        used[name] += 1
        if used[name] > 1:
            name = f"{name} ({used[name]})"
        saved_entries.append(entry(record, name, param=label, params=own))
    return saved_entries


def _label(value: Any) -> str:
    """A value in an entry's name: that of each framework where there is one."""
    return "/".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def entry(
    record: Record,
    name: str,
    *,
    fullname: str | None = None,
    group: str | None = None,
    param: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The record as `parity.records.saved_run.load_run` and pytest-benchmark's own tools read it.

    Its statistics are those of one round of the record's `seconds`, or of none where it has no time of its own.

    Args:
        record: any record.
        name: the entry's name, unique in its file.
        fullname: by which pytest-benchmark's tools compare; `name` without one.
        group: of pytest-benchmark; the record's kind without one.
        param: the parameters of `name` in one text.
        params: the same by their names.

    Returns:
        Plain JSON values.
    """
    facts = record.as_dict()
    seconds = facts.get("seconds", 0.0)
    same = dict.fromkeys(("min", "max", "mean", "median", "q1", "q3", "total", "ld15iqr", "hd15iqr"), seconds)
    none = dict.fromkeys(("stddev", "iqr", "iqr_outliers", "stddev_outliers"), 0)
    rest = {"outliers": "0;0", "rounds": 1, "iterations": 1, "ops": 1 / seconds if seconds else 0}
    return {
        "group": group or record.kind,
        "name": name,
        "fullname": fullname or name,
        "params": dict(params) if params is not None else None,
        "param": param,
        "extra_info": facts,
        "options": {},
        "stats": same | none | rest,
    }


class Stats(Struct, frozen=True):
    """What this suite reads of pytest-benchmark's statistics, which are more."""

    median: float | None = None  # seconds
    iqr: float | None = None  # interquartile range, seconds
    rounds: int | None = None


@dataclass(frozen=True)
class SavedRun:
    """One saved run: where it came from, its environment, its records, and the timing statistics of each."""

    path: Path
    datetime: str
    environment: Environment  # machine_info["parity"]
    entries: list[tuple[Record, Stats]]


class _Benchmark(Struct):
    """An entry of pytest-benchmark's, which has further fields."""

    name: str = ""
    extra_info: dict[str, Any] = {}
    stats: Stats = Stats()


class _Machine(Struct):
    parity: Environment = Environment()


class _File(Struct):
    """What this suite reads of pytest-benchmark's JSON, which has further fields."""

    benchmarks: list[_Benchmark]
    machine_info: _Machine = field(default_factory=_Machine)
    datetime: str = ""


REMEDY = "Leave this file out, or make the run again with this version of the suite."


def load_run(path: Path) -> SavedRun:
    """Read a saved run, one of an earlier version too.

    Benchmarks that are not this suite's may share the file: they are left out.

    Args:
        path: JSON of `pytest --benchmark-save` or `parity train`.

    Returns:
        The run; every record is of the types and within the ranges that its class declares.

    Raises:
        RecordError: the file is no such JSON, or something in it is not what it should be. The message names the file,
            the path within it, what was expected there and what was found.
    """
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(
            f"{path}: cannot be read as a saved run (JSON of pytest-benchmark): {error}. {REMEDY}"
        ) from None
    try:
        file = validated(saved, _File)
        entries = [
            (record, benchmark.stats)
            for number, benchmark in enumerate(file.benchmarks)
            if (record := _record(benchmark, f"benchmarks[{number}].extra_info")) is not None
        ]
    except RecordError as error:
        raise RecordError(f"{path}: {error}. {REMEDY}") from None
    return SavedRun(path, file.datetime, file.machine_info.parity, entries)


def _record(benchmark: _Benchmark, where: str) -> Record | None:
    """The record of a benchmark, which is at that path; None where it is none of this suite's."""
    info = of_today(benchmark.extra_info, benchmark.name)
    if "network" not in info and str(info.get("kind")) not in RECORD_TYPES:
        return None  # a record whose kind is not known would have a network
    kind = validated(info.get("kind"), _KINDS, f"{where}.kind")
    return validated(info, RECORD_TYPES[kind], where)


def save_records(path: Path, records: Sequence[Record], environment: Mapping[str, Any]) -> None:
    """Write records that a report can be made of, such as the comparison of finished trainings.

    The file is replaced as a whole; Ctrl-C takes effect after it.

    Args:
        path: of the JSON file; its folder exists.
        records: in the order in which they are kept.
        environment: as `parity.workers.environment.collect` gives it.

    Raises:
        OSError: the file cannot be written; one that was there is kept.
    """
    with without_interruption():
        write_atomically(path, run_text(records, environment))


def run_text(records: Sequence[Record], environment: Mapping[str, Any]) -> str:
    """A run as JSON, which `load_run` and pytest-benchmark's own tools read.

    Args:
        records: of the run.
        environment: the environment record.

    Returns:
        The text of a file.
    """
    run = {
        "machine_info": {"parity": dict(environment)},
        "commit_info": {},
        "benchmarks": entries(records),
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
    }
    return json.dumps(run, indent=2) + "\n"
