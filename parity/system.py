"""The machine and its files: processor, memory, the project's folder, and files that are written completely or not."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent  # the folder that holds the packages


def high_water(pid: int | None = None) -> int:
    """The peak memory of a process; where the system does not record it, the memory that it uses now.

    Args:
        pid: of the process; None: this one.

    Returns:
        Bytes; 0 for a process that is not there.
    """
    try:
        for line in Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def is_short() -> bool:
    """Whether less than half of the machine's memory is available.

    Returns:
        By what the system can give without swapping, caches included.
    """
    memory = psutil.virtual_memory()
    return bool(memory.available < memory.total / 2)


def return_freed() -> None:
    """Return free memory of the heap to the system, where memory is short and the C library can do it.

    Arrays of a deep network are many and small: glibc keeps gigabytes of freed memory. Where there is enough, it is
    better kept, because to get it again from the system takes time.
    """
    if is_short():
        trim_heap()


def trim_heap() -> None:
    """Return free memory of the heap to the system, where the C library can do it."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


@lru_cache
def _facts() -> dict[str, str]:
    """The entries of the first processor in Linux's /proc/cpuinfo; empty on other systems."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.split("\n\n")[0]
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}


def cpu_model() -> str | None:
    """The processor's model name.

    Returns:
        Its architecture where the system does not give the name; None where it gives neither.
    """
    return _facts().get("model name") or platform.processor() or platform.machine() or None


def is_amd_with_avx2() -> bool:
    """Whether this is an AMD processor with AVX2.

    Returns:
        False also where the system does not say, as outside of Linux.
    """
    return _facts().get("vendor_id") == "AuthenticAMD" and "avx2" in _facts().get("flags", "").split()


FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or the user's share of it


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write all files, or none: first under temporary names in the same folders, then all are renamed, in order.

    Args:
        files: contents by path; folders are made.

    Raises:
        OSError: with a message for the user, see `unwritten`; no partly written file and no new folder stays.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_together({Path(folder, "a.txt"): b"one", Path(folder, "b.txt"): b"two"})
        ...     sorted(path.name for path in Path(folder).iterdir())
        ['a.txt', 'b.txt']
    """
    size = sum(map(len, files.values()))
    staged: dict[Path, Path] = {}
    folders = list(dict.fromkeys(parent for path in files for parent in path.parents if not parent.exists()))
    path = Path()
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(replaced(path))
            staged[path] = temporary_name(replaced(path))
            staged[path].write_bytes(content)
        for path, temporary in staged.items():
            temporary.replace(replaced(path))
    except BaseException as error:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            with contextlib.suppress(OSError):  # never made, or something lies in it
                folder.rmdir()
        if isinstance(error, OSError):
            raise unwritten(error, path, size) from None
        raise


@contextlib.contextmanager
def replacing(path: Path, size: int) -> Iterator[Path]:
    """A context with a temporary path in the folder of `path`, which is renamed to `path` at the end.

    Args:
        path: of the file or folder.
        size: the bytes that it will need, for the message of an error.

    Yields:
        The temporary path, at which nothing is yet; the caller makes the file or folder. It is removed after an error.

    Raises:
        OSError: as `write_together`.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(replaced(path))
        temporary = temporary_name(replaced(path))
        yield temporary
        temporary.replace(replaced(path))
    except BaseException as error:
        if temporary is not None:
            _remove(temporary)
        if isinstance(error, OSError):
            raise unwritten(error, path, size) from None
        raise


def replaced(path: Path) -> Path:
    """The path that a new file replaces: the target of a link.

    Raises:
        OSError: there is a device, a pipe or a socket.
    """
    target = path.resolve()
    if target.exists() and not target.is_file() and not target.is_dir():
        raise OSError(errno.EEXIST, "a device, a pipe or a socket is there, and no file")
    return target


def temporary_name(path: Path, suffix: str = "") -> Path:
    """A temporary path in the folder of `path`, so that it can be renamed; different for every process.

    Args:
        path: the final one.
        suffix: of `path`, to keep at the end of the temporary name.

    Returns:
        A hidden name with this process's number, which `remove_leftovers` knows.
    """
    before, after = _around_the_process(path, suffix)
    return path.with_name(f"{before}{os.getpid()}{after}")


def remove_leftovers(path: Path, suffix: str = "") -> None:
    """Remove files that killed processes left under temporary names of `path`. Never fails: others stay.

    Args:
        path: the final one.
        suffix: as in `temporary_name`.
    """
    before, after = _around_the_process(path, suffix)
    for leftover in path.parent.glob(f"{glob.escape(before)}*{glob.escape(after)}"):
        process = leftover.name.removeprefix(before).removesuffix(after)
        if process.isdecimal() and not psutil.pid_exists(int(process)):
            with contextlib.suppress(OSError):
                _remove(leftover)


def _around_the_process(path: Path, suffix: str) -> tuple[str, str]:
    return f".{path.name.removesuffix(suffix)}.", f".part{suffix}"


def unwritten(error: OSError, path: Path, size: int) -> OSError:
    """The same error with a message that says which file, how much space is needed and free, and what is kept.

    Call it after partly written files are removed: the free space is measured here.

    Args:
        error: of the system.
        path: the file.
        size: the bytes that it needs.

    Returns:
        A new error of the same class and `errno`, for the caller to raise.
    """
    reason = error.strerror or (os.strerror(error.errno) if error.errno else str(error))
    parts = [f"{path}: could not be written: {reason}."]
    if error.errno in FULL:
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        free = shutil.disk_usage(folder).free
        parts.append(f"{size:,} bytes are needed, {free:,} are free there. Free some space or choose another path.")
    elif error.errno == errno.EFBIG:
        parts.append(f"{size:,} bytes are needed, more than one file may have there (see `ulimit -f`).")
    parts.append("The earlier file is unchanged." if path.exists() else "There is no file, and no part of one.")
    replacement = type(error)(" ".join(parts))
    replacement.errno = error.errno  # and not strerror, with which Python would show these two alone
    return replacement


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)


def file_version(path: Path) -> tuple[int, int] | None:
    """Which of the files that have had this name it is now.

    Args:
        path: of a file that is replaced from time to time.

    Returns:
        Numbers that another file of this name has not; None where there is none.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_mtime_ns


def require_writable(path: Path) -> None:
    """Refuse a path to which no file can be written, before the work whose result it is for. Makes nothing.

    Args:
        path: of a file, which may exist, in a folder that need not.

    Raises:
        ValueError: the path is a directory, a device, or in a folder that cannot be written to.
    """
    if path.is_dir():
        raise ValueError(f"{path}: expected a file to write, found a directory. Name a file in it.")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: expected a file to write, found a device, a pipe or a socket. Name a file.")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        obstacle = "one that cannot be written to" if folder.is_dir() else "a file"
        raise ValueError(f"{path}: expected {folder} to be a directory to write to, found {obstacle}. Choose another.")


def write_atomically(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it: a reader sees the old file or the complete new one.

    Args:
        path: of the file; its folder is made.
        text: written as UTF-8.

    Raises:
        OSError: as `write_together`.
    """
    write_together({path: text.encode()})
