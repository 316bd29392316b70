"""Download one file whole or not at all, and find out within five seconds that there is no network.

The bytes go to a name that ends in .part and are renamed only after their checksum was right, so a file under its
final name is always complete. The transfer itself is pooch's.
"""

import contextlib
import os
import queue
import threading
import time
from pathlib import Path

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from parity.data.dataset import DataError
from parity.data.registry import way_out
from parity.system import unwritten

ANSWER_SECONDS = 4.0  # for name look-up, connection and first answer together

STALL_SECONDS = 20.0  # without a single byte during the transfer

CHUNK_BYTES = 1 << 18


def fetch(
    url: str,
    folder: Path,
    sha256: str,
    *,
    progress: bool = False,
    answer_seconds: float = ANSWER_SECONDS,
    stall_seconds: float = STALL_SECONDS,
) -> Path:
    """Download `url` into `folder` under the URL's last component, replacing a file of that name.

    Args:
        url: http or https; the usual proxy variables of the environment are honoured.
        folder: made if it does not exist.
        sha256: the expected checksum, 64 hex digits.
        progress: whether to draw a progress bar on stderr.
        answer_seconds: the server must have answered by then.
        stall_seconds: the transfer is given up after so long without a byte.

    Returns:
        The path of the complete file.

    Raises:
        DataError: no network, a transfer that broke off, a wrong checksum or a folder that cannot be written. The
            message says what to do instead; no part of the file stays behind.
    """
    target = folder / url.rsplit("/", 1)[-1]
    partial = folder / f"{target.name}.{os.getpid()}.part"
    wanted = 0
    try:
        _require_answer(url, answer_seconds)
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target, older_than=2 * stall_seconds)
        try:
            with _Bar(target.name, visible=progress) as bar:
                transfer = pooch.HTTPDownloader(bar, CHUNK_BYTES, timeout=(answer_seconds, stall_seconds))
                try:
                    transfer(url, str(partial), None)
                finally:
                    wanted = int(bar.total or 0)  # what the server said
            found = pooch.file_hash(str(partial), alg="sha256")
            if found != sha256:
                raise DataError(
                    f"{url}: expected SHA-256 {sha256}, received {partial.stat().st_size:,} bytes with {found}. "
                    f"A proxy or a login page may have answered in the server's place. {way_out(url, target)}"
                )
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except requests.RequestException as error:  # an OSError too, so it comes first
        raise DataError(f"{url}: download failed ({_reason(error)}). {way_out(url, target)}") from error
    except OSError as error:
        raise DataError(f"{unwritten(error, target, wanted)} {way_out(url, target)}") from error
    return target


def _require_answer(url: str, seconds: float) -> None:
    """Raise requests.RequestException unless the server answers, whatever the answer, within `seconds`.

    In a thread of its own, because a time-out given to requests bounds neither the name look-up, which hangs for
    longest where there is no network, nor the sum over a host's addresses.
    """
    outcome: queue.SimpleQueue[requests.RequestException | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            requests.head(url, timeout=seconds).close()
            outcome.put(None)
        except requests.RequestException as error:
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = outcome.get(timeout=seconds)
    except queue.Empty:
        error = requests.Timeout()
    if isinstance(error, requests.Timeout):
        raise requests.Timeout(f"no answer within {seconds:g} s")
    if error is not None:
        raise error


def _remove_leftovers(target: Path, older_than: float) -> None:
    """Delete what killed downloads left; one still running in another process has written more recently."""
    for leftover in target.parent.glob(f"{target.name}.*.part"):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile: finished, or cleaned up by another process
            if time.time() - leftover.stat().st_mtime > older_than:
                leftover.unlink()


def _reason(error: BaseException) -> str:
    """The innermost cause in few words: the outer ones only repeat it inside class names and addresses."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class _Bar:
    """What pooch expects of a progress bar (total, update, reset, close), drawn by rich."""

    def __init__(self, title: str, visible: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._display = Progress(*columns, console=Console(stderr=True), disable=not visible)
        self._task = self._display.add_task(title, total=None)

    def __enter__(self) -> "_Bar":
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    @property
    def total(self) -> float | None:
        return self._display.tasks[0].total

    @total.setter
    def total(self, size: int) -> None:
        self._display.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        self._display.advance(self._task, size)

    def reset(self) -> None:
        self._display.update(self._task, completed=0)

    def close(self) -> None:
        """Nothing: leaving the context ends the display, after a failure too."""
