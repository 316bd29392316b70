"""One folder of trainings: records, weights, checkpoints. What is finished there is not trained again.

Every file is written under a temporary name and renamed, in this order: weights, record; then the checkpoint is
removed. So there is no record without its weights, and a process that is killed in between loses nothing.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from parity.catalogue.networks import network
from parity.records.records import Training
from parity.records.saved_run import load_run, run_text
from parity.records.validation import RecordError
from parity.system import remove_leftovers, replacing, write_atomically
from parity.termination import without_interruption
from parity.training.checkpoint import Checkpoint
from parity.training.fingerprint import fingerprint
from parity.training.remote_folder import RemoteError, RemoteFolder, is_url
from parity.training.run import Outcome, Settings
from parity.training.sharing import Sharing
from parity.weights.files import load_state, save_state
from parity.weights.state import StateError, digest
from parity.workers.scratch import Scratch

ALONE = Sharing()

LOCK_SECONDS = 1.0  # for which a lock may be held by one that only asks whether anybody holds it


class StoreError(Exception):
    """A training that cannot be kept in the store at the moment; the message says why and what to do."""


@dataclass(frozen=True)
class TrainingFiles:
    """The files of one training.

    Attributes:
        folder: they lie in.
        stem: that their names begin with.
        remote: that the folder mirrors; None: it is the store itself.
    """

    folder: Path
    stem: str
    remote: RemoteFolder | None = None

    @property
    def record(self) -> Path:
        """The finished training, in pytest-benchmark's form."""
        return self.folder / f"{self.stem}.json"

    @property
    def partial(self) -> Path:
        """As `record`, of a training that was interrupted or failed; removed when it finishes."""
        return self.folder / f"{self.stem}-partial.json"

    @property
    def weights(self) -> Path:
        """The final weights."""
        return self.folder / f"{self.stem}.safetensors"

    @property
    def lock(self) -> Path:
        """Locked by the process that trains this, or that will once others are done; it stays afterwards, empty."""
        return self.folder / f".{self.stem}.lock"

    @property
    def running(self) -> Path:
        """Exists while the training really runs; without a lock, it is left of a process that was killed."""
        return self.folder / f".{self.stem}.running"

    @property
    def checkpoint(self) -> Path:
        """The training between two epochs; removed when it finishes."""
        return self.folder / f"{self.stem}.checkpoint.safetensors"

    def keep_checkpoint(self, content: bytes) -> None:
        """Replace the checkpoint.

        Args:
            content: of the file.

        Raises:
            OSError: it could not be written; the earlier one stays.
        """
        with replacing(self.checkpoint, len(content)) as temporary:
            temporary.write_bytes(content)
        self.push(self.checkpoint)

    def push(self, *paths: Path) -> None:
        """Bring files to the remote folder, where there is one; those that do not exist are removed there.

        Args:
            paths: of this training's files, in the order in which they are written.

        Raises:
            RemoteError: one cannot be written.
        """
        if self.remote is not None:
            self.remote.push(path.name for path in paths)


@dataclass(frozen=True)
class TrainingStatus:
    """How far a training in the store has come."""

    finished: Outcome | None = None
    epochs: int = 0  # in the checkpoint; 0 where there is none
    replaces: str = ""  # why a finished training that is stored there is a different one; empty where none is


@dataclass(frozen=True)
class Store:
    """The folder; made at once, so that one that cannot be written to is refused before any training."""

    folder: Path
    remote: RemoteFolder | None = None
    write: bool = True

    @classmethod
    @contextlib.contextmanager
    def opened(cls, where: str, *, write: bool = True) -> Iterator[Store]:
        """The store at a path or URL.

        Args:
            where: the path of a folder, or a URL that fsspec knows ("s3://bucket/runs").
            write: whether it is to be written to; if not, nothing is made there.

        Yields:
            The store; that of a URL works in a temporary folder.

        Raises:
            StoreError: it cannot be written to; or it is only to be read, and does not exist.
        """
        if not is_url(where):
            yield cls(Path(where), write=write)
            return
        with Scratch() as folder:
            try:
                remote = RemoteFolder.open(where, folder, make=write)
            except RemoteError as error:
                raise StoreError(str(error)) from None
            yield cls(folder, remote, write)

    @property
    def title(self) -> str:
        """Where it is, for a reader."""
        return self.remote.url if self.remote else str(self.folder)

    def __post_init__(self) -> None:
        """Make the folder and try to write in it; one that is to be read must be there. Raises StoreError."""
        if not self.write:
            if not self.folder.is_dir():
                raise StoreError(
                    f"{self.folder}: expected the folder of `parity train --out`, found none. Check --out."
                )
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            reason = "a file" if self.folder.is_file() else error.strerror or str(error)
            raise StoreError(
                f"{self.folder}: expected a directory that can be written to, found: {reason}. Choose another."
            ) from None

    def files(self, name: str, framework: str, settings: Settings, sharing: Sharing = ALONE) -> TrainingFiles:
        """The files of a training.

        Args:
            name: of the network.
            framework: its name.
            settings: the seed, and a recipe, precision or mode that is not the default, are part of the file names.
            sharing: of several processes it is part of the file names, too.

        Returns:
            The paths; none need exist.
        """
        stem = "-".join([name, framework, f"seed{settings.seed}", *_unusual(name, settings, sharing)])
        return TrainingFiles(self.folder, stem, self.remote)

    def outcome_path(self, name: str, settings: Settings, sharing: Sharing = ALONE) -> Path:
        """The file of the comparison of a network's trainings.

        Args:
            name: of the network.
            settings: as for `files`; the seed is ignored.
            sharing: as for `files`.

        Returns:
            Of a file that need not exist.
        """
        return self.folder / ("-".join([name, *_unusual(name, settings, sharing)]) + "-outcome.json")


def _unusual(name: str, settings: Settings, sharing: Sharing) -> list[str]:
    own = network(name).recipe
    recipe = settings.recipe.name if settings.recipe else own
    parts = (recipe, own), (settings.precision, "float32"), (settings.mode, "auto")
    return [*(part for part, usual in parts if part != usual), *sharing.file_parts]


@contextlib.contextmanager
def locked(files: TrainingFiles) -> Iterator[None]:
    """Lock the files of a training, and remove partly written files of a process that was killed.

    The system releases the lock of a killed process.

    Args:
        files: of the training.

    Yields:
        Nothing: the lock is held within the context.

    Raises:
        StoreError: another process holds the lock.
        RemoteError: files cannot be read from the store's URL.
    """
    lock = FileLock(files.lock, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise StoreError(
            f"{files.folder}: another process is training {files.stem} there. Wait until it is done, or stop it, or "
            "write to another directory."
        ) from None
    paths = files.record, files.partial, files.weights, files.checkpoint
    try:
        files.running.unlink(missing_ok=True)
        for path in paths:
            remove_leftovers(path)
        if files.remote is not None:
            files.remote.pull(path.name for path in paths)
        yield
    finally:
        files.running.unlink(missing_ok=True)
        lock.release()


def training_status(files: TrainingFiles, configuration: Mapping[str, Any], epochs: int) -> TrainingStatus:
    """Whether exactly this training is stored, finished or as a checkpoint. Changes nothing.

    Args:
        files: of the training.
        configuration: see `parity.training.fingerprint.configuration`.
        epochs: its number of epochs in all.

    Raises:
        CheckpointError: the checkpoint is damaged, or another training's.
    """
    finished, replaces = _finished(files, fingerprint(configuration), epochs)
    if finished is not None:
        return TrainingStatus(finished)
    saved = Checkpoint.load(files.checkpoint, configuration, epochs)
    return TrainingStatus(epochs=len(saved.epochs) if saved else 0, replaces=replaces)


def _finished(files: TrainingFiles, expected: str, epochs: int) -> tuple[Outcome | None, str]:
    """The finished training, or the reason why it is not this one; empty where none is stored."""
    if not files.record.exists():
        return None, ""
    try:
        record = next(record for record, _ in load_run(files.record).entries if isinstance(record, Training))
        weights = load_state(files.weights)
    except (RecordError, StateError) as error:
        return None, str(error)
    except StopIteration:
        return None, f"{files.record}: it holds no training"
    if record.configuration != expected:
        return None, f"{files.record}: its configuration is another one (recipe, data, device, threads, versions, code)"
    if record.epochs_planned != epochs:
        return None, f"{files.record}: expected {epochs} epochs, found {record.epochs_planned}"
    if digest(weights) != record.weights_digest:
        return None, f"{files.weights}: these are not the weights that {files.record.name} describes"
    return Outcome(record, weights), ""


def save(files: TrainingFiles, outcome: Outcome, environment: Mapping[str, Any]) -> Path:
    """Write a finished training, or the record of a partial one. Ctrl-C waits until it is written.

    Args:
        files: where to.
        outcome: of the training; without weights it is partial.
        environment: the environment record, saved with it.

    Returns:
        The path of the record.

    Raises:
        OSError: it could not be written.
    """
    text = run_text([outcome.record], environment)
    with without_interruption():
        if outcome.weights is None:
            write_atomically(files.partial, text)
            files.push(files.checkpoint, files.partial)
            return files.partial
        save_state(outcome.weights, files.weights)
        write_atomically(files.record, text)
        for done in (files.checkpoint, files.partial):
            done.unlink(missing_ok=True)
        files.push(files.weights, files.record, files.checkpoint, files.partial)
    return files.record
