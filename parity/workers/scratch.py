"""A folder for temporary files: removed by the process that made it, or at the next start where that was killed.

A folder that is in use is locked. The system releases the lock of a process that has ended for any reason. Process ids
are not used, because the system gives them again. So runs at the same time do not remove each other's folders.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

PREFIX = "parity-worker-"

_NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]{8}")  # as `tempfile` makes them

_swept: set[str] = set()  # directories in which this process has removed unused folders


class Scratch:
    """A new temporary folder that only this user can read, locked while this process needs it.

    A context manager that gives the path, and removes the folder.
    """

    def __init__(self) -> None:
        """Make the folder; the first time in a process, also remove the folders that killed processes left."""
        parent = tempfile.gettempdir()
        if parent not in _swept:
            _swept.add(parent)
            sweep(Path(parent))
        self._lock: int | None = None
        while self._lock is None:  # a sweep of another process may come between the two lines
            self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
            try:
                self._lock = _lock(self.path)
            except OSError:  # a file system without locks: no process gets one, so none removes the folder
                break

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._folder.name)

    def __enter__(self) -> Path:
        """The folder's path."""
        return self.path

    def __exit__(self, *_: object) -> None:
        """Remove the folder."""
        self.remove()

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._folder.cleanup()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def sweep(parent: Path) -> None:
    """Remove this user's folders whose process has ended. Never fails: what cannot be removed stays.

    Args:
        parent: the directory that holds them.
    """
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path))


def _remove_if_left(folder: Path) -> None:
    attributes = folder.lstat()
    if not stat.S_ISDIR(attributes.st_mode) or attributes.st_uid != os.getuid():
        return
    lock = _lock(folder)
    if lock is None:  # in use
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _lock(folder: Path) -> int | None:
    """An open descriptor that holds the lock of a folder; None where another process holds it or removed the folder.

    Raises OSError where the file system has no locks.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)  # not inherited by the worker
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.exists() and folder.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
