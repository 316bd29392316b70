"""The device that TensorFlow computes on: see `parity.runtime.device`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from parity.runtime.device import WorkerDevice
from tf_impl.kinds import registry


class Device(WorkerDevice):
    """A CPU or a GPU."""

    version = tf.__version__
    packages = ("keras", "numpy")

    def use(self, device: str, threads: int) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        self.allow_tf32(False)
        gpus = tf.config.list_physical_devices("GPU")
        if device == "gpu" and not gpus:
            raise RuntimeError(
                "--device gpu: TensorFlow sees no GPU; install tensorflow[and-cuda] and see `parity doctor`"
            )
        if device == "gpu":
            tf.config.experimental.set_memory_growth(gpus[0], True)
        else:
            tf.config.set_visible_devices([], "GPU")

    def gpus(self) -> int:
        return len(tf.config.list_physical_devices("GPU"))

    def gpu_name(self) -> str:
        gpu = tf.config.list_physical_devices("GPU")[0]
        return tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")

    def gpu_peak_memory(self) -> int:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])

    def lacks(self) -> list[str]:
        return [name.replace("keras.api.", "keras.") for name in registry.lacks()]

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(tf.matmul(tf.constant(a), tf.constant(b)).numpy())

    def conv2d(self, maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return np.asarray(tf.nn.conv2d(tf.constant(maps), tf.constant(kernel), 1, "VALID").numpy())

    def train_in_bfloat16(self) -> None:
        maps = tf.ones([1, 4, 4, 2], "bfloat16")
        kernel, product = (tf.Variable(tf.ones(shape, "bfloat16")) for shape in ([3, 3, 2, 2], [2, 2]))
        with tf.GradientTape() as tape:
            convolved = tf.nn.conv2d(maps, kernel, 1, "VALID")
            total = tf.reduce_sum(convolved) + tf.reduce_sum(tf.matmul(product, product))
        tape.gradient(total, [kernel, product])

    def allow_tf32(self, allowed: bool) -> None:
        tf.config.experimental.enable_tensor_float_32_execution(allowed)

    def synchronize(self) -> None:
        tf.test.experimental.sync_devices()


device = Device()
