"""Load a data set as uint8 arrays: CIFAR-10 from its official binary files, or the generated shapes.

The binary version of CIFAR-10 is six files of 10,000 fixed records: one label byte, then the red, green and blue
planes of a 32x32 image. Nothing is unpickled and no archive is unpacked to disk: the known files are read, their
structure is checked, and anything else is an error that says what to do.

Source of the format and the data: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, 2009).
"""

import hashlib
import os
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from parity import generated

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
DIRECTORY = "cifar-10-batches-bin"
FILE_SHA256 = {  # in reading order: five files of training images, then the test images
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
CLASS_FILE = "batches.meta.txt"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
RECORDS = 10_000  # in every file
RECORD_BYTES = 1 + 3 * SIDE * SIDE

OFFICIAL = "CIFAR-10 (official files)"
UNOFFICIAL = "CIFAR-10 images (structure checked; not the official checksums)"


class DataError(Exception):
    """A data set cannot be had: says what was expected, what was found, where, and what to do next."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one data set, in the order of its files.

    Attributes:
        name: "cifar10" or "generated".
        title: what a report's title line says; tells official files from others.
        train_images: uint8 [N, 32, 32, 3], height, width, then RGB.
        train_labels: uint8 [N], indices into `classes`.
        test_images: uint8 [M, 32, 32, 3].
        test_labels: uint8 [M].
        classes: the class names, in label order.
        source: where the images came from, for a reader.
    """

    name: str
    title: str
    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    classes: tuple[str, ...]
    source: str

    def limited(self, limit: int | None) -> "Dataset":
        """The first `limit` training and at most `limit` test images (views); None means all.

        Raises:
            DataError: limit is below 1.
        """
        if limit is None:
            return self
        if limit < 1:
            raise DataError(f"limit: expected at least 1 image, found {limit}. Leave the limit out to use all images.")
        if limit >= max(len(self.train_images), len(self.test_images)):
            return self
        return replace(
            self,
            train_images=self.train_images[:limit],
            train_labels=self.train_labels[:limit],
            test_images=self.test_images[:limit],
            test_labels=self.test_labels[:limit],
        )


def load(dataset: str = "cifar10", *, seed: int = 0, download: bool = True, progress: bool = False) -> Dataset:
    """Load a data set by name or from a path.

    Args:
        dataset: "cifar10" ($PARITY_DATA, then the user's cache, then a download into that cache), "generated", or a
            path: a directory with the .bin files, its parent, or the official cifar-10-binary.tar.gz.
        seed: of the generated data set; CIFAR-10 does not depend on it.
        download: whether "cifar10" may be downloaded (162 MiB) when it is not on this machine.
        progress: whether to draw a download's progress on stderr.

    Raises:
        DataError: unknown name, nothing found, no network, or files that are not CIFAR-10's binary version.
    """
    if dataset == "generated":
        arrays = generated.generate(seed)
        return Dataset("generated", "generated 10-class shapes", *arrays, generated.CLASSES, f"drawn with seed {seed}")
    if dataset != "cifar10":
        path = Path(dataset).expanduser()
        if not path.exists():
            raise DataError(
                f"data set {dataset!r}: neither a known name nor an existing path. "
                f"Use 'cifar10', 'generated', or the path of {DIRECTORY}/, of its parent, or of {ARCHIVE}."
            )
        return _read(_locate_or_fail(path, "the path given as the data set"))

    found = find()
    if found is None:
        if not download:
            raise DataError(
                f"CIFAR-10: not found in {cache_dir()}, PARITY_DATA is not set, and downloading is switched off. "
                + way_out(URL, cache_dir() / ARCHIVE)
            )
        from parity.download import fetch  # here, because its HTTP libraries are slow to import and seldom needed

        found = fetch(URL, cache_dir(), ARCHIVE_SHA256, progress=progress)
    return _read(found)


def find() -> Path | None:
    """Where "cifar10" lies on this machine: a directory of .bin files or the archive; None if it must be downloaded.

    Looks in $PARITY_DATA if that is set, else in the user's cache. Only looks: `load` checks the content.

    Raises:
        DataError: $PARITY_DATA is set and holds no CIFAR-10. Falling back to other data would hide the mistake.
    """
    if chosen := os.environ.get("PARITY_DATA"):
        return _locate_or_fail(Path(chosen).expanduser(), "the environment variable PARITY_DATA")
    return _locate(cache_dir())


def cache_dir() -> Path:
    """The directory that a download is kept in; it need not exist."""
    return Path(platformdirs.user_cache_dir("parity"))


def way_out(url: str, target: Path) -> str:
    """What a user can do when `url` cannot be downloaded to `target`."""
    return (
        f"What to do: on a machine with a network download {url}, and either put it at {target} "
        f"or set PARITY_DATA to where it is; or run with `--dataset generated`, which needs no files."
    )


def _locate(place: Path) -> Path | None:
    """The archive, or the directory with at least one .bin file, that `place` is or holds."""
    if place.is_file():
        return place
    for directory in (place, place / DIRECTORY):
        if any((directory / name).is_file() for name in FILE_SHA256):
            return directory
    archive = place / ARCHIVE
    return archive if archive.is_file() else None


def _locate_or_fail(place: Path, origin: str) -> Path:
    found = _locate(place)
    if found is None:
        raise DataError(
            f"{place} ({origin}): expected {', '.join(FILE_SHA256)} in it, in {DIRECTORY}/ under it, or {ARCHIVE}; "
            f"found {'none of them' if place.is_dir() else 'no such directory'}. Correct the path."
        )
    return found


def _read(found: Path) -> Dataset:
    """Read the archive or the directory. Structure is required; a directory's checksums only decide the title."""
    try:
        files = _directory_files(found) if found.is_dir() else _archive_files(found)
    except OSError as error:
        raise DataError(f"{found}: cannot be read ({error}). Make it readable or choose another path.") from error
    missing = [name for name in FILE_SHA256 if name not in files]
    if missing:
        raise DataError(
            f"{found}: expected the six files of CIFAR-10's binary version; missing: {', '.join(missing)}. "
            f"Extract {ARCHIVE} again."
        )
    official = found.is_file() or all(  # an archive has passed its own checksum
        hashlib.sha256(files[name].data).hexdigest() == sha256 for name, sha256 in FILE_SHA256.items()
    )
    classes = _class_names(files[CLASS_FILE], found / CLASS_FILE) if CLASS_FILE in files else CLASSES
    *train, (test_images, test_labels) = [_decode(files.pop(name), found / name) for name in FILE_SHA256]
    train_images, train_labels = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return Dataset(
        name="cifar10",
        title=OFFICIAL if official else UNOFFICIAL,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=classes,
        source=str(found),
    )


def _directory_files(directory: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """The bytes of those known files that are there, by name."""
    return {
        name: np.fromfile(directory / name, dtype=np.uint8)
        for name in (*FILE_SHA256, CLASS_FILE)
        if (directory / name).is_file()
    }


def _archive_files(archive: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """The same out of the archive, after its checksum; nothing is written and other members are passed over."""
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != ARCHIVE_SHA256:
        raise DataError(
            f"{archive}: expected the official {ARCHIVE} with SHA-256 {ARCHIVE_SHA256}, found a file of "
            f"{archive.stat().st_size:,} bytes with {found}: incomplete, damaged or another file. "
            f"Delete it and run again, or download it again from {URL}."
        )
    files = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            directory, _, name = member.name.rpartition("/")
            known = directory == DIRECTORY and (name in FILE_SHA256 or name == CLASS_FILE)
            if known and member.isfile() and (content := tar.extractfile(member)) is not None:
                files[name] = np.frombuffer(content.read(), dtype=np.uint8)
    return files


def _decode(raw: npt.NDArray[np.uint8], where: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Split a file's bytes into images [10000, 32, 32, 3] and labels [10000]."""
    again = f"Replace it with the file from {ARCHIVE} ({URL})."
    if raw.size != RECORDS * RECORD_BYTES:
        raise DataError(
            f"{where}: expected {RECORDS * RECORD_BYTES:,} bytes ({RECORDS:,} records of {RECORD_BYTES}), "
            f"found {raw.size:,}. {again}"
        )
    records = raw.reshape(RECORDS, RECORD_BYTES)
    labels = records[:, 0].copy()
    if labels.max() >= len(CLASSES):
        bad = int(np.argmax(labels >= len(CLASSES)))
        raise DataError(f"{where}: expected labels 0 to 9, found {labels[bad]} in record {bad}. {again}")
    planes = records[:, 1:].reshape(RECORDS, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _class_names(raw: npt.NDArray[np.uint8], where: Path) -> tuple[str, ...]:
    names = tuple(raw.tobytes().decode(errors="replace").split())
    if len(names) != len(CLASSES):
        raise DataError(f"{where}: expected {len(CLASSES)} class names, found {len(names)}. Correct or delete it.")
    return names
