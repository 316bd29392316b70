"""Both models of a pair in float32, in which files hold their weights: read from files, and written to them."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.workers.errors import WorkerError


class FileModels:
    """The models, each built when it is asked for; with the changes that the pair makes to the Paddle model."""

    def __init__(self, pair: RecordedPair) -> None:
        """Build nothing yet.

        Args:
            pair: whose models these are.
        """
        self.pair = pair
        self.name = f"{pair.name} in float32"

    def built(self, framework: str) -> Arrays:
        """Build a model anew.

        Args:
            framework: of the model.

        Returns:
            All its arrays as it was built, by the framework's own names.

        Raises:
            WorkerError: it cannot be built in float32.
        """
        worker = self.pair.workers[framework]
        code = self.pair.fixes.get(framework, "")
        spec = replace(self.pair.specs[framework], weights="", dtype="float32")
        worker.open_model(self.name, spec, [code] if code else [])
        return worker.read_arrays(self.name)

    def read(self, framework: str, path: Path) -> Arrays:
        """Load a file into the model that was built last.

        Args:
            framework: of the model.
            path: a file of its weights.

        Returns:
            All its arrays, by the framework's own names.

        Raises:
            WorkerError: a file that cannot be read, does not fit the model, or is not in float32.
        """
        worker = self.pair.workers[framework]
        worker.load_weights(self.name, str(path.resolve()))
        return worker.read_arrays(self.name)

    def write(self, framework: str, arrays: Arrays, path: Path) -> list[str]:
        """Give the model that was built last arrays, and write its own to a file.

        Args:
            framework: of the model.
            arrays: some or all, by the framework's own names.
            path: of the file; its suffix says which format.

        Returns:
            The names of the arrays that the file holds: all but those that the model makes by itself.

        Raises:
            OSError: the disk is full.
            WorkerError: the framework fails.
        """
        worker = self.pair.workers[framework]
        worker.write_arrays(self.name, arrays)
        try:
            return worker.save_weights(self.name, str(path))
        except WorkerError as error:  # a full disk, which a framework reports in its own message
            if error.cause == "raised" and os.strerror(errno.ENOSPC) in error.detail:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
            raise

    def forget(self) -> None:
        """Let the workers forget the models."""
        for framework in (FIRST, SECOND):
            self.pair.workers[framework].close_model(self.name)
