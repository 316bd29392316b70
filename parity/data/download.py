"""Download one file completely or not at all; without a network, fail within five seconds.

The transfer is pooch's, the bar rich's, and the temporary name that of every file of the suite: a file under its final
name is always complete.
"""

import threading
from pathlib import Path
from types import SimpleNamespace

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from parity.data.dataset import DataError, download_help
from parity.system import replacing

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
    try:
        size = _announced(url, answer_seconds)
    except requests.RequestException as error:
        raise _failed(url, target, error) from error
    try:
        with replacing(target, size) as temporary:
            try:
                _transfer(url, temporary, target.name, (answer_seconds, stall_seconds), visible=progress)
            except requests.RequestException as error:  # an OSError too, which would say that no file could be written
                raise _failed(url, target, error) from error
            checksum = pooch.file_hash(str(temporary), alg="sha256")
            if checksum != sha256:
                raise DataError(
                    f"{url}: expected SHA-256 {sha256}, received {temporary.stat().st_size:,} bytes with {checksum}. "
                    f"A proxy or a login page may have answered in the server's place. {download_help(url, target)}"
                )
    except OSError as error:
        raise DataError(f"{error} {download_help(url, target)}") from error
    return target


def _failed(url: str, target: Path, error: BaseException) -> DataError:
    """The error with the innermost cause: the outer causes only repeat it."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return DataError(f"{url}: download failed ({reason}). {download_help(url, target)}")


def _announced(url: str, seconds: float) -> int:
    """The size of the file in bytes that the server gives; 0 where it gives none.

    Asked for in a thread of its own, because a time-out given to requests bounds neither the name look-up, which hangs
    for longest where there is no network, nor the sum over a host's addresses. Raises requests.RequestException.
    """
    answers: list[requests.Response | requests.RequestException] = []

    def request_headers() -> None:
        try:
            answers.append(requests.head(url, timeout=seconds, allow_redirects=True))
        except requests.RequestException as error:
            answers.append(error)

    thread = threading.Thread(target=request_headers, daemon=True)
    thread.start()
    thread.join(seconds)
    answer = answers[0] if answers else requests.Timeout()
    if isinstance(answer, requests.Timeout):
        raise requests.Timeout(f"no answer within {seconds:g} s")
    if isinstance(answer, requests.RequestException):
        raise answer
    return int(answer.headers.get("content-length", 0))


def _transfer(url: str, path: Path, title: str, timeout: tuple[float, float], *, visible: bool) -> None:
    """Write what the server sends to `path`. Raises requests.RequestException, and OSError of the disk."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not visible) as display:
        task = display.add_task(title, total=None)
        bar: SimpleNamespace = (
            SimpleNamespace(  # what pooch asks of a bar; it sets `total` once the server has answered
                total=0,
                update=lambda size: display.update(task, advance=size, total=bar.total or None),
                reset=lambda: display.update(task, completed=0),
                close=lambda: None,
            )
        )
        pooch.HTTPDownloader(bar, CHUNK_BYTES, timeout=timeout)(url, str(path), None)
