"""Read the files of a tar or zip archive in memory: nothing is unpacked to disk, no path inside is followed."""

import hashlib
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

from parity.data.dataset import DataError

UNREADABLE = (
    EOFError,
    OSError,
    RuntimeError,  # a zip that is encrypted or compressed in a way that Python does not know
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def sha256(archive: Path) -> str:
    """The checksum of the archive itself, 64 hex digits.

    Raises:
        DataError: the file cannot be read.
    """
    with _data_errors(archive), archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def names(archive: Path) -> Iterator[str]:
    """The paths of the regular files in a zip or a tar (plain, gzip, bzip2 or xz), in its order.

    Paths are normalised. Links, absolute paths and paths that lead out of the archive are left out.

    Raises:
        DataError: the archive cannot be read, or is neither a zip nor a tar.
    """
    with _data_errors(archive):
        for name, _ in _files(archive):
            yield name


def read(archive: Path, selected: Callable[[str], object]) -> dict[str, bytes]:
    """Read some of the files of an archive.

    Args:
        archive: a zip or a tar, see `names`.
        selected: called with each path of `names`; files for which it returns something true are read.

    Returns:
        The contents by path; of two files with the same path, the later one.

    Raises:
        DataError: the archive cannot be read, or is neither a zip nor a tar.
    """
    with _data_errors(archive):
        return {name: content() for name, content in _files(archive) if selected(name)}


def _files(archive: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Path and reader of every regular file; a reader is cheap only until the next file is asked for."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            for info in zipped.infolist():
                if not info.is_dir() and (name := _path_inside(info.filename)):
                    yield name, partial(zipped.read, info)
    else:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                if member.isreg() and (name := _path_inside(member.name)):
                    yield name, cast(IO[bytes], tar.extractfile(member)).read  # only links and the like have none
            _require_end(tar)


def _require_end(tar: tarfile.TarFile) -> None:
    """Raise tarfile.ReadError unless the tar ends here with a block of zeros and nothing but zeros behind it.

    Without this a damaged header or a missing end would look like the end of the archive. Reading on to the very end
    also makes gzip and xz check their checksums.
    """
    stream = cast(IO[bytes], tar.fileobj)
    marked = stream.tell() >= tar.offset + tarfile.BLOCKSIZE
    if stream.read().strip(b"\0") or not marked:
        raise tarfile.ReadError("it breaks off, or a header inside it is damaged")


def _path_inside(name: str) -> str | None:
    """The normalised path, or None where it does not lie inside the archive."""
    path = posixpath.normpath(name)
    return None if path.startswith(("/", "../")) or path in (".", "..") else path


@contextmanager
def _data_errors(archive: Path) -> Iterator[None]:
    """Turn the errors that damaged archives raise into a DataError."""
    try:
        yield
    except UNREADABLE as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0].rstrip(": ")  # tarfile adds a line for every format
        raise DataError(
            f"{archive}: expected a complete .zip, .tar, .tar.gz or .tar.xz, found one that cannot be read ({reason}). "
            f"Make it readable, replace it by a complete copy, delete it if it was a download, or choose another path."
        ) from error
