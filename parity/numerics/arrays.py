"""Named numpy arrays, and the digest of a training's batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def pack(**groups: Mapping[str, np.ndarray]) -> Arrays:
    """Several named groups of arrays as one: pack(state=...) puts `name` under `state:name`.

    Args:
        groups: arrays by name, each group under its keyword.

    Returns:
        One dictionary of the same arrays, not copied.

    Example:
        >>> list(pack(state={"conv/kernel": np.zeros(2)}, data={"labels": np.zeros(3)}))
        ['state:conv/kernel', 'data:labels']
    """
    return {f"{group}:{name}": array for group, arrays in groups.items() for name, array in arrays.items()}


def unpack(arrays: Mapping[str, np.ndarray], group: str) -> Arrays:
    """One group of a packed set, under its own names; empty where the set has no such group.

    Args:
        arrays: as `pack` gives them.
        group: its keyword.

    Returns:
        A new dictionary of the same arrays, not copied.

    Example:
        >>> list(unpack(pack(state={"conv/kernel": np.zeros(2)}, data={"labels": np.zeros(3)}), "state"))
        ['conv/kernel']
    """
    prefix = f"{group}:"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def take(arrays: Arrays, group: str) -> Arrays:
    """As `unpack`, and removes the group from `arrays`: a large state need not stay in memory once it is loaded.

    Args:
        arrays: as `pack` gives them; changed in place.
        group: its keyword.

    Returns:
        The group's arrays under their own names.
    """
    taken = unpack(arrays, group)
    for name in taken:
        del arrays[f"{group}:{name}"]
    return taken


class LazyArrays(Mapping[str, np.ndarray]):
    """Arrays that are made each time they are asked for, where all at once would take too much memory.

    Args:
        names: of the arrays, in their order.
        make: of a name its array.

    Example:
        >>> squares = LazyArrays(["two", "three"], lambda name: np.full(2, len(name)))
        >>> squares["three"].tolist(), list(squares)
        ([5, 5], ['two', 'three'])
    """

    def __init__(self, names: Iterable[str], make: Callable[[str], np.ndarray]) -> None:
        self._names, self._make = dict.fromkeys(names), make

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def stored(arrays: Mapping[str, np.ndarray], folder: Path) -> LazyArrays:
    """Write arrays to files, from which each is read when it is asked for: the process need not hold them all.

    Args:
        arrays: any of numbers.
        folder: empty; the arrays can be read as long as it is there.

    Raises:
        OSError: the files cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(stored({"conv/kernel": np.ones(2)}, Path(folder))["conv/kernel"])
        [1. 1.]
    """
    files = {name: folder / f"{index}.npy" for index, name in enumerate(arrays)}
    for name, file in files.items():
        np.save(file, arrays[name], allow_pickle=False)
    return LazyArrays(files, lambda name: np.load(files[name]))


def batch_digest(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> str:
    """SHA-256 (hex) over dtype, shape and bytes of every array in order: equal only for bit-identical batches.

    Args:
        batches: images and labels of each step, of any dtype and shape.

    Returns:
        64 hexadecimal digits.

    Raises:
        ValueError: there are no batches; a digest of nothing would be equal to any other digest of nothing.
    """
    digest = hashlib.sha256()
    count = 0
    for batch in batches:
        for array in batch:
            digest.update(f"{array.dtype.str}{array.shape};".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        count += 1
    if count == 0:
        raise ValueError("batch_digest: expected at least one batch, found none")
    return digest.hexdigest()
