"""What a run records of where it was made: machine, data set, and each framework as its worker describes it.

Every fact may be absent: earlier versions recorded fewer, and what cannot be found out is null. Facts that no report
shows, which a worker may add at any time, are left aside.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]


class Precision(Struct, frozen=True):
    """What a device really computes in, as probed."""

    verdict: str | None = None  # "float32", "tf32", ...
    matmul_error: float | None = None  # relative, against float64
    conv_error: float | None = None


class FrameworkFacts(Struct, frozen=True):
    """One framework, as its worker describes it; `error` alone where it gave no answer."""

    version: str | None = None
    device: str | None = None  # "cpu" or "gpu"
    device_name: str | None = None
    threads: Count | None = None
    precision: Precision | None = None
    variables: dict[str, str] | None = None  # environment variables that the suite sets for its sake
    python: str | None = None
    packages: dict[str, str] = {}
    error: str | None = None

    @property
    def keras(self) -> str | None:
        """The version of Keras, which comes on its own."""
        return self.packages.get("keras")


class DatasetFacts(Struct, frozen=True):
    """The data set that was computed on."""

    title: str | None = None
    source: str | None = None  # the last part of its path


class Environment(Struct, frozen=True):
    """As `parity.workers.environment.collect` gives it."""

    frameworks: dict[str, FrameworkFacts] = {}
    dataset: DatasetFacts | None = None
    profile: str | None = None
    seed: Count | None = None
    command: str | None = None
    cpu: str | None = None
    cores: Count | None = None
    memory_bytes: Count | None = None
    os: str | None = None
    python: str | None = None
    packages: dict[str, str] = {}
    code_version: str | None = None
