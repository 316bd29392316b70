"""Device, threads, versions, memory, and what precision the device really computes in: the verbs about these."""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.catalogue.versions import in_this_process
from parity.runtime.precision import reference_problem, verdict
from parity.system import high_water


class WorkerDevice(ABC):
    """The device of this worker, the CPU until `setup` has chosen; a framework says how it is used."""

    version: str  # the framework's
    packages: Sequence[str]  # whose versions are reported beside it

    def __init__(self) -> None:
        self._settings: dict[str, Any] = {"device": "cpu", "threads": 0}

    @abstractmethod
    def use(self, device: str, threads: int) -> None:
        """Choose "cpu" or "gpu" and the number of CPU threads. Raises RuntimeError when the device is not there."""

    @abstractmethod
    def gpus(self) -> int:
        """How many GPUs the framework sees."""

    @abstractmethod
    def gpu_name(self) -> str:
        """What the GPU is called."""

    @abstractmethod
    def gpu_peak_memory(self) -> int:
        """Bytes: the high-water mark of the GPU's memory."""

    @abstractmethod
    def lacks(self) -> list[str]:
        """The functions that the suite knows and this version does not have, as users write them."""

    @abstractmethod
    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The product of two float32 matrices, as the device computes it."""

    @abstractmethod
    def conv2d(self, maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """The float32 convolution of maps NHWC with a kernel HWIO, not padded."""

    @abstractmethod
    def train_in_bfloat16(self) -> None:
        """A convolution and a matrix product in bfloat16, and their gradients. Raises what the framework raises."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has finished: before every reading of the clock."""

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return self.setup, self.environment, self.settings, self.supports

    def setup(self, device: str, threads: int) -> dict[str, Any]:
        """Choose the device ("cpu" or "gpu") and the number of CPU threads; before anything is computed.

        Returns:
            Both, as they were set.

        Raises:
            RuntimeError: the framework does not see the device.
        """
        self.use(device, threads)
        self._settings.update(device=device, threads=threads)
        return dict(self._settings)

    def environment(self) -> dict[str, Any]:
        """What the report says of this framework: versions, device, threads, probed precision."""
        gpu = self._settings["device"] == "gpu"
        return {
            "version": self.version,
            "device": self._settings["device"],
            "device_name": self.gpu_name() if gpu else platform.processor() or platform.machine(),
            "gpus": self.gpus(),
            "threads": self._settings["threads"],
            "precision": self.probe_precision(),
            "lacks": self.lacks(),
        } | in_this_process(*self.packages)

    def probe_precision(self) -> dict[str, Any]:
        """Relative errors of a float32 matrix product and convolution against float64: flags lie, numbers do not."""
        a, b, product, maps, kernel, convolved = reference_problem()
        return verdict(self.matmul(a, b), product, self.conv2d(maps, kernel), convolved)

    def supports(self, precision: str) -> dict[str, str]:
        """Why the device cannot train in this precision, found by trying; empty if it can."""
        if precision != "bfloat16":
            return {"problem": ""}
        try:
            self.train_in_bfloat16()
        except Exception as error:
            device = self._settings["device"]
            return {"problem": f"no bfloat16 kernels on this device ({device}): {type(error).__name__}"}
        return {"problem": ""}

    def peak_memory(self) -> int:
        """Bytes: the high-water mark of the device's memory, on the CPU of the process."""
        return self.gpu_peak_memory() if self._settings["device"] == "gpu" else high_water()

    def settings(self) -> dict[str, Any]:
        """Device and threads as set up, and the framework's version."""
        return self._settings | {"version": self.version}
