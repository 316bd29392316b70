"""Find and load a data set as uint8 arrays: CIFAR-10, CIFAR-100 or Tiny ImageNet from files, or the generated shapes.

A data set that is given by name is looked for in $PARITY_DATA, else in the user's cache; else it is downloaded into
that cache, and its checksum is verified. A data set that is given by a path is recognised by the files at that path.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import platformdirs

from parity.data import archives, generated
from parity.data.cifar import CIFAR10, CIFAR100
from parity.data.dataset import DataError, Dataset, KnownDataset, download_help
from parity.data.tiny_imagenet import TINY_IMAGENET

KNOWN: dict[str, KnownDataset] = {known.name: known for known in (CIFAR10, CIFAR100, TINY_IMAGENET)}


def load(dataset: str = "cifar10", *, seed: int = 0, download: bool = True, progress: bool = False) -> Dataset:
    """Load a data set by name or from a path.

    Args:
        dataset: "cifar10", "cifar100" or "tiny-imagenet" ($PARITY_DATA, then the user's cache, then a download into
            that cache), "generated", or a path: a data set's directory, its parent, or an archive.
        seed: of the generated data set; the others do not depend on it.
        download: whether a named data set may be downloaded (161 to 237 MiB) when it is not on this machine.
        progress: whether to draw a download's progress on stderr.

    Returns:
        The data set, with images uint8 [n, height, width, 3] and labels uint8 [n].

    Raises:
        DataError: unknown name, nothing found, no network, or files of another structure than the data set's.

    Example:
        >>> dataset = load("generated")
        >>> dataset.train_images.shape, dataset.test_images.shape
        ((5000, 32, 32, 3), (1000, 32, 32, 3))
    """
    if dataset == "generated":
        arrays = generated.generate(seed)
        return Dataset("generated", "generated 10-class shapes", *arrays, generated.CLASSES, f"drawn with seed {seed}")
    if dataset not in KNOWN:
        return _load_path(dataset)
    known, path = KNOWN[dataset], find(dataset)
    if path is None:
        if not download:
            raise DataError(
                f"{known.title}: not found in {cache_dir()}, PARITY_DATA is not set, and downloading "
                f"({known.mib} MiB) is switched off. " + download_help(known.url, cache_dir() / known.archive)
            )
        from parity.data.download import fetch  # here, because its HTTP libraries are slow to import and seldom needed

        path = fetch(known.url, cache_dir(), known.sha256, progress=progress)
    return known.read(path)


def find(name: str = "cifar10") -> Path | None:
    """Find a data set on this machine.

    Looks in $PARITY_DATA if that is set, else in the user's cache. Only looks: `load` checks the content.

    Args:
        name: "cifar10", "cifar100" or "tiny-imagenet".

    Returns:
        Its directory or archive; None if it must be downloaded.

    Raises:
        DataError: $PARITY_DATA is set and does not hold this data set. Falling back to other data would hide the
            mistake.
    """
    known, chosen = KNOWN[name], os.environ.get("PARITY_DATA")
    if not chosen:
        return _datasets_at(cache_dir()).get(name)
    path = Path(chosen).expanduser()
    held = _datasets_at(path)
    if name not in held:
        raise _missing(path, "the environment variable PARITY_DATA", [known], held)
    return held[name]


def cache_dir() -> Path:
    """The directory that a download is kept in; it need not exist."""
    return Path(platformdirs.user_cache_dir("parity"))


def _load_path(given: str) -> Dataset:
    """Read the one data set that a path is or holds."""
    path = Path(given).expanduser()
    if not path.exists():
        raise DataError(
            f"data set {given!r}: neither a known name nor an existing path. Use {', '.join(map(repr, KNOWN))}, "
            f"'generated', or the path of one of {', '.join(known.directory + '/' for known in KNOWN.values())}, of "
            f"its parent, or of one of {', '.join(known.archive for known in KNOWN.values())}."
        )
    held = _datasets_at(path)
    if not held:
        raise _missing(path, "the path given as the data set", KNOWN.values(), held)
    if len(held) > 1:
        raise DataError(
            f"{path}: expected one data set, found {', '.join(KNOWN[name].title for name in held)}. Give the path of "
            f"one ({', '.join(map(str, held.values()))}), or set PARITY_DATA to {path} and give a name."
        )
    ((name, location),) = held.items()
    return KNOWN[name].read(location)


def _datasets_at(path: Path) -> dict[str, Path]:
    """The data sets that `path` is or holds, by name: an archive, or a directory with at least one marker file."""
    if path.is_file():
        return {known.name: path for known in _archived(path)}
    held = {}
    for known in KNOWN.values():
        directories = [
            directory
            for directory in (path, path / known.directory)
            if any((directory / marker).is_file() for marker in known.marker_files)
        ]
        locations = directories + [path / name for name in known.archives if (path / name).is_file()]
        if locations:
            held[known.name] = locations[0]
    return held


def _archived(archive: Path) -> list[KnownDataset]:
    """The data set that the archive's first known file belongs to, under whatever directory; or nothing."""
    for name in archives.names(archive):
        for known in KNOWN.values():
            if any(f"/{name}".endswith(f"/{marker}") for marker in known.marker_files):
                return [known]
    return []


def _missing(path: Path, origin: str, datasets: Iterable[KnownDataset], held: Mapping[str, Path]) -> DataError:
    """The error that says what was expected in `path`, and what is there instead."""
    expected = "; or ".join(
        f"{known.title} ({', '.join(known.marker_files)} in it or in {known.directory}/ under it, or "
        f"{', '.join(known.archives)})"
        for known in datasets
    )
    there = ", ".join(KNOWN[name].title for name in held)
    present = there or ("none of them" if path.exists() else "no such file or directory")
    other = f", or use `--dataset {'` or `--dataset '.join(held)}`" if there else ""
    return DataError(f"{path} ({origin}): expected {expected}; found {present}. Correct the path{other}.")
