"""Write what `parity train` found: canonical weights, and records in the form of pytest-benchmark's saved runs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parity import __version__
from parity.results import Training, write_atomically
from parity.training import Outcome
from parity.weights import save_state


@dataclass(frozen=True)
class Output:
    """Where one `parity train` writes; made before the training, so that a bad place costs no training."""

    folder: Path
    network: str
    seed: int
    frameworks: tuple[str, ...]

    def __post_init__(self) -> None:
        """Make the folder and try to write in it. Raises ValueError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            found = "a file" if self.folder.is_file() else error.strerror or str(error)
            raise ValueError(
                f"--out {self.folder}: expected a directory that can be written to, found: {found}. Choose another."
            ) from None

    def weights_path(self, framework: str) -> Path:
        """The safetensors file of one framework's trained weights."""
        return self.folder / f"{self.network}-{framework}-seed{self.seed}.safetensors"

    def run_path(self, *, partial: bool) -> Path:
        """The saved run; a partial one never takes the place of a complete one, nor one framework's that of both."""
        alone = f"-{self.frameworks[0]}" if len(self.frameworks) == 1 else ""
        return self.folder / f"{self.network}{alone}-seed{self.seed}{'-partial' if partial else ''}.json"

    def save(self, outcomes: Sequence[Outcome], environment: Mapping[str, Any]) -> list[Path]:
        """Write the outcomes so far, and return the files; called after each, a killed run leaves what came before."""
        paths = []
        for outcome in outcomes:
            if outcome.weights is not None:
                paths.append(self.weights_path(outcome.record.framework))
                save_state(outcome.weights, paths[-1])
        partial = len(outcomes) < len(self.frameworks) or any(outcome.weights is None for outcome in outcomes)
        path = self.run_path(partial=partial)
        run = saved_run([outcome.record for outcome in outcomes], environment)
        write_atomically(path, json.dumps(run, indent=2) + "\n")
        if not partial:
            self.run_path(partial=True).unlink(missing_ok=True)
        return [*paths, path]


def saved_run(records: Sequence[Training], environment: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON that `parity.results.load_run` and pytest-benchmark's own tools read."""
    return {
        "machine_info": {"parity": dict(environment)},
        "commit_info": {},
        "benchmarks": [_benchmark(record) for record in records],
        "datetime": datetime.now(UTC).isoformat(),
        "version": __version__,
    }


def _benchmark(record: Training) -> dict[str, Any]:
    name = f"train[{record.network}-{record.framework}-seed{record.seed}]"
    same = dict.fromkeys(("min", "max", "mean", "median", "q1", "q3", "total", "ld15iqr", "hd15iqr"), record.seconds)
    none = dict.fromkeys(("stddev", "iqr", "iqr_outliers", "stddev_outliers"), 0)
    return {
        "group": "training",
        "name": name,
        "fullname": name,
        "params": {"network": record.network, "framework": record.framework, "seed": record.seed},
        "param": f"{record.network}-{record.framework}",
        "extra_info": record.as_dict(),
        "options": {},
        "stats": same
        | none
        | {"outliers": "0;0", "rounds": 1, "iterations": 1, "ops": 1 / record.seconds if record.seconds else 0},
    }
