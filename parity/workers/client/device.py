"""Device, threads, versions and precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from parity.workers.client.requests import Requests


@dataclass(frozen=True)
class DeviceSettings:
    """What a framework computes on.

    Attributes:
        device: "cpu" or "gpu".
        threads: CPU threads, as set up.
        version: the framework's.
    """

    device: str
    threads: int
    version: str


@dataclass(frozen=True)
class ProbedPrecision:
    """The precision of float32 on the device, as measured.

    Attributes:
        matmul_error: the largest error of a matrix product, relative to its largest number.
        conv_error: the same of a convolution.
        verdict: "float32" or "reduced precision".
    """

    matmul_error: float
    conv_error: float
    verdict: str


@dataclass(frozen=True)
class WorkerEnvironment:
    """What a worker says of itself: the entry of its framework in the environment record, in its order.

    Attributes:
        version: the framework's.
        device: "cpu" or "gpu".
        device_name: the processor's or the GPU's.
        gpus: the number of GPUs that it sees.
        threads: CPU threads in use.
        precision: of float32, as measured.
        lacks: full names of the layers and functions that the suite knows and this version does not have.
        python: the version of the worker's Python.
        packages: versions of the packages that matter beside the framework.
    """

    version: str
    device: str
    device_name: str
    gpus: int
    threads: int
    precision: ProbedPrecision
    lacks: list[str]
    python: str
    packages: dict[str, str]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> WorkerEnvironment:
        """Make it from plain JSON values."""
        return cls(**(values | {"precision": ProbedPrecision(**values["precision"])}))


class DeviceRequests(Requests):
    """Requests about the device; they need no network."""

    def setup(self, device: str, threads: int) -> None:
        """Choose the device and the number of CPU threads: the first request to a worker, which its start makes.

        Args:
            device: "cpu" or "gpu". Fails where the framework does not see it.
            threads: CPU threads, 1 or more.
        """
        self.call("setup", device=device, threads=threads)

    def environment(self) -> WorkerEnvironment:
        """Versions, device, threads and the measured precision."""
        return WorkerEnvironment.from_dict(self.call("environment").result)

    def settings(self) -> DeviceSettings:
        """Device and threads as set up, and the framework's version."""
        return DeviceSettings(**self.call("settings").result)

    def supports(self, precision: str) -> str:
        """Why the device cannot train in this precision ("float32", "float64", "tf32", "bfloat16"); empty if it can."""
        problem: str = self.call("supports", precision=precision).result["problem"]
        return problem
