"""What decides the outcome of a training, so that a checkpoint or a finished run can be told from a foreign one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.recipes import Recipe
from parity.data.dataset import Dataset
from parity.system import ROOT
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Worker

# The modules of the suite that decide the outcome of a training, beside the framework's twin: with another version of
# one of them, what was finished counts as unfinished.
DECISIVE = ["catalogue", "data/epoch_plan", "runtime/training_loop", "training/run", "weights"]


def configuration(
    worker: Worker, name: str, recipe: Recipe, dataset: Dataset, *, batch: int, seed: int, mode: str, precision: str
) -> dict[str, Any]:
    """Plain JSON values: two trainings with the same ones must come to the same weights, on a CPU bit for bit.

    The number of epochs is not among them, so that a finished part of a longer training can be told as such.
    """
    settings = worker.settings()
    return {
        "network": name,
        "framework": worker.framework,
        "framework version": settings.version,
        "code": code_version(worker.framework),
        "recipe": json.loads(json.dumps(asdict(recipe) | {"epochs": None})),
        "batch": batch,
        "seed": seed,
        "mode": mode,
        "precision": precision,
        "device": worker.device,
        "threads": worker.threads,
        "variables": worker.variables,
        "data set": dataset_digest(dataset),
    }


def fingerprint(configured: Mapping[str, Any]) -> str:
    """sha256 of a configuration."""
    return hashlib.sha256(json.dumps(configured, sort_keys=True).encode()).hexdigest()


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """One line for every entry in which a configuration is not the expected one."""
    return [
        f"{key}: expected {_short(expected.get(key))}, found {_short(found.get(key))}"
        for key in {**expected, **found}
        if found.get(key) != expected.get(key)
    ]


def _sources(module: Path) -> list[Path]:
    """The files of a package, or the one of a module."""
    return list(module.rglob("*.py")) or [module.with_suffix(".py")]


@lru_cache
def code_version(framework: str) -> str:
    """sha256 of the sources that decide the outcome of a training."""
    total = hashlib.sha256()
    twin = (ROOT / FRAMEWORKS[framework].package).rglob("*.py")
    for path in sorted([*(path for name in DECISIVE for path in _sources(ROOT / "parity" / name)), *twin]):
        total.update(f"{path.relative_to(ROOT)} {path.stat().st_size};".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


@lru_cache(maxsize=4)
def dataset_digest(dataset: Dataset) -> str:
    """sha256 of all images and labels."""
    total = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        total.update(f"{array.shape};".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... (sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
