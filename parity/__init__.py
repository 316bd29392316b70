"""Parity of PaddlePaddle and TensorFlow 2 models: catalogue, transfer, comparison, proofs and benchmarks.

Nothing in this package imports a framework; each framework lives in a worker process of its own. What a program calls
is here: `check` and `compare`, and the records that they return. Everything else may change with any version.

Example:
    >>> import parity
    >>> proofs = parity.check("lenet5", levels=[1, 2])
    >>> [(proof.title, proof.passed) for proof in proofs["lenet5"]]
    [('transfer certificate', True), ('float64 forward', True)]
"""

from typing import Any

__version__ = "0.1.0"

__all__ = ["Diagnosis", "Migration", "Proof", "__version__", "check", "compare"]


def __getattr__(name: str) -> Any:
    """Import on first use: a worker and `parity --help` need none of this."""
    import importlib

    if name in ("check", "compare"):
        return getattr(importlib.import_module("parity.api"), name)
    if name in ("Diagnosis", "Migration", "Proof"):
        return getattr(importlib.import_module("parity.records.records"), name)
    raise AttributeError(f"module 'parity' has no attribute {name!r}")
