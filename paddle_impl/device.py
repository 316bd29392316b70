"""Device, threads, versions, memory, and what precision the device really computes in."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import paddle

from paddle_impl.kinds import KNOWN
from parity.catalogue.versions import in_this_process
from parity.runtime.precision import reference_problem, verdict
from parity.runtime.tracing import absent
from parity.system import high_water

_settings: dict[str, Any] = {"device": "cpu", "threads": 0}


def setup(device: str, threads: int) -> dict[str, Any]:
    """Choose the device ("cpu" or "gpu") and the number of CPU threads; before anything is computed.

    Raises RuntimeError when the device is not there.
    """
    paddle.base.core.set_num_threads(threads)  # Paddle's own default is one
    if device == "gpu" and not _gpus():
        raise RuntimeError("--device gpu: Paddle sees no GPU; install paddlepaddle-gpu and see `parity doctor`")
    paddle.device.set_device(device)
    _settings.update(device=device, threads=threads)
    return dict(_settings)


def environment() -> dict[str, Any]:
    """What the report says of this framework: versions, device, threads, probed precision."""
    name = platform.processor() or platform.machine()
    if _settings["device"] == "gpu":
        name = paddle.device.cuda.get_device_name()
    return {
        "version": paddle.__version__,
        "device": _settings["device"],
        "device_name": name,
        "gpus": _gpus(),
        "threads": _settings["threads"],
        "precision": probe_precision(),
        "lacks": absent(KNOWN),
    } | in_this_process("numpy")


def probe_precision() -> dict[str, Any]:
    """Relative errors of a float32 matrix product and convolution against float64: flags lie, numbers do not."""
    a, b, product, maps, kernel, convolved = reference_problem()
    found = paddle.matmul(paddle.to_tensor(a), paddle.to_tensor(b)).numpy()
    nchw, oihw = maps.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1)
    found_maps = paddle.nn.functional.conv2d(paddle.to_tensor(nchw), paddle.to_tensor(oihw)).numpy()
    return verdict(np.asarray(found), product, found_maps.transpose(0, 2, 3, 1), convolved)


def supports(precision: str) -> dict[str, str]:
    """Why the device cannot train in this precision, tried by a convolution and a matrix product; empty if it can."""
    if precision != "bfloat16":
        return {"problem": ""}
    try:
        maps = paddle.ones([1, 2, 4, 4], "bfloat16")
        kernel = paddle.ones([2, 2, 3, 3], "bfloat16")
        kernel.stop_gradient = False
        paddle.nn.functional.conv2d(maps, kernel).sum().backward()
        product = paddle.ones([2, 2], "bfloat16")
        product.stop_gradient = False
        paddle.matmul(product, product).sum().backward()
    except Exception as error:
        device = _settings["device"]
        return {"problem": f"no bfloat16 kernels on this device ({device}): {type(error).__name__}"}
    return {"problem": ""}


def synchronize() -> None:
    """Wait until the device has finished: before every reading of the clock."""
    if _settings["device"] == "gpu":
        paddle.device.synchronize()


def peak_memory() -> int:
    """Bytes: the high-water mark of the device's memory, on the CPU of the process."""
    if _settings["device"] == "gpu":
        return int(paddle.device.cuda.max_memory_allocated())
    return high_water()


def settings() -> dict[str, Any]:
    """Device and threads as set up, and the framework's version."""
    return _settings | {"version": paddle.__version__}


def _gpus() -> int:
    return paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0
