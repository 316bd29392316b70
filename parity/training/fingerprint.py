"""The configuration that determines the outcome of a training: what a checkpoint or a finished run belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import Recipe
from parity.data.dataset import Dataset
from parity.training.code_digest import code_digest, replica_code_digest
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.worker import Worker


@dataclass(frozen=True)
class ResolvedSettings:
    """How a network is trained, all spelled out.

    Attributes:
        recipe: of the training.
        epochs: 1 or more.
        batch: images a step.
        seed: of weights, epoch plans and dropout.
        mode: of the steps: "auto", "eager", ...
        precision: "float32", "float64", "tf32" or "bfloat16".
    """

    recipe: Recipe
    epochs: int
    batch: int
    seed: int
    mode: str
    precision: str


def configuration(worker: Worker, name: str, dataset: Dataset, settings: ResolvedSettings) -> dict[str, Any]:
    """All that determines the trained weights: with equal values they are equal, on a CPU bit for bit.

    The number of epochs is not among it, so that a checkpoint of a longer training is accepted.

    Args:
        worker: whose environment is described.
        name: of the network.
        dataset: images and labels.
        settings: of the training.

    Returns:
        Plain JSON values.

    Raises:
        WorkerError: the worker cannot describe its environment.
    """
    environment = worker.environment()
    return {
        "network": name,
        "design": _design(name),
        "framework": worker.framework,
        "framework version": environment.version,
        "package versions": environment.packages | {"numpy of the suite": np.__version__},
        "code": code_digest(FRAMEWORKS[worker.framework].package, _family(name)),
        "recipe": {
            key: value for key, value in _plain(settings.recipe).items() if key not in ("source", "note", "epochs")
        },
        "batch": settings.batch,
        "seed": settings.seed,
        "mode": settings.mode,
        "precision": settings.precision,
        "device": worker.device,
        "threads": worker.threads,
        "variables": worker.variables,
        "data set": dataset_digest(dataset),
    } | _sharing(worker)


def _sharing(worker: Worker) -> dict[str, Any]:
    """How several processes share a training; nothing of one process, as in trainings of before there were several."""
    if worker.replicas == 1:
        return {}
    return {
        "replicas": worker.replicas,
        "batch norm over all replicas": worker.synchronised,
        "code of replicas": replica_code_digest(FRAMEWORKS[worker.framework].package),
    }


def _design(name: str) -> dict[str, Any]:
    """What of a network's entry in the catalogue decides what is built."""
    entry = network(name)
    return {"family": _family(name)} | {
        key: value for key, value in _plain(entry).items() if key in ("design", "batch_norm", "image", "classes")
    }


def _family(name: str) -> str:
    return type(network(name).design).__name__


def _plain(facts: Any) -> dict[str, Any]:
    """A dataclass as JSON gives it back."""
    return dict(json.loads(json.dumps(asdict(facts))))


def fingerprint(configured: Mapping[str, Any]) -> str:
    """sha256 (hex) of a configuration.

    >>> fingerprint({"seed": 0})[:12]
    'de7d7744ccd7'
    """
    return hashlib.sha256(json.dumps(configured, sort_keys=True).encode()).hexdigest()


def differences(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """One line for every entry in which a configuration is not the expected one.

    Args:
        actual: the stored configuration.
        expected: the configuration of the training that is to run.

    >>> differences({"seed": 0, "batch": 32}, {"seed": 1, "batch": 32})
    ['seed: expected 1, found 0']
    """
    return [
        f"{key}: expected {_short(expected.get(key))}, found {_short(actual.get(key))}"
        for key in {**expected, **actual}
        if actual.get(key) != expected.get(key)
    ]


@lru_cache(maxsize=4)
def dataset_digest(dataset: Dataset) -> str:
    """sha256 (hex) of all images and labels."""
    total = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels):
        total.update(f"{array.shape};".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... (sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"
