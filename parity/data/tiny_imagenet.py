"""Read Tiny ImageNet, or a part of it, in its official layout: a directory or an archive of one, read in place.

    wnids.txt                         the classes, one WordNet ID a line; a label is the index of a line
    words.txt                         WordNet ID, tab, the class in words
    train/<wnid>/images/*.JPEG        training images
    val/val_annotations.txt           image, tab, WordNet ID, tab, a box that nothing here needs
    val/images/*.JPEG                 labelled validation images: the test split here, for test/ has no labels

Source of the layout and the data: http://cs231n.stanford.edu/tiny-imagenet-200.zip (Stanford's course CS231n), which
publishes no checksum. The SHA-256 sum is the one under which public copies of that file, 248,100,043 bytes, are stored
(cnak47/cv-datasets on Hugging Face). Its MD5 sum, which most public readers check (ContinualAI/avalanche,
benchmarks/datasets/tiny_imagenet), is 90528d7ca1a48142e341f4ef8d21d0de.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from parity.data import archives
from parity.data.dataset import DataError, Dataset, KnownDataset

WNIDS = "wnids.txt"

WORDS = "words.txt"

ANNOTATIONS = "val/val_annotations.txt"

CLASSES = 200

SIZE = 64  # pixels, of the official images

TRAIN_IMAGES = 100_000

TEST_IMAGES = 10_000

# A path inside an archive: what stands before the layout, and the part that belongs to it. Hidden files do not.
_KNOWN_FILE = re.compile(
    r"(|.*/)(wnids\.txt|words\.txt|val/val_annotations\.txt|(?:val|train/[^/]+)/images/[^/.][^/]*\.JPEG)"
)

_TRAIN_FILE = re.compile(r"train/([^/]+)/images/[^/]+")

_WNID = re.compile(r"n\d{8}")

_CHUNK = 64  # images a thread decodes at a time

Files = Mapping[str, Path | bytes]  # by path inside the layout: where the content is, or the content


@dataclass(frozen=True, kw_only=True)
class TinyImageNet(KnownDataset):
    """Tiny ImageNet: 200 classes or fewer, square images of any one size."""

    @property
    def marker_files(self) -> tuple[str, ...]:
        """The files of labels."""
        return (WNIDS, ANNOTATIONS)

    @property
    def archives(self) -> tuple[str, ...]:
        """The official .zip, or the same directory in a tar."""
        return (self.archive, *(self.directory + suffix for suffix in (".tar", ".tar.gz", ".tar.xz")))

    def read(self, path: Path) -> Dataset:
        """Read the data set, its images interleaved by class: the first of every class, the second of every class, ...

        Classes stand in the order of wnids.txt, a class's images in the order of the numbers in their names.
        """
        files = _directory_files(path) if path.is_dir() else _archive_files(path)
        wnids = _wnids(files, path)
        train = _train_names(files, path, wnids)
        test = _test_names(files, path, wnids)
        train_names, train_labels = _interleaved(train)
        test_names, test_labels = _interleaved(test)
        size = _decoded(files, path, train_names[0]).shape[0]
        words = _words(files, path)
        return Dataset(
            name=self.name,
            title=self._title(path, len(wnids), size, len(train_names), len(test_names)),
            train_images=_images(files, path, train_names, size),
            train_labels=train_labels,
            test_images=_images(files, path, test_names, size),
            test_labels=test_labels,
            classes=tuple(words.get(wnid, wnid) for wnid in wnids),
            source=str(path),
        )

    def _title(self, path: Path, classes: int, size: int, train: int, test: int) -> str:
        if path.is_file() and archives.sha256(path) == self.sha256:
            return self.official
        if (classes, size, train, test) == (CLASSES, SIZE, TRAIN_IMAGES, TEST_IMAGES):
            return f"{self.title} images (structure checked; no official checksum)"
        part = f"{classes} of {CLASSES} classes at {size} px, {train:,} + {test:,} images"
        return f"{self.title}, a part: {part} (structure checked; no official checksum)"


def _directory_files(directory: Path) -> Files:
    try:
        listed = [directory / name for name in (WNIDS, WORDS, ANNOTATIONS) if (directory / name).is_file()]
        listed += directory.glob("val/images/*.JPEG")
        listed += directory.glob("train/*/images/*.JPEG")
    except OSError as error:
        raise DataError(f"{directory}: cannot be read ({error}). Make it readable or choose another path.") from error
    names = {path.relative_to(directory).as_posix(): path for path in listed}
    return {name: path for name, path in names.items() if _KNOWN_FILE.fullmatch(name)}


def _archive_files(archive: Path) -> Files:
    members = {}
    for path, content in archives.read(archive, _KNOWN_FILE.fullmatch).items():
        if (match := _KNOWN_FILE.fullmatch(path)) is not None:
            members[match[1], match[2]] = content
    roots = sorted({root for root, _ in members})
    if len(roots) > 1:
        raise DataError(
            f"{archive}: expected one data set, found files of {len(roots)} ({', '.join(roots)}). "
            f"Make an archive of one."
        )
    return {name: content for (_, name), content in members.items()}


def _content(files: Files, where: Path, name: str) -> bytes:
    stored = files[name]
    try:
        return stored if isinstance(stored, bytes) else stored.read_bytes()
    except OSError as error:
        raise DataError(f"{where / name}: cannot be read ({error}). Make it readable or replace it.") from error


def _lines(files: Files, where: Path, name: str) -> list[str]:
    """The lines of a text file of labels that has to be there."""
    if name not in files:
        raise DataError(f"{where / name}: expected this file of Tiny ImageNet's layout, found none. Put it there.")
    return _content(files, where, name).decode(errors="replace").splitlines()


def _wnids(files: Files, where: Path) -> list[str]:
    wnids = [line.strip() for line in _lines(files, where, WNIDS) if line.strip()]
    if not 1 <= len(wnids) <= CLASSES:
        raise DataError(f"{where / WNIDS}: expected 1 to {CLASSES} classes, found {len(wnids)}. Replace the file.")
    for index, wnid in enumerate(wnids):
        if not _WNID.fullmatch(wnid):
            raise DataError(
                f"{where / WNIDS}: expected WordNet IDs, an n and 8 digits, found {wnid!r}. Replace the file."
            )
        if wnid in wnids[:index]:
            raise DataError(f"{where / WNIDS}: expected every class once, found {wnid} twice. Replace the file.")
    return wnids


def _words(files: Files, where: Path) -> dict[str, str]:
    """The first word for every WordNet ID; the file serves readers only, so it may be absent."""
    lines = _lines(files, where, WORDS) if WORDS in files else []
    pairs = (line.partition("\t") for line in lines)
    return {wnid: words.partition(",")[0].strip() for wnid, _, words in pairs if words.strip()}


def _train_names(files: Files, where: Path, wnids: Sequence[str]) -> list[list[str]]:
    """The training images of every class, in order."""
    by_class: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    for name in files:
        if match := _TRAIN_FILE.fullmatch(name):
            if match[1] not in by_class:
                raise DataError(
                    f"{where}/train/{match[1]}: expected the classes in {WNIDS} only, found images of one that is not "
                    f"there. Add it to {WNIDS} or remove the folder."
                )
            by_class[match[1]].append(name)
    for wnid, names in by_class.items():
        if not names:
            raise DataError(
                f"{where}/train/{wnid}/images: expected the training images (*.JPEG) of a class in {WNIDS}, found "
                f"none. Extract the archive again, or remove the class from {WNIDS} and from {ANNOTATIONS}."
            )
    return [sorted(names, key=_by_number) for names in by_class.values()]


def _test_names(files: Files, where: Path, wnids: Sequence[str]) -> list[list[str]]:
    """The validation images of every class, in order; images and annotations have to correspond one to one."""
    annotations = where / ANNOTATIONS
    again = "Extract the archive again or correct the file."
    by_class: dict[str, list[str]] = {wnid: [] for wnid in wnids}
    annotated = set()
    for number, line in enumerate(_lines(files, where, ANNOTATIONS), start=1):
        if not line.strip():
            continue
        image, tab, rest = line.partition("\t")
        wnid, name = rest.split("\t")[0].strip(), f"val/images/{image}"
        if not tab:
            raise DataError(f"{annotations}, line {number}: expected image, tab, WordNet ID, found {line!r}. {again}")
        if wnid not in by_class:
            raise DataError(f"{annotations}, line {number}: expected a class in {WNIDS}, found {wnid!r}. {again}")
        if name in annotated:
            raise DataError(f"{annotations}, line {number}: expected every image once, found {image} again. {again}")
        if name not in files:
            raise DataError(f"{annotations}, line {number}: expected the image {name}, found none. {again}")
        annotated.add(name)
        by_class[wnid].append(name)
    for name in files:
        if name.startswith("val/images/") and name not in annotated:
            raise DataError(f"{where / name}: expected a line for it in {ANNOTATIONS}, found none. {again}")
    for wnid, names in by_class.items():
        if not names:
            raise DataError(f"{annotations}: expected images of every class in {WNIDS}, found none of {wnid}. {again}")
    return [sorted(names, key=_by_number) for names in by_class.values()]


def _by_number(name: str) -> tuple[int, str]:
    """Sorts image 10 after image 9: the last number in the name, then the name."""
    digits = re.findall(r"\d+", name.rpartition("/")[2])
    return int(digits[-1]) if digits else -1, name


def _interleaved(by_class: Iterable[Sequence[str]]) -> tuple[list[str], npt.NDArray[np.uint8]]:
    """Names and labels uint8 [n], interleaved by class; a class that has no more images is skipped."""
    turns = [(name, label) for turn in zip_longest(*by_class) for label, name in enumerate(turn) if name is not None]
    names, labels = zip(*turns, strict=True)
    return list(names), np.array(labels, dtype=np.uint8)


def _images(files: Files, where: Path, names: Sequence[str], size: int) -> npt.NDArray[np.uint8]:
    """The images [n, size, size, 3], decoded by a thread for every core."""
    images = np.empty((len(names), size, size, 3), dtype=np.uint8)

    def fill(start: int) -> None:
        for index, name in enumerate(names[start : start + _CHUNK], start):
            decoded = _decoded(files, where, name)
            if decoded.shape != images.shape[1:]:
                height, width = decoded.shape[:2]
                raise DataError(
                    f"{where / name}: expected {size}x{size} pixels like the first training image, found "
                    f"{width}x{height}. Bring all images to one size."
                )
            images[index] = decoded

    with ThreadPoolExecutor() as threads:
        for _ in threads.map(fill, range(0, len(names), _CHUNK)):  # read, so that errors are raised here
            pass
    return images


def _decoded(files: Files, where: Path, name: str) -> npt.NDArray[np.uint8]:
    """One image [height, width, 3], square; grey-scale ones become RGB."""
    from PIL import Image  # here: no other data set needs it

    content = _content(files, where, name)
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG",)) as image:
            width, height = image.size
            if width != height:
                raise DataError(f"{where / name}: expected a square image, found {width}x{height}. Make it square.")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{where / name}: expected a JPEG image, found {len(content):,} bytes that cannot be decoded ({error}). "
            f"Extract the archive again or replace the file."
        ) from error


TINY_IMAGENET = TinyImageNet(
    name="tiny-imagenet",
    title="Tiny ImageNet",
    url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    sha256="6198c8ae015e2b3e007c7841da39ec069199b9aa3bfa943a462022fe5e43c821",
    mib=237,
    directory="tiny-imagenet-200",
)
