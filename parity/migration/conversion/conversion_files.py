"""The files of `parity convert`: the one that is read, and the one that is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from parity.migration.specs import FIRST, SECOND
from parity.system import remove_leftovers, require_writable, temporary_name
from parity.workers.frameworks import FRAMEWORKS

CANONICAL = ""  # no framework's: a file of the TensorFlow model's arrays under their own names, in float32

FILE_SUFFIXES = {".weights.h5": FIRST, ".keras": FIRST, ".pdparams": SECOND, ".safetensors": CANONICAL}

FILE_TITLES = {name: framework.title for name, framework in FRAMEWORKS.items()} | {CANONICAL: "canonical"}

EXPECTED = "expected .weights.h5 or .keras (TensorFlow), .pdparams (Paddle) or .safetensors (canonical names)"


@dataclass(frozen=True)
class ConversionFiles:
    """The file that is read and the file that is made; the suffix of each says whose it is.

    Raises:
        ValueError: a suffix is unknown, both files are of one kind, the new one exists, or one is not readable.
    """

    source: Path
    destination: Path

    def __post_init__(self) -> None:
        """Refuse files that cannot be converted before a model is loaded."""
        for path in (self.source, self.destination):
            if not path.name.endswith(tuple(FILE_SUFFIXES)):
                raise ValueError(f"{path}: unknown kind of file; {EXPECTED}")
        if self.source_framework == self.destination_framework:
            raise ValueError(
                f"{self.source} and {self.destination} are both {FILE_TITLES[self.source_framework]} files: "
                "expected two kinds; " + EXPECTED.removeprefix("expected ")
            )
        if not self.source.is_file():
            raise ValueError(f"{self.source}: no such file; expected a file of weights")
        if self.destination.exists() and not self.destination.is_dir():
            raise ValueError(f"{self.destination} exists already: expected a new file's name")
        require_writable(self.destination)
        if not self.destination.parent.is_dir():  # the frameworks make none
            raise ValueError(f"{self.destination}: expected a file's name in a directory that exists")

    @property
    def source_framework(self) -> str:
        """The framework of the file that is read; empty for canonical names."""
        return _framework_of(self.source)

    @property
    def destination_framework(self) -> str:
        """The framework of the file that is made; empty for canonical names."""
        return _framework_of(self.destination)

    @property
    def temporary(self) -> Path:
        """The new file's name until it is proven; it has the same suffix, on which both frameworks rely."""
        return temporary_name(self.destination.resolve(), self._suffix)

    @property
    def _suffix(self) -> str:
        return next(suffix for suffix in FILE_SUFFIXES if self.destination.name.endswith(suffix))

    def remove_leftovers(self) -> None:
        """Remove new files that killed conversions to the same destination did not finish."""
        remove_leftovers(self.destination.resolve(), self._suffix)


def _framework_of(path: Path) -> str:
    return next(framework for suffix, framework in FILE_SUFFIXES.items() if path.name.endswith(suffix))
