"""A disk that is really full: the message says which file, how many bytes and what is kept; no partial file stays."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from parity.records.saved_run import load_run, save_records
from parity.system import remove_leftovers, replacing, temporary_name, write_atomically, write_together
from parity.weights.files import load_state, save_state
from reports import write_report
from tests.command_line import parity
from tests.reports.report_records import PROOFS, SPEED, TRAINING, both, loss_curves, save

SIZE = 64 * 1024

BIG = "x" * (SIZE + 1)


@pytest.fixture(params=["tmpfs", "ulimit"])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A directory with room for so many bytes, or in which no file may be larger: two real errors of the system."""
    folder = tmp_path / "small"
    folder.mkdir()
    if request.param == "ulimit":
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE, hard))
        yield folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def refused(write: Callable[[], object], path: Path) -> str:
    """The message of the error that writing ends in; nothing but `path` and what was there before is there then."""
    before = {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()}
    with pytest.raises(OSError, match="could not be written") as caught:
        write()
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert {file: file.read_bytes() for file in path.parent.rglob("*") if file.is_file()} == before
    message = str(caught.value)
    assert message.startswith(f"{path}: could not be written: ")
    assert "bytes are needed" in message
    assert message.endswith(
        "The earlier file is unchanged." if path in before else "There is no file, and no part of one."
    )
    return message


def test_a_text(small: Path) -> None:
    path = small / "file.txt"
    assert f"{len(BIG):,} bytes are needed" in refused(lambda: write_atomically(path, BIG), path)
    write_atomically(path, "old")
    message = refused(lambda: write_atomically(path, BIG), path)
    if "No space" in message:
        assert f"{SIZE - 4096:,} are free there. Free some space or choose another path." in message
    assert path.read_text() == "old"
    deep = small / "new" / "folders" / "file.txt"
    refused(lambda: write_atomically(deep, BIG), deep)
    assert [entry.name for entry in small.iterdir()] == ["file.txt"]


def test_saved_records(small: Path) -> None:
    path = small / "run.json"
    save_records(path, PROOFS[:2], {})
    refused(lambda: save_records(path, [loss_curves({"float64": 3}, steps=400)] * 10, {}), path)
    save_records(path, PROOFS[:3], {})


def test_a_state(small: Path) -> None:
    path = small / "weights.safetensors"
    save_state({"a": np.ones(10, np.float32)}, path)
    message = refused(lambda: save_state({"a": np.ones(SIZE, np.float32)}, path), path)
    assert f"{4 * SIZE:,} bytes are needed" in message
    assert len(load_state(path)["a"]) == 10


def test_a_folder(small: Path) -> None:
    """As `parity repro` writes one."""
    path = small / "repro"

    def write() -> None:
        with replacing(path, SIZE) as temporary:
            temporary.mkdir()
            (temporary / "README.md").write_text("whole")
            np.savez(temporary / "repro.npz", a=np.ones(SIZE))

    refused(write, path)
    assert not list(small.iterdir())


@pytest.mark.parametrize("small", ["ulimit", pytest.param("tmpfs", marks=pytest.mark.slow)], indirect=True)
def test_a_report_and_its_pictures(small: Path, tmp_path: Path) -> None:
    """The old text keeps its old pictures."""
    write_report([save(tmp_path, PROOFS)], small / "report.md")
    many = [*PROOFS, *both(SPEED), *both(TRAINING), loss_curves({"float64": 20, "float64 paddle": 20})]
    run = save(tmp_path, many, name="0002_run.json")
    with pytest.raises(OSError, match=r"bytes are needed") as caught:
        limited(small, lambda: write_report([run], small / "report.md"))
    assert caught.value.errno in (errno.ENOSPC, errno.EFBIG)
    assert [entry.name for entry in small.rglob("*")] == ["report.md"]
    assert "Loss and accuracy" not in (small / "report.md").read_text()


def limited(small: Path, write: Callable[[], object]) -> None:
    """Where files are limited and not the disk, a picture is too large only under a lower limit."""
    if os.path.ismount(small):
        write()
        return
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    write()


@pytest.mark.slow
@pytest.mark.parametrize("small", ["tmpfs"], indirect=True)
def test_a_check_continues_where_it_cannot_be_saved(small: Path) -> None:
    """The proofs are shown all the same; the exit code is not that of a check that is kept."""
    (small / "filler").write_bytes(b"x" * (SIZE - 4096))
    done = parity("check", "lenet5", "--dataset", "generated", "--save", small / "run.json", code=2)
    message = " ".join(done.stderr.split())
    assert "run.json: could not be written: No space left on device." in message
    assert "What comes next is still done, and saved if it can be." in message
    assert "lenet5: EQUAL" in done.stdout
    assert [entry.name for entry in small.iterdir()] == ["filler"]


@pytest.mark.parametrize("small", ["tmpfs"], indirect=True)
def test_a_run_of_the_suite_is_saved_elsewhere_where_its_own_disk_is_full(small: Path, tmp_path: Path) -> None:
    """All tests are reported, nothing half-written lies among the saved runs, and the records are not lost."""
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["parity.suite.conftest"]\n')
    proof = 'Proof("lenet5", 1, "transfer certificate", True, "images", {"arrays": 1}, 0.0, 0.0)'
    (tmp_path / "test_kept.py").write_text(
        f"from parity.records.records import Proof\n\ndef test_proof(keep):\n    keep({proof})\n"
    )
    (small / "filler").write_bytes(b"x" * (SIZE - 12288))
    (tmp_path / "elsewhere").mkdir()
    plugins = ("-p", "parity.suite.plugin", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *plugins, f"--benchmark-storage={small}", "--benchmark-save=a"]
    surroundings = os.environ | {"TMPDIR": str(tmp_path / "elsewhere")}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=surroundings
        )

    assert run().returncode == 0
    (small / "filler").write_bytes(b"x" * (SIZE - 8192))
    done = run()
    assert done.returncode == pytest.ExitCode.INTERNAL_ERROR
    message = " ".join(done.stdout.split())
    assert "0002_a.json: could not be written: No space left on device." in message
    assert "Traceback" not in done.stdout + done.stderr
    assert "1 passed" in done.stdout.splitlines()[-1]
    assert [path.name for path in small.rglob("*.json")] == ["0001_a.json"]
    (saved,) = (tmp_path / "elsewhere").glob("0002_a-*.json")
    assert [record.kind for record, _ in load_run(saved).entries] == ["proof"]


def test_all_files_or_none(small: Path) -> None:
    old, new = small / "old.txt", small / "new.txt"
    old.write_text("old")
    with pytest.raises(OSError, match=r"new\.txt: could not be written"):
        write_together({old: b"changed", new: BIG.encode()})
    assert {entry.name: entry.read_text() for entry in small.iterdir()} == {"old.txt": "old"}


@pytest.mark.parametrize("small", ["ulimit", pytest.param("tmpfs", marks=pytest.mark.slow)], indirect=True)
def test_the_command_says_it_in_one_message(small: Path, tmp_path: Path) -> None:
    run = save(tmp_path, [loss_curves({"float64": 20, "float64 paddle": 20}), *both(TRAINING), *both(SPEED)])
    filler = small / "filler"
    filler.write_bytes(b"x" * (SIZE - 8192))
    command = [str(Path(sys.executable).with_name("parity")), "report", str(run), "-o", str(small / "report.md")]

    def lower() -> None:
        if not os.path.ismount(small):
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, preexec_fn=lower, cwd=tmp_path
    )
    assert done.returncode == 2
    message = " ".join(done.stderr.split())
    assert "could not be written" in message
    assert "bytes are needed" in message
    assert "Traceback" not in message
    assert [entry.name for entry in small.rglob("*")] == ["filler"]


WRITER = """
import os, signal, sys
from pathlib import Path
from parity.system import replacing
with replacing(Path(sys.argv[1]), 1) as temporary:
    temporary.write_text("half")
    print("written", flush=True)
    signal.pause() if sys.argv[2] == "stay" else os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_write(tmp_path: Path) -> None:
    """And not what another process is about to write, nor what only looks like it."""
    path = tmp_path / "weights[1].npz"
    command = [sys.executable, "-c", WRITER, str(path)]
    killed = subprocess.run([*command, "die"], stdout=subprocess.PIPE, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1, "nothing was left: nothing is shown"
    with subprocess.Popen([*command, "stay"], stdout=subprocess.PIPE) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == b"written\n"
        others = [tmp_path / f".{path.name}.{writing.pid}.part", tmp_path / f".{path.name}.mine.part"]
        others[1].touch()
        write_atomically(path, "whole")
        assert sorted(tmp_path.iterdir()) == sorted([*others, path])
        writing.kill()
    write_atomically(path, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([others[1], path])


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "elsewhere" / "run.json", tmp_path / "run.json"
    target.parent.mkdir()
    link.symlink_to(target)
    for text in ("first", "second"):
        write_atomically(link, text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert [entry.name for entry in target.parent.iterdir()] == ["run.json"]


def test_what_is_no_file_is_refused_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a device, a pipe or a socket is there"):
        write_atomically(pipe, "text")
    with pytest.raises(OSError, match="a device, a pipe or a socket is there"), replacing(pipe, 1) as temporary:
        temporary.touch()
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]
    done = parity("check", "lenet5", "--save", pipe, code=2)
    assert f"{pipe}: expected a file to write, found a device, a pipe or a socket" in " ".join(done.stderr.split())


def test_a_temporary_name_keeps_a_suffix_and_leftovers_with_it_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f".big.{ended.pid}.part.keras"
    left.touch()
    path = tmp_path / "big.keras"
    assert temporary_name(path, ".keras") == tmp_path / f".big.{os.getpid()}.part.keras"
    remove_leftovers(path)
    assert left.exists(), "not one of the names without the suffix"
    remove_leftovers(path, ".keras")
    assert not left.exists()
