"""Device, threads, versions, memory, and what precision the device really computes in."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import tensorflow as tf

from parity.catalogue.versions import in_this_process
from parity.runtime.precision import reference_problem, verdict
from parity.runtime.tracing import absent
from parity.system import high_water
from tf_impl.kinds import KNOWN

_settings: dict[str, Any] = {"device": "cpu", "threads": 0}


def setup(device: str, threads: int) -> dict[str, Any]:
    """Choose the device ("cpu" or "gpu") and the number of CPU threads; before anything is computed.

    Raises RuntimeError when the device is not there.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        raise RuntimeError("--device gpu: TensorFlow sees no GPU; install tensorflow[and-cuda] and see `parity doctor`")
    if device == "gpu":
        tf.config.experimental.set_memory_growth(gpus[0], True)
    else:
        tf.config.set_visible_devices([], "GPU")
    _settings.update(device=device, threads=threads)
    return dict(_settings)


def environment() -> dict[str, Any]:
    """What the report says of this framework: versions, device, threads, probed precision."""
    gpus = tf.config.list_physical_devices("GPU")
    name = platform.processor() or platform.machine()
    if _settings["device"] == "gpu":
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU")
    return {
        "version": tf.__version__,
        "device": _settings["device"],
        "device_name": name,
        "gpus": len(gpus),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "precision": probe_precision(),
        "lacks": [name.replace("keras.api.", "keras.") for name in absent(KNOWN)],  # as users write it
    } | in_this_process("keras", "numpy")


def probe_precision() -> dict[str, Any]:
    """Relative errors of a float32 matrix product and convolution against float64: flags lie, numbers do not."""
    a, b, product, maps, kernel, convolved = reference_problem()
    found = tf.matmul(tf.constant(a), tf.constant(b)).numpy()
    found_maps = tf.nn.conv2d(tf.constant(maps), tf.constant(kernel), 1, "VALID").numpy()
    return verdict(np.asarray(found), product, np.asarray(found_maps), convolved)


def supports(precision: str) -> dict[str, str]:
    """Why the device cannot train in this precision, tried by a convolution and a matrix product; empty if it can."""
    if precision != "bfloat16":
        return {"problem": ""}
    try:
        maps = tf.ones([1, 4, 4, 2], "bfloat16")
        kernel, product = (tf.Variable(tf.ones(shape, "bfloat16")) for shape in ([3, 3, 2, 2], [2, 2]))
        with tf.GradientTape() as tape:
            convolved = tf.nn.conv2d(maps, kernel, 1, "VALID")
            total = tf.reduce_sum(convolved) + tf.reduce_sum(tf.matmul(product, product))
        tape.gradient(total, [kernel, product])
    except Exception as error:
        device = _settings["device"]
        return {"problem": f"no bfloat16 kernels on this device ({device}): {type(error).__name__}"}
    return {"problem": ""}


def synchronize() -> None:
    """Wait until the device has finished: before every reading of the clock."""
    tf.test.experimental.sync_devices()


def peak_memory() -> int:
    """Bytes: the high-water mark of the device's memory, on the CPU of the process."""
    if _settings["device"] == "gpu":
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    return high_water()


def settings() -> dict[str, Any]:
    """Device and threads as set up, and the framework's version."""
    return _settings | {"version": tf.__version__}
