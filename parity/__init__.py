"""Parity of PaddlePaddle and TensorFlow 2 models: catalogue, transfer, comparison, proofs and benchmarks.

Nothing in this package imports a framework; each framework lives in a worker process of its own. What a program calls
is here: `check` and `compare`, the records that they return and the errors that they raise. Everything else may change
with any version.

Example:
    >>> import parity
    >>> proofs = parity.check("lenet5", levels=[1, 2])
    >>> [(proof.title, proof.passed) for proof in proofs["lenet5"]]
    [('transfer certificate', True), ('float64 forward', True)]
"""

from typing import Any

__version__ = "0.1.0"

# by name: the module in which it is defined
_PUBLIC = {
    "check": "parity.api",
    "compare": "parity.api",
    "Diagnosis": "parity.records.records",
    "Migration": "parity.records.migrations",
    "Proof": "parity.records.records",
    "MatchError": "parity.migration.specs",
    "TargetError": "parity.catalogue.targets",
    "UnknownNetworkError": "parity.catalogue.networks",
    "WorkerError": "parity.workers.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import on first use: a worker and `parity --help` need none of this."""
    import importlib

    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'parity' has no attribute {name!r}")
