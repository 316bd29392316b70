"""Save records in pytest-benchmark's JSON, including those that are not measurements of speed."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.storage.file import FileStorage

from parity.records.records import Record
from parity.records.saved_run import entry
from parity.system import unwritten, write_atomically

Keep = Callable[[Record], None]

SESSION = "pytest-benchmark"  # the name under which pytest-benchmark registers its session


class Kept:
    """A record in pytest-benchmark's session: saved with the benchmarks, but neither compared nor shown with them.

    The seconds of a proof or a training are not a measurement of speed: they are of one round, while other jobs ran.
    pytest-benchmark's session saves entries without an error by `as_dict`; it compares and shows entries that are true.
    """

    has_error = False

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self._entry = dict(entry)

    def __bool__(self) -> bool:
        """False: not to be compared or shown."""
        return False

    def as_dict(self, **_: Any) -> dict[str, Any]:
        """The entry of the saved run; the options of pytest-benchmark do not change it."""
        return self._entry


class CompleteRunStorage:
    """pytest-benchmark's folder of saved runs, in which no partly written run is left where the disk is full.

    The run is then saved in the system's folder for temporary files, because its records may have taken hours.
    `problem` says so once all tests are reported; pytest-benchmark itself would end in a traceback before that.
    """

    def __init__(self, storage: FileStorage) -> None:
        self._storage = storage
        self.problem = ""
        self.saved = False  # whether a run was saved: pytest-benchmark saves none without records

    def __str__(self) -> str:
        return str(self._storage)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def save(self, output_json: dict[str, Any], save: str) -> None:
        """Save a run as `<number>_<save>.json`.

        Args:
            output_json: the run.
            save: the name that was given with --benchmark-save.
        """
        before = set(self._storage.query())
        try:
            self._storage.save(output_json, save)
            self.saved = True
        except OSError as error:
            text = json.dumps(output_json, indent=4, default=str)
            path = Path(str(self._storage)) / f"{save}.json"
            for path in set(self._storage.query()) - before:
                path.unlink()
            refuge = Path(tempfile.gettempdir()) / f"{path.stem}-{os.getpid()}.json"
            self.problem = str(unwritten(error, path, len(text)))
            try:
                write_atomically(refuge, text)
            except OSError as again:
                self.problem += f" The run is lost: {again}"
            else:
                self.problem += f" The run is in {refuge} instead; move it, `parity report` reads it anywhere."


def compared_nothing(session: Any) -> bool:
    """Whether --benchmark-compare-fail was given, and no speed of this run is in a run that it is compared with."""
    if not session.compare_fail:
        return False
    before = {name for run in session.compared_mapping.values() for name in run}
    return not any(benchmark and benchmark.fullname in before for benchmark in session.benchmarks)


def keep(item: pytest.Item, record: Record) -> None:
    """Save a record with the run, under the name of a test. Without pytest-benchmark nothing is saved.

    Args:
        item: the test.
        record: what it found.
    """
    session = item.config.pluginmanager.get_plugin(SESSION)
    if session is None:
        return
    call = getattr(item, "callspec", None)
    session.benchmarks.append(
        Kept(entry(record, item.name, fullname=item.nodeid, param=call.id if call is not None else None))
    )
