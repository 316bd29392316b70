"""A run on disk: its records in pytest-benchmark's JSON, written whole and read with checks."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parity import __version__
from parity.records.records import (
    CrossEvaluation,
    Curves,
    Detection,
    Equivalence,
    Innocence,
    Migration,
    Overhead,
    Proof,
    Record,
    RecordError,
    RuleProof,
    Speed,
    Training,
)
from parity.system import write_atomically

RECORDS = (
    Proof, RuleProof, Detection, Innocence, Speed, Training, Overhead, Curves, Equivalence, CrossEvaluation, Migration,
)  # fmt: skip

KINDS: dict[str, type[Record]] = {cls.kind: cls for cls in RECORDS}

_OLD_RULE = re.compile(r"test_update_rule\[(\w+)\]")

# What an entry's name is made of, where the record has it: what tells the records of one file apart.
_NAMING = ("network", "level", "trap", "change", "rule", "framework", "stage", "trained_in", "seed")

_COUNTED = ("level", "seed")  # numbers, which say nothing without the word


def entries(records: Sequence[Record]) -> list[dict[str, Any]]:
    """An entry of a saved run's `benchmarks` for each record, under names of which none occurs twice.

    pytest-benchmark's tools compare by `fullname`; of records that nothing in the name tells apart, the second is
    called `name (2)`.
    """
    params = [{name: facts[name] for name in _NAMING if name in facts} for facts in map(Record.as_dict, records)]
    used: Counter[str] = Counter()
    found = []
    for record, own in zip(records, params, strict=True):
        label = "-".join(f"{name}{value}" if name in _COUNTED else str(value) for name, value in own.items())
        name = f"{record.kind}[{label}]"
        used[name] += 1
        if used[name] > 1:
            name = f"{name} ({used[name]})"
        found.append(entry(record, name, param=label, params=own))
    return found


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


@dataclass(frozen=True)
class SavedRun:
    """One saved run: where it came from, its environment, its records, and the timing statistics of each."""

    path: Path
    datetime: str
    environment: dict[str, Any]  # machine_info["parity"]
    machine: dict[str, Any]  # pytest-benchmark's machine_info
    entries: list[tuple[Record, dict[str, Any]]]  # record, pytest-benchmark's stats (seconds): median, iqr, rounds, ...


def load_run(path: Path) -> SavedRun:
    """Read a saved run. Raises RecordError naming the file when it is not one."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read as a saved run (JSON of pytest-benchmark): {error}") from None
    if not isinstance(saved, dict) or not isinstance(saved.get("benchmarks"), list):
        raise RecordError(f"{path}: expected the JSON of `pytest --benchmark-save`, found no list named 'benchmarks'")
    entries: list[tuple[Record, dict[str, Any]]] = []
    for benchmark in saved["benchmarks"]:
        info = _of_today(benchmark.get("extra_info", {}), benchmark.get("name"))
        kind = KINDS.get(info.get("kind", ""))
        if kind is None:
            continue  # a benchmark that is not one of ours may share the file
        try:
            entries.append((kind.from_dict(info), benchmark.get("stats", {})))
        except (RecordError, TypeError) as error:
            raise RecordError(f"{path}: benchmark {benchmark.get('name')!r}: {error}") from None
    machine = saved.get("machine_info", {})
    return SavedRun(path, saved.get("datetime", ""), machine.get("parity", {}), machine, entries)


def _of_today(info: dict[str, Any], name: Any) -> dict[str, Any]:
    """A record of a run that was saved before update rules had a kind of their own: the test's name tells them."""
    old = _OLD_RULE.fullmatch(str(name)) if info.get("kind") == Proof.kind else None
    return info | {"kind": RuleProof.kind, "rule": old[1]} if old else info


def save_records(path: Path, records: Sequence[Record], environment: Mapping[str, Any]) -> None:
    """Write records that a report can be made of, such as the comparison of finished trainings. Raises OSError."""
    with _without_interruption():
        write_atomically(path, _as_text(records, environment))


@contextlib.contextmanager
def _without_interruption() -> Iterator[None]:
    """Ctrl-C, and SIGTERM where it ends a run likewise, meanwhile take effect at the end."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
        yield
        return
    came: list[int] = []
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handled = {number: handler for number, handler in usual.items() if callable(handler)}
    for number in handled:
        signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if came:
        handled[signal.Signals(came[0])](came[0], None)


def _as_text(records: Sequence[Record], environment: Mapping[str, Any]) -> str:
    """The JSON that `parity.records.saved_run.load_run` and pytest-benchmark's own tools read."""
    run = {
        "machine_info": {"parity": dict(environment)},
        "commit_info": {},
        "benchmarks": entries(records),
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
    }
    return json.dumps(run, indent=2) + "\n"
