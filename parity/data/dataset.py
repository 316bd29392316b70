"""What a data set is once it is loaded, and what is known of one that lies in files."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt


class DataError(Exception):
    """A data set cannot be loaded. The message says what was expected, what was found, where, and what to do next."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one data set, in an order that mixes the classes from the start.

    Attributes:
        name: "cifar10", "cifar100", "tiny-imagenet" or "generated".
        title: for the title line of a report; it says whether the files are the official ones.
        train_images: uint8 [N, size, size, 3], height, width, then RGB.
        train_labels: uint8 [N], indices into `classes`.
        test_images: uint8 [M, size, size, 3].
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
        """The same data set with fewer images; the arrays are views.

        Args:
            limit: how many training images to keep, and at most how many test images; None keeps all.

        Returns:
            The first images; the data set itself where nothing is left out.

        Raises:
            DataError: limit is below 1.

        Example:
            >>> from parity.data.registry import load
            >>> few = load("generated").limited(100)
            >>> few.train_images.shape, few.test_labels.shape
            ((100, 32, 32, 3), (100,))
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


@dataclass(frozen=True, kw_only=True)
class KnownDataset(ABC):
    """A data set that lies in files: where it officially comes from and how its files are recognised and read.

    Attributes:
        name: what `parity.data.registry.load` calls it.
        title: its usual name, for a reader.
        url: of the official archive.
        sha256: of the official archive, 64 hex digits.
        mib: size of the official archive in MiB, for a reader.
        directory: the official archive's only top-level directory.
    """

    name: str
    title: str
    url: str
    sha256: str
    mib: int
    directory: str

    @property
    @abstractmethod
    def marker_files(self) -> tuple[str, ...]:
        """Files relative to the directory, one of which is enough to recognise the data set."""

    @property
    def archive(self) -> str:
        """The official archive's file name."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def archives(self) -> tuple[str, ...]:
        """The file names under which an archive is looked for in a directory."""
        return (self.archive,)

    @property
    def official(self) -> str:
        """The title of files that have the official checksums."""
        return f"{self.title} (official files)"

    @abstractmethod
    def read(self, path: Path) -> Dataset:
        """Read the data set; nothing is written.

        Args:
            path: its directory or its archive.

        Raises:
            DataError: files are missing, damaged or of another structure.
        """


def download_help(url: str, target: Path) -> str:
    """The sentences that tell a user what to do when `url` cannot be downloaded.

    Args:
        url: of the official archive.
        target: the path at which the suite looks for the archive.
    """
    return (
        f"What to do: on a machine with a network download {url}, and either put it at {target} "
        f"or set PARITY_DATA to where it is; or run with `--dataset generated`, which needs no files."
    )
