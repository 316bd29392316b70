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
        """Choose the device and the number of CPU threads.

        Args:
            device: "cpu" or "gpu".
            threads: 1 or more.

        Raises:
            RuntimeError: the framework does not see the device; the message names the package to install.
        """

    @abstractmethod
    def gpus(self) -> int:
        """How many GPUs the framework sees.

        Returns:
            0 also where it was built without them.
        """

    @abstractmethod
    def gpu_name(self) -> str:
        """What the GPU is called.

        Returns:
            The name of the first one, as its driver gives it; called only where `use` chose it.
        """

    @abstractmethod
    def gpu_peak_memory(self) -> int:
        """The high-water mark of the GPU's memory.

        Returns:
            Bytes that this process had allocated at most.
        """

    @abstractmethod
    def lacks(self) -> list[str]:
        """The functions that the suite knows and this version does not have.

        Returns:
            Full names, as users write them ("keras.ops.relu").
        """

    @abstractmethod
    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """The product of two float32 matrices, as the device computes it.

        Args:
            a: [m, k].
            b: [k, n].

        Returns:
            float32 [m, n].
        """

    @abstractmethod
    def conv2d(self, maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """A float32 convolution, not padded, with stride 1, as the device computes it.

        Args:
            maps: [n, h, w, in].
            kernel: [kh, kw, in, out].

        Returns:
            float32 [n, h - kh + 1, w - kw + 1, out].
        """

    @abstractmethod
    def train_in_bfloat16(self) -> None:
        """A convolution and a matrix product in bfloat16, and their gradients. Raises what the framework raises."""

    @abstractmethod
    def allow_tf32(self, allowed: bool) -> None:
        """Let float32 products on the GPU be computed in TF32, or not.

        Args:
            allowed: on a CPU, and where the worker was started with NVIDIA_TF32_OVERRIDE=0, it changes nothing.
        """

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until the device has finished: before every reading of the clock."""

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return self.setup, self.environment, self.settings, self.supports

    def setup(self, device: str, threads: int) -> dict[str, Any]:
        """Choose the device and the number of CPU threads; before anything is computed.

        Args:
            device: "cpu" or "gpu".
            threads: 1 or more.

        Returns:
            Both, as they were set.

        Raises:
            RuntimeError: the framework does not see the device.
        """
        self.use(device, threads)
        self._settings.update(device=device, threads=threads)
        return dict(self._settings)

    def environment(self) -> dict[str, Any]:
        """What the report says of this framework; runs the probe of precision on the device.

        Returns:
            The fields of `parity.workers.client.device.WorkerEnvironment`: versions, device, threads, probed precision.
        """
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
        """Relative errors of a float32 matrix product and convolution against float64: flags lie, numbers do not.

        Returns:
            `matmul_error`, `conv_error` and `verdict`, see `parity.runtime.precision.verdict`.
        """
        a, b, product, maps, kernel, convolved = reference_problem()
        return verdict(self.matmul(a, b), product, self.conv2d(maps, kernel), convolved)

    def supports(self, precision: str) -> dict[str, str]:
        """Whether the device can train in this precision, found by trying.

        Args:
            precision: "float32", "float64", "tf32" or "bfloat16"; the last two are in question.

        Returns:
            `problem`: why it cannot; empty if it can.
        """
        device = self._settings["device"]
        if precision == "tf32":
            self.allow_tf32(True)
            exact = self.probe_precision()["verdict"] == "float32"
            self.allow_tf32(False)
            return {
                "problem": f"no TF32 products on this device ({device}): they are exact to float32" if exact else ""
            }
        if precision != "bfloat16":
            return {"problem": ""}
        try:
            self.train_in_bfloat16()
        except Exception as error:
            return {"problem": f"no bfloat16 kernels on this device ({device}): {type(error).__name__}"}
        return {"problem": ""}

    def peak_memory(self) -> int:
        """The high-water mark of the device's memory, on the CPU of the process.

        Returns:
            Bytes.
        """
        return self.gpu_peak_memory() if self._settings["device"] == "gpu" else high_water()

    def settings(self) -> dict[str, Any]:
        """Device and threads as set up, and the framework's version.

        Returns:
            `device`, `threads` (0 before `setup`) and `version`.
        """
        return self._settings | {"version": self.version}
