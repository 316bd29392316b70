"""The run matrix of a store: which trainings are there and how far each has come, without any worker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from parity.records.records import Training
from parity.records.saved_run import load_run
from parity.records.validation import RecordError
from parity.training.checkpoint import KEY
from parity.training.fingerprint import fingerprint
from parity.training.store import Store, TrainingFiles
from parity.weights.files import read_metadata
from parity.weights.state import StateError
from parity.workers.frameworks import FRAMEWORKS

EntryState = Literal["done", "running", "waiting", "stopped", "failed", "not begun"]

NAME = re.compile(
    rf"(?P<network>.+)-(?P<framework>{'|'.join(FRAMEWORKS)})-seed(?P<seed>\d+)(?P<variant>(-[^.]+?)??)"
    r"((-partial)?\.json|\.checkpoint\.safetensors|\.lock)"
)

SUFFIXES = (".json", ".checkpoint.safetensors")


@dataclass(frozen=True)
class MatrixEntry:
    """One training of a matrix.

    Attributes:
        network: its name.
        variant: what of recipe, precision, mode and sharing is not the default; empty where all is.
        framework: its name.
        seed: of the training.
        state: "done"; "running" in another process; "waiting" for that process to come to it; "stopped" between two
            epochs; "failed", as one does that ended with a problem; "not begun". Behind a URL nothing says what runs.
        epochs: finished; of one that is "stopped" those in its checkpoint, after which it goes on.
        planned: epochs in all; 0 where that is not known.
        record: of a training that is done or has failed.
        problem: why it failed, or why its files cannot be read.
        goes_on_after: epochs in the checkpoint of one that is "stopped" or "failed", from which the next start goes
            on; 0: it begins anew, or its checkpoint cannot be read.
    """

    network: str
    variant: str
    framework: str
    seed: int
    state: EntryState
    epochs: int = 0
    planned: int = 0
    record: Training | None = None
    problem: str = ""
    goes_on_after: int = 0

    @property
    def row(self) -> tuple[str, str]:
        """Network and variant: the trainings that are compared with each other."""
        return self.network, self.variant


def matrix_of(store: Store, networks: Sequence[str] = (), seeds: int = 0) -> list[MatrixEntry]:
    """The trainings of a store.

    Args:
        store: where they are kept.
        networks: of which; none: of all.
        seeds: as many from seed 0 on are expected of every network, in both frameworks; those that the store does not
            have are "not begun".

    Returns:
        In the order of network, variant, seed and framework.

    Raises:
        RemoteError: the files of a store behind a URL cannot be read.
    """
    if store.remote is not None:
        store.remote.pull(name for name in store.remote.names() if name.endswith(SUFFIXES))
    entries: dict[tuple[str, str, str, int], MatrixEntry] = {}
    for files, name in _trainings(store):
        if not networks or name["network"] in networks:
            place = name["network"], name["variant"].lstrip("-"), name["framework"], int(name["seed"])
            if (entry := _entry(files, *place)) is not None:
                entries[place] = entry
    rows = {entry.row for entry in entries.values()} | {(name, "") for name in networks}
    for network, variant in rows:
        for framework in FRAMEWORKS:
            for seed in range(seeds):
                place = network, variant, framework, seed
                entries.setdefault(place, MatrixEntry(*place, "not begun"))
    order = list(FRAMEWORKS)
    return sorted(entries.values(), key=lambda entry: (entry.row, entry.seed, order.index(entry.framework)))


def _trainings(store: Store) -> Iterator[tuple[TrainingFiles, dict[str, Any]]]:
    """The files of every training, once, with the parts of their name."""
    stems: dict[str, dict[str, Any]] = {}
    for path in sorted(store.folder.iterdir()):
        if match := NAME.fullmatch(path.name.removeprefix(".")):
            parts = match.groupdict()
            stems[f"{parts['network']}-{parts['framework']}-seed{parts['seed']}{parts['variant']}"] = parts
    for stem, parts in stems.items():
        yield TrainingFiles(store.folder, stem), parts


def _entry(files: TrainingFiles, network: str, variant: str, framework: str, seed: int) -> MatrixEntry | None:
    """What the files say; None where they are those of a training that was given up before its first epoch ended."""
    place = network, variant, framework, seed
    epochs, configured, problem = _checkpoint(files.checkpoint)
    record = _record(files.record) or _record(files.partial)
    if record is not None and (record.network, record.framework, record.seed) != (network, framework, seed):
        found = f"{record.network}, {record.framework}, seed {record.seed}"
        problem = f"{files.stem}: expected the training that its name says, found that of {found}"
        return MatrixEntry(*place, "failed", problem=problem)
    planned = record.epochs_planned if record else 0
    locked = _locked(files)
    if locked and files.running.exists():
        return MatrixEntry(*place, "running", epochs, planned)
    if problem or (record is None and files.record.exists()):
        problem = problem or f"{files.record.name} cannot be read"
        return MatrixEntry(*place, "failed", epochs, planned, problem=problem, goes_on_after=epochs)
    # beside a finished training lies the checkpoint of another or a longer one, or what a process left that was killed
    unfinished = files.checkpoint.exists() and (
        record is None or configured != record.configuration or epochs > record.epochs_planned
    )
    if record is not None and files.record.exists() and record.finished and not unfinished:
        return MatrixEntry(*place, "done", len(record.epochs), planned, record)
    if record is not None and record.problems and not record.problems[0].startswith("interrupted"):
        finished, problem = max(epochs, len(record.epochs)), "; ".join(record.problems)
        return MatrixEntry(*place, "failed", finished, planned, record, problem, goes_on_after=epochs)
    if locked:
        return MatrixEntry(*place, "waiting", epochs, planned, record, goes_on_after=epochs)
    if record is None and not files.checkpoint.exists():
        return None
    return MatrixEntry(*place, "stopped", epochs, planned, record, goes_on_after=epochs)


def _record(path: Path) -> Training | None:
    try:
        return next((record for record, _ in load_run(path).entries if isinstance(record, Training)), None)
    except RecordError:  # no such file, or a damaged one
        return None


def _checkpoint(path: Path) -> tuple[int, str, str]:
    """Finished epochs in a checkpoint, of which configuration, and why it cannot be read; 0 where there is none."""
    if not path.exists():
        return 0, "", ""
    try:
        facts = json.loads(read_metadata(path)[KEY])
        return len(facts["epochs"]), fingerprint(facts["configuration"]), ""
    except (StateError, ValueError, KeyError, TypeError) as error:
        return 0, "", f"{path.name} cannot be read ({error})"


def _locked(files: TrainingFiles) -> bool:
    """Whether a process trains it at the moment, or will."""
    if not files.lock.exists():
        return False
    try:
        with FileLock(files.lock, timeout=0):
            return False
    except Timeout:
        return True
