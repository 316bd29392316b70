"""Downloads against a real server on this machine: whole, wrong, stalled, refused, broken off."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from parity.data import download
from parity.data.dataset import DataError

CONTENT = bytes(range(256)) * 4096  # 1 MiB

SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/file is served whole; /drop and /pause end or stop half-way; /lost is not there."""

    def do_HEAD(self) -> None:
        self.send_response(404 if self.path == "/lost" else 200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        half = len(CONTENT) // 2
        self.wfile.write(CONTENT[:half])
        if self.path == "/pause":
            time.sleep(2)
        if self.path == "/file":
            self.wfile.write(CONTENT[half:])

    def log_message(self, *_: object) -> None:
        """Keep the test output quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refused() -> str:
    """An address at which nothing listens: its port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine the tests run on must not stand between the test and its server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("progress", [False, True])
def test_complete_file_arrives_alone(
    server: str, tmp_path: Path, progress: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    path = download.fetch(f"{server}/file", folder, SHA256, progress=progress)
    assert path == folder / "file"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    out, err = capfd.readouterr()
    assert out == ""
    assert bool(err) == progress


@pytest.mark.parametrize(
    ("page", "sha256", "reason"),
    [
        ("file", "0" * 64, "expected SHA-256 0000"),
        ("drop", SHA256, "IncompleteRead"),
        ("pause", SHA256, "timed out"),
        ("lost", SHA256, "404"),
    ],
)
def test_bad_transfer_leaves_nothing_and_says_what_to_do(
    server: str, tmp_path: Path, page: str, sha256: str, reason: str
) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        download.fetch(f"{server}/{page}", tmp_path, sha256, stall_seconds=0.5)
    assert list(tmp_path.iterdir()) == []
    for part in (server, str(tmp_path / page), "PARITY_DATA", "--dataset generated"):
        assert part in str(caught.value)


def test_bad_transfer_keeps_the_file_that_was_there(server: str, tmp_path: Path) -> None:
    (tmp_path / "drop").write_text("earlier")
    with pytest.raises(DataError):
        download.fetch(f"{server}/drop", tmp_path, SHA256)
    assert (tmp_path / "drop").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_refused_connection_is_found_at_once(refused: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(DataError, match="ConnectionRefused"):
        download.fetch(f"{refused}/file", tmp_path, SHA256)
    assert time.monotonic() - begin < 2
    assert list(tmp_path.iterdir()) == []


def test_silent_server_is_given_up_within_five_seconds(silent_server: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(DataError, match="no answer within 4 s"):
        download.fetch(f"{silent_server}/file", tmp_path, SHA256)
    assert time.monotonic() - begin < 5


@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
@pytest.mark.parametrize(("number", "left"), [(signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_interrupted_process_leaves_no_complete_looking_file(
    server: str, tmp_path: Path, number: signal.Signals, left: int
) -> None:
    code = "import pathlib, sys, parity.data.download as d; d.fetch(sys.argv[1], pathlib.Path(sys.argv[2]), '0' * 64)"
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{server}/pause", str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    process.wait(timeout=30)
    names = [path.name for path in tmp_path.iterdir()]
    assert names == [f".pause.{process.pid}.part"] * left


def test_leftovers_of_killed_downloads_go_and_running_ones_stay(server: str, tmp_path: Path) -> None:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = int(finished.stdout)
    for name in (f".file.{dead}.part", f".file.{os.getppid()}.part", f".other.{dead}.part"):
        (tmp_path / name).write_text("half")
    download.fetch(f"{server}/file", tmp_path, SHA256)
    assert {path.name for path in tmp_path.iterdir()} == {"file", f".file.{os.getppid()}.part", f".other.{dead}.part"}


def test_disk_with_too_little_space(server: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) // 2, hard))
    try:
        with pytest.raises(DataError, match=r"file: could not be written: .* 1,048,576 bytes are needed") as caught:
            download.fetch(f"{server}/file", tmp_path, SHA256)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert "PARITY_DATA" in str(caught.value)


def test_folder_that_cannot_be_made(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    with pytest.raises(DataError, match=r"file/file: could not be written"):
        download.fetch(f"{server}/file", tmp_path / "file", SHA256)
