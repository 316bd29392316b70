"""Read the binary versions of CIFAR-10 and CIFAR-100: files of fixed records, a directory of them or the archive.

A record is one label byte (CIFAR-10) or a coarse and a fine one (CIFAR-100), then the red, green and blue planes of a
32x32 image. Nothing is unpickled and no archive is unpacked to disk: the known files are read, their structure is
checked, and anything else is an error that says what to do.

Source of the formats and the data: https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, 2009). The page publishes
MD5 sums of the archives. The SHA-256 sums of CIFAR-100 are those that public readers of the same archive check:
archive and files in ankane/torchvision-ruby, lib/torchvision/datasets/cifar100.rb; the archive's also in
JuliaML/MLDatasets.jl, src/datasets/vision/cifar100.jl.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from parity.data import archives
from parity.data.dataset import DataError, Dataset, KnownDataset

SIDE = 32

PIXEL_BYTES = 3 * SIDE * SIDE


@dataclass(frozen=True)
class RecordFile:
    """One file of records: its name, how many it holds, and its official checksum."""

    name: str
    records: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Cifar(KnownDataset):
    """One binary version.

    Attributes:
        files: in reading order: the training images, then one file of test images.
        labels: what each label byte is called and how many values it has; the last one is the class.
        class_file: the text file of class names, one a line.
        classes: the names where that file is absent; None requires the file.
    """

    files: tuple[RecordFile, ...]
    labels: tuple[tuple[str, int], ...]
    class_file: str
    classes: tuple[str, ...] | None = None

    @property
    def marker_files(self) -> tuple[str, ...]:
        """The files of records."""
        return tuple(file.name for file in self.files)

    @property
    def unofficial(self) -> str:
        """The title of files of the right structure that are not the official ones."""
        return f"{self.title} images (structure checked; not the official checksums)"

    @property
    def record_bytes(self) -> int:
        """Size of one record."""
        return len(self.labels) + PIXEL_BYTES

    def read(self, path: Path) -> Dataset:
        """Read the data set.

        The structure of the files is checked. An archive must have the official checksum; the checksums of the files
        in a directory only decide the title.
        """
        contents = self._from_directory(path) if path.is_dir() else self._from_archive(path)
        required = self.marker_files if self.classes else (*self.marker_files, self.class_file)
        if missing := [name for name in required if name not in contents]:
            raise DataError(
                f"{path}: expected the files of {self.title}'s binary version; missing: {', '.join(missing)}. "
                f"Extract {self.archive} again."
            )
        official = path.is_file() or all(  # an archive has passed its own checksum
            hashlib.sha256(contents[file.name]).hexdigest() == file.sha256 for file in self.files
        )
        classes = self._class_names(contents, path / self.class_file)
        *train, test = self.files
        train_images, train_labels = self._decoded(contents, train, path)
        test_images, test_labels = self._decoded(contents, [test], path)
        return Dataset(
            name=self.name,
            title=self.official if official else self.unofficial,
            train_images=train_images,
            train_labels=train_labels,
            test_images=test_images,
            test_labels=test_labels,
            classes=classes,
            source=str(path),
        )

    def _known_names(self) -> tuple[str, ...]:
        return (*self.marker_files, self.class_file)

    def _from_directory(self, directory: Path) -> dict[str, bytes]:
        """The bytes of those known files that are there, by name."""
        try:
            return {
                name: (directory / name).read_bytes() for name in self._known_names() if (directory / name).is_file()
            }
        except OSError as error:
            raise DataError(
                f"{directory}: cannot be read ({error}). Make it readable or choose another path."
            ) from error

    def _from_archive(self, archive: Path) -> dict[str, bytes]:
        """The same out of the archive, after its checksum; other members are left out."""
        checksum = archives.sha256(archive)
        if checksum != self.sha256:
            raise DataError(
                f"{archive}: expected the official {self.archive} with SHA-256 {self.sha256}, found a file of "
                f"{archive.stat().st_size:,} bytes with {checksum}: incomplete, damaged or another file. "
                f"Delete it and run again, or download it again from {self.url}."
            )
        known = {f"{self.directory}/{name}": name for name in self._known_names()}
        return {known[member]: content for member, content in archives.read(archive, known.get).items()}

    def _decoded(
        self, contents: dict[str, bytes], files: Sequence[RecordFile], path: Path
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        """Images [records, 32, 32, 3] and labels [records] of these files together; frees the bytes of each."""
        count = sum(file.records for file in files)
        images, labels = np.empty((count, SIDE, SIDE, 3), np.uint8), np.empty(count, np.uint8)
        begin = 0
        for file in files:
            part = slice(begin, begin := begin + file.records)
            self._decode(contents.pop(file.name), file, path / file.name, images[part], labels[part])
        return images, labels

    def _decode(
        self,
        raw: bytes,
        file: RecordFile,
        where: Path,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.uint8],
    ) -> None:
        """Split a file's bytes into images [records, 32, 32, 3] and labels [records], written into these."""
        again = f"Replace it with the file from {self.archive} ({self.url})."
        if len(raw) != file.records * self.record_bytes:
            raise DataError(
                f"{where}: expected {file.records * self.record_bytes:,} bytes ({file.records:,} records of "
                f"{self.record_bytes}), found {len(raw):,}. {again}"
            )
        records = np.frombuffer(raw, dtype=np.uint8).reshape(file.records, self.record_bytes)
        for column, (name, values) in enumerate(self.labels):
            if (wrong := records[:, column] >= values).any():
                bad = int(wrong.argmax())
                raise DataError(
                    f"{where}: expected {name}s 0 to {values - 1}, found {records[bad, column]} in record {bad}. "
                    f"{again}"
                )
        labels[:] = records[:, len(self.labels) - 1]
        planes = records[:, len(self.labels) :].reshape(file.records, 3, SIDE, SIDE)
        for channel in range(3):  # one after the other: three times as fast as the transposed whole
            images[..., channel] = planes[:, channel]

    def _class_names(self, contents: Mapping[str, bytes], where: Path) -> tuple[str, ...]:
        if self.class_file not in contents and self.classes is not None:
            return self.classes
        names = tuple(contents[self.class_file].decode(errors="replace").split())
        expected = self.labels[-1][1]
        if len(names) != expected:
            raise DataError(
                f"{where}: expected {expected} class names, found {len(names)}. "
                f"Replace it with the file from {self.archive}."
            )
        return names


CIFAR10 = Cifar(
    name="cifar10",
    title="CIFAR-10",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    mib=162,
    directory="cifar-10-batches-bin",
    files=(
        RecordFile("data_batch_1.bin", 10_000, "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        RecordFile("data_batch_2.bin", 10_000, "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        RecordFile("data_batch_3.bin", 10_000, "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        RecordFile("data_batch_4.bin", 10_000, "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        RecordFile("data_batch_5.bin", 10_000, "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
        RecordFile("test_batch.bin", 10_000, "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"),
    ),
    labels=(("label", 10),),
    class_file="batches.meta.txt",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)

CIFAR100 = Cifar(
    name="cifar100",
    title="CIFAR-100",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    mib=161,
    directory="cifar-100-binary",
    files=(
        RecordFile("train.bin", 50_000, "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29"),
        RecordFile("test.bin", 10_000, "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a"),
    ),
    labels=(("coarse label", 20), ("fine label", 100)),
    class_file="fine_label_names.txt",
)
