"""The configuration that determines the outcome of a training: what a checkpoint or a finished run belongs to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import Recipe
from parity.data.dataset import Dataset
from parity.system import ROOT
from parity.training.reached_code import reached
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Worker

# The code of a training, in the suite and in the worker of a framework's twin. All code that these use takes part: when
# it changes, finished trainings count as unfinished.
ROOTS = (
    "parity.training.run._Run",
    "{twin}.device.device",
    "{twin}.probes.probes",
    "{twin}.training.loop",
)

# What they use and what does not determine the outcome, or is part of a configuration by value.
WITHOUT = (
    "parity.catalogue.networks",  # by value: the design
    "parity.catalogue.recipes.recipe_of",  # by value: the recipe
    "parity.error_causes",
    "parity.kinds",
    "parity.printable",
    "parity.records",
    "parity.runtime.precision",  # what a worker reports of itself, and the kinds that it knows
    "parity.system",
    "parity.training.checkpoint",
    "parity.training.fingerprint",
    "parity.training.run.Progress",
    "parity.workers",
    "{twin}.kinds",
)


def configuration(
    worker: Worker, name: str, recipe: Recipe, dataset: Dataset, *, batch: int, seed: int, mode: str, precision: str
) -> dict[str, Any]:
    """All that determines the trained weights: with equal values they are equal, on a CPU bit for bit.

    The number of epochs is not among it, so that a checkpoint of a longer training is accepted.

    Args:
        worker: whose environment is described.
        name: of the network.
        recipe: of the training.
        dataset: images and labels.
        batch: images a step.
        seed: of weights and epoch plans.
        mode: of the steps: "auto", "eager", ...
        precision: "float32", "float64" or "bfloat16".

    Returns:
        Plain JSON values.

    Raises:
        WorkerError: the worker cannot describe its environment.
    """
    environment = worker.environment()
    family = type(network(name).design)
    return {
        "network": name,
        "design": _design(name),
        "framework": worker.framework,
        "framework version": environment.version,
        "package versions": environment.packages | {"numpy of the suite": np.__version__},
        "code": code_version(FRAMEWORKS[worker.framework].package, f"{family.__module__}.{family.__qualname__}"),
        "recipe": {key: value for key, value in _plain(recipe).items() if key not in ("source", "note", "epochs")},
        "batch": batch,
        "seed": seed,
        "mode": mode,
        "precision": precision,
        "device": worker.device,
        "threads": worker.threads,
        "variables": worker.variables,
        "data set": dataset_digest(dataset),
    }


def _design(name: str) -> dict[str, Any]:
    """What of a network's entry in the catalogue decides what is built."""
    entry = network(name)
    return {"family": type(entry.design).__name__} | {
        key: value for key, value in _plain(entry).items() if key in ("design", "batch_norm", "image", "classes")
    }


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


@lru_cache
def code_version(twin: str, family: str, root: Path = ROOT) -> str:
    """sha256 (hex) of the code that determines the outcome of a training.

    Args:
        twin: the framework's package.
        family: the class of the network's design, dotted: only what builds this family takes part.
        root: the folder that holds the packages.
    """
    roots, without = ([name.format(twin=twin) for name in names] for names in (ROOTS, WITHOUT))
    texts = reached(roots, without=without, chosen=family, root=root)
    return hashlib.sha256("\0".join(texts.values()).encode()).hexdigest()


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
